"""The score, worked out by hand from version 2 of the policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import factory
from postrun.decide import scoring

Row = dict[str, Any]
# A policy of this test's own: the numbers of the shipped one are pinned elsewhere.
POLICY: Row = {
    "caps": {"without_overall_pass": 75},
    "cost": {"mean_cap": 8, "mean_scale": 100, "multipliers": [1.5, 2.0], "positive_points": 6},
    "decisions": {"promote_candidate": 80, "watchlist_rerun": 65},
    "governance": {
        "audit_passed": 8,
        "data_quality_passed": 8,
        "ledger_row_present": 2,
        "no_high_item": 2,
    },
    "policy_version": 1,
    "risk": {
        "beta_abs": {"limit": 0.5, "penalty": 8},
        "industry_coverage": {"limit": 0.7, "penalty": 4},
        "points": 20,
        "size_corr_abs": {"limit": 0.3, "penalty": 6},
        "turnover_overlap": {"limit": 0.2, "penalty": 4},
    },
    "statistical": {
        "gate_points": 6,
        "q_value": [{"at_most": 0.1, "points": 4}, {"at_most": 0.2, "points": 2}],
    },
    "walk_forward": {
        "mean_cap": 10,
        "mean_scale": 120,
        "pos_ratio_cap": 10,
        "pos_ratio_floor": 0.5,
        "pos_ratio_scale": 50,
        "positive_points": 10,
    },
}
GOOD: Row = {
    "test_ic_x1_0": 0.04,
    "test_ic_x1_5": 0.03,
    "test_ic_x2_0": 0.01,
    "wf_mean": 0.05,
    "wf_pos_ratio": 0.6,
    "beta": 0.1,
    "turnover_overlap": 0.5,
    "size_corr": -0.1,
    "industry_coverage": 0.9,
    "factor_gate_pass": True,
    "q_value": 0.05,
    "q_student": None,
}
NOTHING: Row = dict.fromkeys(GOOD)
CLEAN: Row = {
    "overall_pass": True,
    "audit_passed": True,
    "data_quality_passed": True,
    "ledger_row_present": True,
    "high_items": 0,
}


def costs(first: float | None, second: float | None) -> Row:
    return {"test_ic_x1_5": first, "test_ic_x2_0": second}


def decide(row: Row, verdict: str = "survives") -> str:
    scored = row | scoring.score(row, POLICY)
    return scoring.decide(scored | {"verdict": verdict}, POLICY["decisions"])


def test_every_part_by_hand() -> None:
    found = scoring.score(GOOD | CLEAN, POLICY)
    assert found["cost"] == pytest.approx(6 + 6 + 0.02 * 100)
    assert found["walk_forward"] == pytest.approx(10 + 0.05 * 120 + 0.1 * 50)
    assert (found["risk"], found["statistical"], found["governance"]) == (20, 10, 20)
    assert found["total"] == pytest.approx(14 + 21 + 20 + 10 + 20)
    assert found["quality"] == pytest.approx(65)
    assert decide(GOOD | CLEAN) == "promote_candidate"


def test_what_was_not_measured_earns_nothing_and_is_named() -> None:
    found = scoring.score(NOTHING | dict(CLEAN, overall_pass=False), POLICY)
    assert (found["cost"], found["walk_forward"], found["risk"], found["statistical"]) == (
        0,
        0,
        0,
        0,
    )
    missing = found["not_measured"].split(";")
    assert missing[:3] == ["test_ic_x1.5", "test_ic_x2", "wf_mean"]
    assert len(missing) == 10
    assert scoring.score(GOOD | CLEAN, POLICY)["not_measured"] is None


@pytest.mark.parametrize(
    ("change", "part", "points"),
    [
        (costs(0.5, 0.5), "cost", 20),
        (costs(0.01, None), "cost", 6),
        (costs(-0.01, -0.03), "cost", 0),
        (costs(0.03, -0.01), "cost", 7),
        (costs(0.0, 0.0), "cost", 0),
        ({"wf_mean": 0.0}, "walk_forward", 5),
        ({"wf_mean": -0.5}, "walk_forward", 5),
        ({"wf_mean": 1.0, "wf_pos_ratio": 1.0}, "walk_forward", 30),
        ({"wf_pos_ratio": 0.2}, "walk_forward", 16),
        ({"wf_pos_ratio": None}, "walk_forward", 16),
        ({"beta": -0.5}, "risk", 20),
        ({"beta": -0.51}, "risk", 12),
        ({"beta": None}, "risk", 12),
        ({"size_corr": 0.31}, "risk", 14),
        ({"turnover_overlap": 0.19}, "risk", 16),
        ({"industry_coverage": None}, "risk", 16),
        (
            {"beta": None, "size_corr": None, "turnover_overlap": None, "industry_coverage": None},
            "risk",
            0,
        ),
        ({"q_value": 0.1}, "statistical", 10),
        ({"q_value": 0.15}, "statistical", 8),
        ({"q_value": 0.21}, "statistical", 6),
        ({"q_value": None, "factor_gate_pass": None}, "statistical", 0),
    ],
)
def test_one_part(change: dict[str, Any], part: str, points: float) -> None:
    found = scoring.score(GOOD | CLEAN | change, POLICY)
    assert found[part] == pytest.approx(points)


@pytest.mark.parametrize(
    ("standing", "points"),
    [
        (CLEAN, 20),
        (dict(CLEAN, audit_passed=False), 12),
        (dict(CLEAN, data_quality_passed=False), 12),
        (dict(CLEAN, ledger_row_present=False), 18),
        (dict(CLEAN, high_items=1), 18),
        (dict(CLEAN, high_items=None), 18),
    ],
)
def test_governance(standing: Row, points: float) -> None:
    assert scoring.score(GOOD | standing, POLICY)["governance"] == points


@pytest.mark.parametrize(
    ("standing", "total", "decision"),
    [
        (CLEAN, 85, "promote_candidate"),
        (dict(CLEAN, overall_pass=False), 75, "watchlist_rerun"),
        (dict(CLEAN, audit_passed=False), 77, "watchlist_rerun"),
        (dict(CLEAN, data_quality_passed=False, audit_passed=False), 69, "watchlist_rerun"),
    ],
)
def test_no_promotion_without_gates_audit_and_data(
    standing: Row, total: float, decision: str
) -> None:
    found = scoring.score(GOOD | standing, POLICY)
    assert found["total"] == pytest.approx(total)
    assert decide(GOOD | standing) == decision


@pytest.mark.parametrize(
    ("verdict", "good", "fair"),
    [
        ("survives", "promote_candidate", "watchlist_rerun"),
        ("does_not_survive", "reject_or_research", "reject_or_research"),
        ("not_comparable", "reject_or_research", "reject_or_research"),
        ("too_few_windows", "watchlist_rerun", "watchlist_rerun"),
        ("not_measured", "watchlist_rerun", "watchlist_rerun"),
    ],
)
def test_only_what_a_rerun_can_mend_is_watched(verdict: str, good: str, fair: str) -> None:
    assert decide(GOOD | CLEAN, verdict) == good
    assert decide(GOOD | dict(CLEAN, audit_passed=False), verdict) == fair


def test_a_low_total_is_research() -> None:
    assert decide(NOTHING | CLEAN) == "reject_or_research"


def test_a_report_is_measured_as_it_stands() -> None:
    report = factory.documents().report
    report["risk_diagnostics"]["beta_vs_spy"] = float("nan")
    report["statistical_gates"]["factor_gate_pass"] = "true"
    report["wf_stress"]["test_ic_mean"] = True
    found = scoring.measure(report)
    missing = [name for name, value in found.items() if value is None]
    assert missing == ["wf_mean", "beta", "factor_gate_pass"]
    cost_ics = [found[name] for name in ("test_ic_x1_0", "test_ic_x1_5", "test_ic_x2_0")]
    assert cost_ics == [row["test_ic"] for row in report["cost_stress"]]


@pytest.mark.parametrize(
    "report", [None, [], {"cost_stress": [1, {"cost_multiplier": "x"}]}, {"risk_diagnostics": 3}]
)
def test_no_report_measures_nothing(report: Any) -> None:
    assert scoring.measure(report) | {"q_student": None} == NOTHING


values = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    measured=st.fixed_dictionaries(
        {**dict.fromkeys(GOOD, values), "factor_gate_pass": st.none() | st.booleans()}
    ),
    standing=st.fixed_dictionaries(
        {**dict.fromkeys(CLEAN, st.booleans()), "high_items": st.none() | st.integers(0, 9)}
    ),
)
def test_parts_and_total_stay_within_their_bounds(measured: Row, standing: Row) -> None:
    found = scoring.score(measured | standing, POLICY)
    bounds = {
        "cost": 20,
        "walk_forward": 30,
        "risk": 20,
        "statistical": 10,
        "governance": 20,
        "quality": 80,
        "total": 100,
    }
    for part, most in bounds.items():
        assert 0 <= found[part] <= most
    if not standing["overall_pass"]:
        assert found["total"] <= 75
