"""The score of an experiment, 0 to 100: quality 0-80 and governance 0-20, each part apart.

Source of the rules: version 1 of the scoring policy; every number of it lies in `configs/scoring_policy.json` and is
handed in. What was not measured earns nothing and is named. Pure functions; `tests/postrun/test_scoring.py` works
the formulas out by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postrun.core import values
from postrun.decide import gates

PROMOTE, WATCH, RESEARCH = "promote_candidate", "watchlist_rerun", "reject_or_research"


@dataclass(frozen=True)
class Measured:
    """What a gate report measured, in the report's own units; None is "not measured"."""

    cost_ics: tuple[float | None, ...]  # test IC, one per multiplier of the policy
    wf_mean: float | None
    wf_pos_ratio: float | None
    beta: float | None
    turnover_overlap: float | None
    size_corr: float | None
    industry_coverage: float | None
    factor_gate_pass: bool | None
    q_value: float | None

    def missing(self, multipliers: Sequence[float]) -> tuple[str, ...]:
        """Name what was not measured."""
        names = (f"test_ic_x{multiplier:g}" for multiplier in multipliers)
        costs = dict(zip(names, self.cost_ics, strict=True))
        others = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "cost_ics"
        }
        return tuple(name for name, value in {**costs, **others}.items() if value is None)


@dataclass(frozen=True)
class Standing:
    """What governance says of a run: only a plain true counts."""

    overall_pass: bool
    audit_passed: bool
    data_quality_passed: bool
    ledger_row_present: bool
    high_items: int | None  # None: no remediation plan, so nothing is known


@dataclass(frozen=True)
class Score:
    """The parts, the total after the cap, and what follows."""

    cost: float
    walk_forward: float
    risk: float
    statistical: float
    governance: float
    total: float
    decision: str

    @property
    def quality(self) -> float:
        """Give the four measured parts together, 0-80."""
        return self.cost + self.walk_forward + self.risk + self.statistical


def measure(report: Any, multipliers: Sequence[float]) -> Measured:
    """Take the scored metrics out of a gate report of any shape; None (no report) gives nothing measured."""
    rows = {
        values.number(row.get("cost_multiplier")): row.get("test_ic")
        for row in gates.cost_rows(report)
    }
    walk, risk = gates.section(report, "wf_stress"), gates.section(report, "risk_diagnostics")
    statistical = gates.section(report, "statistical_gates")
    return Measured(
        cost_ics=tuple(values.number(rows.get(multiplier)) for multiplier in multipliers),
        wf_mean=values.number(walk.get("test_ic_mean")),
        wf_pos_ratio=values.number(walk.get("test_ic_pos_ratio")),
        beta=values.number(risk.get("beta_vs_spy")),
        turnover_overlap=values.number(risk.get("turnover_top_pct_overlap")),
        size_corr=values.number(risk.get("size_signal_corr_log_mcap")),
        industry_coverage=values.number(risk.get("industry_coverage")),
        factor_gate_pass=values.boolean(statistical.get("factor_gate_pass")),
        q_value=values.number(statistical.get("q_value_bh")),
    )


def score(measured: Measured, standing: Standing, policy: Mapping[str, Any]) -> Score:
    """Score one run by the policy."""
    parts = {
        "cost": _cost(measured, policy["cost"]),
        "walk_forward": _walk_forward(measured, policy["walk_forward"]),
        "risk": _risk(measured, policy["risk"]),
        "statistical": _statistical(measured, policy["statistical"]),
        "governance": _governance(standing, policy["governance"]),
    }
    total = sum(parts.values())
    if not standing.overall_pass:
        total = min(total, policy["caps"]["without_overall_pass"])
    return Score(**parts, total=total, decision=_decision(total, standing, policy["decisions"]))


def _within(value: float, cap: float) -> float:
    return min(max(value, 0.0), float(cap))


def _cost(measured: Measured, rule: Mapping[str, Any]) -> float:
    ics = [value for value in measured.cost_ics if value is not None]
    points = float(rule["positive_points"] * sum(value > 0 for value in ics))
    if len(ics) < len(measured.cost_ics):
        return points  # a mean over fewer rows would reward what was not run
    return points + _within(sum(ics) / len(ics) * rule["mean_scale"], rule["mean_cap"])


def _walk_forward(measured: Measured, rule: Mapping[str, Any]) -> float:
    points = 0.0
    if measured.wf_mean is not None:
        points += rule["positive_points"] if measured.wf_mean > 0 else 0
        points += _within(measured.wf_mean * rule["mean_scale"], rule["mean_cap"])
    if measured.wf_pos_ratio is not None:
        over = measured.wf_pos_ratio - rule["pos_ratio_floor"]
        points += _within(over * rule["pos_ratio_scale"], rule["pos_ratio_cap"])
    return points


def _risk(measured: Measured, rule: Mapping[str, Any]) -> float:
    at_most = {"beta_abs": measured.beta, "size_corr_abs": measured.size_corr}
    at_least = {
        "turnover_overlap": measured.turnover_overlap,
        "industry_coverage": measured.industry_coverage,
    }
    broken = [
        name for name, value in at_most.items() if value is None or abs(value) > rule[name]["limit"]
    ]
    broken += [
        name for name, value in at_least.items() if value is None or value < rule[name]["limit"]
    ]
    return float(max(rule["points"] - sum(rule[name]["penalty"] for name in broken), 0))


def _statistical(measured: Measured, rule: Mapping[str, Any]) -> float:
    points = rule["gate_points"] if measured.factor_gate_pass else 0
    if measured.q_value is not None:
        points += max(
            (step["points"] for step in rule["q_value"] if measured.q_value <= step["at_most"]),
            default=0,
        )
    return float(points)


def _governance(standing: Standing, rule: Mapping[str, Any]) -> float:
    earned = {
        "audit_passed": standing.audit_passed,
        "data_quality_passed": standing.data_quality_passed,
        "ledger_row_present": standing.ledger_row_present,
        "no_high_item": standing.high_items == 0,
    }
    return float(sum(rule[name] for name, so in earned.items() if so))


def _decision(total: float, standing: Standing, totals: Mapping[str, float]) -> str:
    clean = standing.overall_pass and standing.audit_passed and standing.data_quality_passed
    if clean and total >= totals[PROMOTE]:
        return PROMOTE
    return WATCH if total >= totals[WATCH] else RESEARCH
