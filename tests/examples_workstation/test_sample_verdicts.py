"""Significance, risk and gate rules, against numbers from tables and by hand."""

from typing import Any

import numpy as np
import pytest

from harness.sample import options
from production_gates import gates, risk, significance


@pytest.mark.parametrize(
    ("t", "freedom", "wanted"),
    [
        (2.262157, 9, 0.025),
        (1.833113, 9, 0.05),
        (0.0, 9, 0.5),
        (-1.833113, 9, 0.95),
        (12.706205, 1, 0.025),
        (3.0, 29, 0.002748),
    ],
)
def test_p_value_is_students(t: float, freedom: int, wanted: float) -> None:
    """The wanted values stand in any table of Student's t."""
    count = freedom + 1
    shape = np.linspace(-1, 1, count)
    sample = shape / shape.std(ddof=1) + t / np.sqrt(count)
    assert significance.p_value(sample) == pytest.approx(wanted, abs=2e-6)


@pytest.mark.parametrize("sample", [[], [0.3], [0.2, 0.2, 0.2]])
def test_p_value_that_cannot_be_told_is_one(sample: list[float]) -> None:
    assert significance.p_value(np.array(sample)) == 1.0


def test_benjamini_hochberg() -> None:
    assert significance.adjusted([0.01, 0.04, 0.03, 0.20]) == pytest.approx(
        [0.04, 0.16 / 3, 0.16 / 3, 0.20]
    )
    assert significance.adjusted([]) == []


def test_what_is_not_a_number_lowers_no_other_q() -> None:
    """Sorted by comparison, NaN would hide that c is not significant behind the q of a."""
    unknown = significance.adjusted([0.0017 / 3, float("nan"), 0.268])
    assert unknown == pytest.approx([0.0017, 1.0, 0.402])


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-inf"])
def test_a_window_that_is_not_a_number_was_not_measured(cell: str) -> None:
    """One such window of b changes nothing for a and c: b is judged by its other windows."""
    samples = {"a": [0.05, 0.04, 0.06, 0.05], "b": [0.02, -0.01, 0.03], "c": [0.02, -0.04, 0.05]}

    def table(more: str) -> list[dict[str, Any]]:
        rows = [{"factor": name, "test_ic": str(ic)} for name in samples for ic in samples[name]]
        return significance.judge([*rows, {"factor": "b", "test_ic": more}], options())

    assert table(cell) == table("")
    a, b, c = table(cell)
    assert (a["n_windows"], b["n_windows"], c["n_windows"]) == (4, 3, 3)
    assert a["q_value_bh"] < 0.01 < c["p_value"] <= c["q_value_bh"]


@pytest.mark.parametrize(
    ("count", "t", "exact", "error"),
    [(10, -1.4, 0.9024856977937389, 2e-9), (500, -1.0, 0.8411024119440649, 7e-8)],
)
def test_the_error_is_what_the_module_says(
    count: int, t: float, exact: float, error: float
) -> None:
    """The exact values come from Gauss-Legendre quadrature, 60 points on each of 400 pieces."""
    shape = np.linspace(-1, 1, count)
    sample = shape / shape.std(ddof=1) + t / np.sqrt(count)
    assert error / 2 < abs(significance.p_value(sample) - exact) < error


def test_the_family_shares_the_blame() -> None:
    """The same windows pass alone and fail beside enough others."""
    row = [
        {"factor": "reversal_1", "test_ic": str(ic)} for ic in (0.1, 0.02, 0.12, 0.01, 0.09, -0.02)
    ]
    others = [
        {"factor": f"f{number}", "test_ic": ic}
        for number in range(20)
        for ic in ("0.1", "-0.1", "0")
    ]
    alone = significance.judge(row, options())
    together = significance.judge(row + others, options())
    assert [one["gate_pass"] for one in alone] == [True]
    assert next(one for one in together if one["factor"] == "reversal_1")["gate_pass"] is False


def test_beta_is_a_slope() -> None:
    market = np.array([0.01, -0.02, 0.03, 0.0])
    assert risk.beta(0.4 * market + 0.001, market) == pytest.approx(0.4)
    assert np.isnan(risk.beta(market[:1], market[:1]))


def test_overlap_counts_who_stays() -> None:
    signal = np.array([[4.0, 3, 2, 1], [4, 1, 3, 2], [1, 2, 3, 4]])
    held = risk.top_members(signal, 0.5)
    assert held.tolist() == [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]
    assert risk.overlap(held) == pytest.approx(0.5)


def found(**changes: Any) -> dict[str, Any]:
    """Give stages that pass every gate, with some values changed."""
    values = {
        "x15": 0.02,
        "x20": 0.01,
        "mean": 0.01,
        "ratio": 0.7,
        "beta": -0.5,
        "overlap": 0.2,
        "size": 0.3,
    }
    values |= {"coverage": 0.7, "stat": True} | changes
    return {
        "cost_stress": [
            {"cost_multiplier": 1.5, "test_ic": values["x15"]},
            {"cost_multiplier": 2.0, "test_ic": values["x20"]},
        ],
        "wf_stress": {"test_ic_mean": values["mean"], "test_ic_pos_ratio": values["ratio"]},
        "risk_diagnostics": {
            "beta_vs_spy": values["beta"],
            "turnover_top_pct_overlap": values["overlap"],
            "size_signal_corr_log_mcap": values["size"],
            "industry_coverage": values["coverage"],
        },
        "statistical_gates": {"factor_gate_pass": values["stat"]},
    }


def test_values_at_the_limit_pass() -> None:
    answers = gates.evaluate(options(), found())
    assert set(answers.values()) == {True}
    assert len(answers) == 10


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"x15": 0.0}, "cost_gate_x1_5_positive"),
        ({"x20": -0.1}, "cost_gate_x2_0_positive"),
        ({"mean": 0.0}, "wf_gate_positive_mean"),
        ({"ratio": 0.69}, "wf_gate_pos_ratio"),
        ({"beta": -0.51}, "risk_gate_beta_abs"),
        ({"overlap": 0.19}, "risk_gate_turnover_overlap"),
        ({"size": -0.31}, "risk_gate_size_corr_abs"),
        ({"coverage": 0.6}, "risk_gate_industry_coverage"),
        ({"stat": False}, "stat_gate_factor_pass"),
    ],
)
def test_one_gate_fails_alone_and_takes_the_whole_with_it(
    change: dict[str, Any], gate: str
) -> None:
    for value in (change, dict.fromkeys(change)):  # a missing value fails like a bad one
        answers = gates.evaluate(options(), found(**value))
        assert [name for name, answer in answers.items() if not answer] == [gate, "overall_pass"]


def test_a_skipped_stage_is_not_evaluated() -> None:
    answers = gates.evaluate(options("--skip-risk-diagnostics"), found(beta=None, size=None))
    assert answers["risk_gate_beta_abs"] is None
    assert answers["overall_pass"] is True


def test_a_dry_run_decides_nothing() -> None:
    assert set(gates.evaluate(options("--dry-run"), found()).values()) == {None}
