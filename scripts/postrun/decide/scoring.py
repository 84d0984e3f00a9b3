"""The score of an experiment, 0 to 100: quality 0-80 and governance 0-20. Pure functions.

Source of the rules: version 2 of the scoring policy. Every number of it is in
`configs/scoring_policy.json` and is passed in. What was not measured earns nothing and is named.
`tests/postrun/decide/test_scoring.py` works the formulas out by hand.

A row holds the columns of the registry: what `measure` returns, and what governance says of the
run.
"""

from typing import Any

from postrun.core import values
from postrun.decide import gates, verdicts

PROMOTE = "promote_candidate"
WATCH = "watchlist_rerun"
RESEARCH = "reject_or_research"

# Cost multiplier, and its column.
_COST_ICS = {
    1.0: "test_ic_x1_0",
    1.5: "test_ic_x1_5",
    2.0: "test_ic_x2_0",
}
# Column, then the section and the member of the gate report.
_METRICS = (
    ("wf_mean", "wf_stress", "test_ic_mean"),
    ("wf_pos_ratio", "wf_stress", "test_ic_pos_ratio"),
    ("beta", "risk_diagnostics", "beta_vs_spy"),
    ("turnover_overlap", "risk_diagnostics", "turnover_top_pct_overlap"),
    ("size_corr", "risk_diagnostics", "size_signal_corr_log_mcap"),
    ("industry_coverage", "risk_diagnostics", "industry_coverage"),
    ("factor_gate_pass", "statistical_gates", "factor_gate_pass"),
    ("q_value", "statistical_gates", "q_value_bh"),
)
# Without each of these nothing is promoted, whatever its total.
_MUST_PASS = ("overall_pass", "audit_passed", "data_quality_passed")

Row = dict[str, Any]


def measure(report: Any) -> Row:
    """Return the scored metrics of any gate report, in its units; None: not measured."""
    row: Row = dict.fromkeys(_COST_ICS.values())
    for cost_row in gates.cost_rows(report):
        multiplier = values.number(cost_row.get("cost_multiplier"))
        if multiplier in _COST_ICS:
            column = _COST_ICS[multiplier]
            test_ic = cost_row.get("test_ic")
            row[column] = values.number(test_ic)
    for column, section, metric in _METRICS:
        stage = gates.section(report, section)
        value = stage.get(metric)
        row[column] = values.number(value)
        if column == "factor_gate_pass":
            row[column] = values.boolean(value)
    return row


def score(row: Row, policy: Row) -> Row:
    """Return the parts of a run's score, the capped total, and what was not measured."""
    multipliers = policy["cost"]["multipliers"]
    columns = [_COST_ICS[multiplier] for multiplier in multipliers]
    cost_ics = [row[column] for column in columns]
    parts = {
        "cost": _score_cost(cost_ics, policy["cost"]),
        "walk_forward": _score_walk_forward(row, policy["walk_forward"]),
        "risk": _score_risk(row, policy["risk"]),
        "statistical": _score_statistical(row, policy["statistical"]),
    }
    quality = sum(parts.values())
    governance = _score_governance(row, policy["governance"])
    total = quality + governance
    if not row["overall_pass"]:
        total = min(total, policy["caps"]["without_overall_pass"])
    missing = []
    for multiplier, test_ic in zip(multipliers, cost_ics, strict=True):
        if test_ic is None:
            missing.append(f"test_ic_x{multiplier:g}")
    for column, _, _ in _METRICS:
        if row[column] is None:
            missing.append(column)
    return {
        **parts,
        "governance": governance,
        "quality": quality,
        "total": total,
        "not_measured": ";".join(missing) or None,
    }


def _within(value: float, cap: float) -> float:
    return min(max(value, 0.0), float(cap))


def _score_cost(ics: list[float | None], rule: Row) -> float:
    measured = [ic for ic in ics if ic is not None]
    positive = [ic for ic in measured if ic > 0]
    points = float(rule["positive_points"] * len(positive))
    # A mean over fewer rows would reward what was not run.
    if len(measured) < len(ics):
        return points
    mean = sum(measured) / len(measured)
    return points + _within(mean * rule["mean_scale"], rule["mean_cap"])


def _score_walk_forward(row: Row, rule: Row) -> float:
    mean = row["wf_mean"]
    ratio = row["wf_pos_ratio"]
    points = 0.0
    if mean is not None:
        if mean > 0:
            points += rule["positive_points"]
        points += _within(mean * rule["mean_scale"], rule["mean_cap"])
    if ratio is not None:
        above = ratio - rule["pos_ratio_floor"]
        points += _within(above * rule["pos_ratio_scale"], rule["pos_ratio_cap"])
    return points


def _score_risk(row: Row, rule: Row) -> float:
    """Return the points less a penalty for each limit that is broken or could not be checked."""
    points = rule["points"]
    for column in ("beta", "size_corr"):
        value = row[column]
        at_most = rule[f"{column}_abs"]
        if value is None or abs(value) > at_most["limit"]:
            points -= at_most["penalty"]
    for column in ("turnover_overlap", "industry_coverage"):
        value = row[column]
        at_least = rule[column]
        if value is None or value < at_least["limit"]:
            points -= at_least["penalty"]
    return float(max(points, 0))


def _score_statistical(row: Row, rule: Row) -> float:
    points = 0
    if row["factor_gate_pass"]:
        points += rule["gate_points"]
    # By Student's t where the table allows it: the normal distribution is too kind to few windows.
    q_value = row["q_student"]
    if q_value is None:
        q_value = row["q_value"]
    if q_value is None:
        return float(points)
    # The steps overlap: the best one that is reached counts.
    best = 0
    for step in rule["q_value"]:
        if q_value <= step["at_most"]:
            best = max(best, step["points"])
    return float(points + best)


def _score_governance(row: Row, rule: Row) -> float:
    points = 0
    for column in ("audit_passed", "data_quality_passed", "ledger_row_present"):
        if row[column]:
            points += rule[column]
    if row["high_items"] == 0:
        points += rule["no_high_item"]
    return float(points)


def decide(row: Row, least: Row) -> str:
    """Return the decision on a row that has its total and its verdict (version 2 of the policy).

    A rerun of a trial that did not survive would only be one more trial: it is no watchlist.
    """
    total = row["total"]
    is_clean = all(row[column] for column in _MUST_PASS)
    survives = row["verdict"] == verdicts.SURVIVES
    if is_clean and survives and total >= least[PROMOTE]:
        return PROMOTE
    can_be_mended = row["verdict"] in verdicts.MENDED_BY_A_RERUN
    if can_be_mended and total >= least[WATCH]:
        return WATCH
    return RESEARCH
