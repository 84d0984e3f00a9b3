"""The gate rules of the workstation: each verdict of a gate report, worked out again.

A value that is missing, not finite or of another type was not measured, and what was not measured
does not pass. Gates of a stage that was skipped on purpose have no verdict (None). Reports of every
shape are read without a crash.
"""

from dataclasses import dataclass
from typing import Any

from postrun.core import values
from postrun.core.values import Json

OVERALL = "overall_pass"
ABOVE, AT_LEAST, AT_MOST, TRUE = ">", ">=", "|x| <=", "is"


@dataclass(frozen=True)
class Rule:
    """One gate: the metric of a stage, and what it is compared with.

    `threshold` is the name of an option of the gate program, or a fixed value.
    """

    gate: str
    stage: str
    metric: str
    comparison: str
    threshold: str | float | bool
    skip: str = ""  # the option that leaves this gate without a verdict
    multiplier: float | None = None  # which row of the cost stress


def _cost_rule(gate: str, multiplier: float) -> Rule:
    return Rule(gate, "cost_stress", "test_ic", ABOVE, 0.0, multiplier=multiplier)


def _risk_rule(
    gate: str,
    metric: str,
    comparison: str,
    threshold: str,
) -> Rule:
    return Rule(gate, "risk_diagnostics", metric, comparison, threshold, "skip_risk_diagnostics")


_STATISTICS = ("statistical_gates", "factor_gate_pass", TRUE, True, "skip_statistical_gates")
RULES = (
    _cost_rule("cost_gate_x1_5_positive", 1.5),
    _cost_rule("cost_gate_x2_0_positive", 2.0),
    Rule("wf_gate_positive_mean", "wf_stress", "test_ic_mean", ABOVE, 0.0),
    Rule("wf_gate_pos_ratio", "wf_stress", "test_ic_pos_ratio", AT_LEAST, "min_pos_ratio"),
    _risk_rule(
        "risk_gate_beta_abs",
        "beta_vs_spy",
        AT_MOST,
        "risk_beta_abs_max",
    ),
    _risk_rule(
        "risk_gate_turnover_overlap",
        "turnover_top_pct_overlap",
        AT_LEAST,
        "risk_turnover_overlap_min",
    ),
    _risk_rule(
        "risk_gate_size_corr_abs",
        "size_signal_corr_log_mcap",
        AT_MOST,
        "risk_size_corr_abs_max",
    ),
    _risk_rule(
        "risk_gate_industry_coverage",
        "industry_coverage",
        AT_LEAST,
        "risk_industry_coverage_min",
    ),
    Rule("stat_gate_factor_pass", *_STATISTICS),
)


@dataclass(frozen=True)
class Reading:
    """One gate of a report, worked out again.

    `margin` is the distance to the threshold, positive on the passing side.
    """

    gate: str
    metric: str
    observed: float | bool | None
    threshold: float | bool | None
    comparison: str
    margin: float | None
    recomputed: bool | None
    reported: Any


def section(report: Any, *names: str) -> Json:
    """Return the first of these members of a report that is an object; empty when none is."""
    for name in names:
        value = values.member(report, name)
        if isinstance(value, dict):
            return value
    return {}


def inputs(report: Any) -> Json:
    """Return the options of the gate program; older reports call them `args`."""
    return section(report, "inputs", "args")


def gates(report: Any) -> Json:
    """Return the reported verdicts; older reports spell the key `gate`."""
    return section(report, "gates", "gate")


def overall(report: Any) -> Any:
    """Return the overall verdict as reported, whatever its type."""
    return gates(report).get(OVERALL)


def cost_rows(report: Any) -> list[Json]:
    """Return the rows of the cost stress that are objects."""
    rows = values.member(report, "cost_stress")
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, dict)]


def multipliers(options: Json) -> list[float] | None:
    """Return the cost multipliers that the options ask for, as in `"1.0,1.5,2.0"`; else None.

    Empty parts, as behind a last comma, ask for nothing.
    """
    text = values.text(options.get("cost_multipliers")) or ""
    parts = filter(str.strip, text.split(","))
    try:
        return list(map(float, parts)) or None
    except ValueError:
        return None


def exit_code(result: Any) -> int | None:
    """Return the exit code in a result.json; None for anything that is no whole number.

    JSON has one kind of number: 0.0 is 0. A text or true is no exit code.
    """
    return values.count(values.member(result, "exit_code"))


def unofficial(report: Any) -> list[str]:
    """Return the skip options and `dry_run`, where not plainly off: such a run is not official."""
    options = inputs(report)
    unofficial_options = []
    for name in sorted(options):
        skips = name.startswith("skip_") or name == "dry_run"
        if skips and options[name] not in (False, None):
            unofficial_options.append(name)
    return unofficial_options


def disagreements(report: Any) -> list[Reading]:
    """Return the gates, `overall_pass` included, whose reported verdict is not the
    recomputed one.
    """
    # `is`, because 1 is not true and "false" is not false.
    return [gate for gate in readings(report) if gate.reported is not gate.recomputed]


def failed(report: Any) -> list[Reading]:
    """Return the gates that do not pass when worked out again, without `overall_pass`.

    There are none without a report (None).
    """
    if report is None:
        return []
    *single_gates, _ = readings(report)
    return [gate for gate in single_gates if gate.recomputed is False]


def numbers(reading: Reading) -> Json:
    """Return a gate as artifacts list it: what was measured, and what it was compared with."""
    members = dict(vars(reading))
    del members["recomputed"], members["reported"]
    return members


def readings(report: Any) -> list[Reading]:
    """Return every gate, worked out again, in the order of the rules, `overall_pass` last."""
    single_gates = [_read(report, rule) for rule in RULES]
    verdicts = {gate.gate: gate.recomputed for gate in single_gates}
    for name, value in gates(report).items():
        # A gate without a rule here cannot be worked out again. Reported as anything but a pass, it
        # fails the whole all the same.
        if name not in verdicts and name != OVERALL and value is not None:
            verdicts[name] = value is True
    judged = set(verdicts.values()) - {None}
    passed = False not in judged if judged else None
    claimed = overall(report)
    whole = Reading(OVERALL, "every gate", None, True, TRUE, None, passed, claimed)
    return [*single_gates, whole]


def _read(report: Any, rule: Rule) -> Reading:
    """Return one gate, worked out again from its metric and its threshold."""
    options = inputs(report)
    value = _stage(report, rule).get(rule.metric)
    threshold: Any = rule.threshold
    if isinstance(threshold, str):
        threshold = values.number(options.get(threshold))
    observed = values.number(value)
    margin = _margin(rule.comparison, observed, threshold)
    # The sign of a difference is exact, so it decides as the comparison itself does.
    passed: bool | None = margin is not None and margin >= 0
    if rule.comparison == ABOVE:
        passed = margin is not None and margin > 0
    if rule.comparison == TRUE:
        observed = values.boolean(value)
        passed = observed is True
    if _is_skipped(options, rule, value):
        passed = None
    return Reading(
        gate=rule.gate,
        metric=_metric_path(rule),
        observed=observed,
        threshold=threshold,
        comparison=rule.comparison,
        margin=values.number(margin),
        recomputed=passed,
        reported=gates(report).get(rule.gate),
    )


def _margin(
    comparison: str,
    observed: float | None,
    threshold: Any,
) -> float | None:
    if comparison == TRUE or observed is None or threshold is None:
        return None
    if comparison == AT_MOST:
        return float(threshold - abs(observed))
    return float(observed - threshold)


def _is_skipped(options: Json, rule: Rule, value: Any) -> bool:
    """Return whether a gate has no verdict: skipped by its option, or not measured in a dry run.

    Only a real `true` switches an option on.
    """
    if value is None and options.get("dry_run") is True:
        return True
    return rule.skip != "" and options.get(rule.skip) is True


def _stage(report: Any, rule: Rule) -> Json:
    """Return the object that holds a rule's metric; empty when there is none or it is not clear."""
    if rule.multiplier is None:
        return section(report, rule.stage)
    rows = []
    for row in cost_rows(report):
        if values.number(row.get("cost_multiplier")) == rule.multiplier:
            rows.append(row)
    # A multiplier that is asked for twice is measured twice, and the last row counts. Of other rows
    # with one multiplier, it cannot be said which one counts.
    asked = multipliers(inputs(report)) or []
    times = max(1, asked.count(rule.multiplier))
    return rows[-1] if len(rows) == times else {}


def _metric_path(rule: Rule) -> str:
    if rule.multiplier is None:
        return f"{rule.stage}.{rule.metric}"
    return f"{rule.stage}[x{rule.multiplier:.1f}].{rule.metric}"
