"""The gate rules of the workstation: every verdict of a gate report, worked out again from its metrics and thresholds.

A value that is missing, not finite or of another type was not measured, and what was not measured does not pass.
Gates of a stage that was skipped on purpose have no verdict (None). Reports of every shape are read without a crash.
"""

from dataclasses import dataclass
from typing import Any

from postrun.core import values

OVERALL = "overall_pass"
ABOVE, AT_LEAST, AT_MOST, TRUE = ">", ">=", "|x| <=", "is"


@dataclass(frozen=True)
class Rule:
    """One gate: the metric it reads, how it compares, and with which option (or fixed number) of the gate program."""

    gate: str
    stage: str
    metric: str
    comparison: str
    threshold: str | float | bool
    skip: str = ""  # the option that leaves this gate without a verdict
    multiplier: float | None = None  # which row of the cost stress


_RISK, _STAT = "skip_risk_diagnostics", "skip_statistical_gates"
RULES = (
    Rule("cost_gate_x1_5_positive", "cost_stress", "test_ic", ABOVE, 0.0, multiplier=1.5),
    Rule("cost_gate_x2_0_positive", "cost_stress", "test_ic", ABOVE, 0.0, multiplier=2.0),
    Rule("wf_gate_positive_mean", "wf_stress", "test_ic_mean", ABOVE, 0.0),
    Rule("wf_gate_pos_ratio", "wf_stress", "test_ic_pos_ratio", AT_LEAST, "min_pos_ratio"),
    Rule(
        "risk_gate_beta_abs", "risk_diagnostics", "beta_vs_spy", AT_MOST, "risk_beta_abs_max", _RISK
    ),
    Rule(
        "risk_gate_turnover_overlap",
        "risk_diagnostics",
        "turnover_top_pct_overlap",
        AT_LEAST,
        "risk_turnover_overlap_min",
        _RISK,
    ),
    Rule(
        "risk_gate_size_corr_abs",
        "risk_diagnostics",
        "size_signal_corr_log_mcap",
        AT_MOST,
        "risk_size_corr_abs_max",
        _RISK,
    ),
    Rule(
        "risk_gate_industry_coverage",
        "risk_diagnostics",
        "industry_coverage",
        AT_LEAST,
        "risk_industry_coverage_min",
        _RISK,
    ),
    Rule("stat_gate_factor_pass", "statistical_gates", "factor_gate_pass", TRUE, True, _STAT),
)


@dataclass(frozen=True)
class Reading:
    """One gate, read again. `margin` is the distance to the threshold, positive on the passing side."""

    gate: str
    metric: str
    observed: float | bool | None
    threshold: float | bool | None
    comparison: str
    margin: float | None
    recomputed: bool | None
    reported: Any


@dataclass(frozen=True)
class Disagreement:
    """One gate whose reported verdict is not the one that its metric and threshold give."""

    gate: str
    reported: Any
    recomputed: bool | None
    observed: float | bool | None
    threshold: float | bool | None


def section(report: Any, *names: str) -> dict[str, Any]:
    """Give the first of these members of a report that is an object; empty when none is."""
    for name in names:
        value = values.member(report, name)
        if isinstance(value, dict):
            return value
    return {}


def inputs(report: Any) -> dict[str, Any]:
    """Give the options of the gate program; older reports call them `args`."""
    return section(report, "inputs", "args")


def gates(report: Any) -> dict[str, Any]:
    """Give the reported verdicts; older reports spell the key `gate`."""
    return section(report, "gates", "gate")


def cost_rows(report: Any) -> tuple[dict[str, Any], ...]:
    """Give the rows of the cost stress; what is no row is left out."""
    rows = values.member(report, "cost_stress")
    return tuple(row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def skipped(report: Any, rule: Rule) -> bool:
    """Say whether this gate has no verdict: skipped by its option, or a dry run that measured nothing.

    Only a real `true` switches an option on.
    """
    options = inputs(report)
    if options.get("dry_run") is True and _stage(report, rule).get(rule.metric) is None:
        return True
    return bool(rule.skip) and options.get(rule.skip) is True


def unofficial(report: Any) -> tuple[str, ...]:
    """List the skip options and `dry_run`, where not plainly off: a run with any of them is not official."""
    return tuple(
        name
        for name, value in sorted(inputs(report).items())
        if (name.startswith("skip_") or name == "dry_run") and value not in (False, None)
    )


def recompute(report: Any) -> dict[str, bool | None]:
    """Work out every gate from metrics and thresholds, `overall_pass` last; None where the stage was skipped."""
    return {reading.gate: reading.recomputed for reading in readings(report)}


def disagreements(report: Any) -> tuple[Disagreement, ...]:
    """List the gates, `overall_pass` included, whose reported verdict is not the recomputed one."""
    return tuple(
        Disagreement(found.gate, found.reported, found.recomputed, found.observed, found.threshold)
        for found in readings(report)
        if found.reported is not found.recomputed  # `is`: 1 is not true, "false" is not false
    )


def failed(report: Any) -> tuple[Reading, ...]:
    """Give the gates that do not pass when worked out again, `overall_pass` left out; none without a report."""
    found = readings(report) if report is not None else ()
    return tuple(
        reading for reading in found if reading.recomputed is False and reading.gate != OVERALL
    )


def readings(report: Any) -> tuple[Reading, ...]:
    """Read every gate again, in the order of the rules, `overall_pass` last."""
    found = tuple(_read(report, rule) for rule in RULES)
    reported = gates(report)
    known = {reading.gate for reading in found} | {OVERALL}
    verdicts = [reading.recomputed for reading in found]
    # A gate without a rule here cannot be worked out again; reported as failed, it fails the whole all the same.
    verdicts += [
        value is True for name, value in reported.items() if name not in known and value is not None
    ]
    judged = [verdict for verdict in verdicts if verdict is not None]
    overall = all(judged) if judged else None
    return (
        *found,
        Reading(OVERALL, "every gate", None, True, TRUE, None, overall, reported.get(OVERALL)),
    )


def _read(report: Any, rule: Rule) -> Reading:
    value = _stage(report, rule).get(rule.metric)
    limit = (
        inputs(report).get(rule.threshold) if isinstance(rule.threshold, str) else rule.threshold
    )
    reported = gates(report).get(rule.gate)
    if rule.comparison == TRUE:
        observed = values.boolean(value)
        verdict = None if skipped(report, rule) else observed is True
        return Reading(
            rule.gate, _metric(rule), observed, True, rule.comparison, None, verdict, reported
        )
    measured, threshold = values.number(value), values.number(limit)
    margin = _margin(rule.comparison, measured, threshold)
    verdict = None if skipped(report, rule) else _holds(rule.comparison, measured, threshold)
    return Reading(
        rule.gate, _metric(rule), measured, threshold, rule.comparison, margin, verdict, reported
    )


def _stage(report: Any, rule: Rule) -> dict[str, Any]:
    if rule.multiplier is None:
        return section(report, rule.stage)
    rows = [
        row
        for row in cost_rows(report)
        if values.number(row.get("cost_multiplier")) == rule.multiplier
    ]
    return (
        rows[0] if len(rows) == 1 else {}
    )  # two rows with one multiplier: it cannot be said which one counts


def _metric(rule: Rule) -> str:
    row = "" if rule.multiplier is None else f"[x{rule.multiplier:.1f}]"
    return f"{rule.stage}{row}.{rule.metric}"


def _margin(comparison: str, measured: float | None, threshold: float | None) -> float | None:
    if measured is None or threshold is None:
        return None
    return values.number(
        threshold - abs(measured) if comparison == AT_MOST else measured - threshold
    )


def _holds(comparison: str, measured: float | None, threshold: float | None) -> bool:
    if measured is None or threshold is None:
        return False
    if comparison == AT_MOST:
        return abs(measured) <= threshold
    return measured > threshold if comparison == ABOVE else measured >= threshold
