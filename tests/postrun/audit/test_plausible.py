"""Which values their names rule out."""

from typing import Any

import pytest

from harness import factory
from postrun.audit import plausible


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"test_ic": 1.7}, "test_ic is 1.7, not within -1 to 1"),
        ({"size_signal_corr_log_mcap": -1.01}, "size_signal_corr_log_mcap is -1.01, not within"),
        ({"industry_coverage": 42}, "industry_coverage is 42.0, not within 0 to 1"),
        ({"turnover_top_pct_overlap": 3}, "turnover_top_pct_overlap is 3.0, not within 0 to 1"),
        ({"q_value_bh": -0.5}, "q_value_bh is -0.5, not within 0 to 1"),
        ({"p_value": "1.5"}, "p_value is 1.5, not within 0 to 1"),
        ({"ic_std": "-0.1"}, "ic_std is -0.1, less than 0"),
        ({"n_pass": -1}, "n_pass is -1.0, less than 0"),
        ({"test_ic": 0.02, "test_n_dates": "0"}, "test_n_dates is 0 beside a measured test_ic"),
        ({"ic": 0.02, "n": 0.5}, "n is 0.5 beside a measured ic"),
        ({"test_ic_mean": 0.1, "test_ic_n": 0}, "test_ic_n is 0 beside a measured test_ic_mean"),
    ],
)
def test_an_impossible_value_is_named(record: dict[str, Any], fault: str) -> None:
    (found,) = plausible.faults(record)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "record",
    [
        {"test_ic": 1.0000000000000002, "train_ic": -1},
        {"test_ic": None, "test_n_dates": 0},
        {"test_ic": "", "test_n_dates": ""},
        {"test_ic": "nan", "ic_std": "inf"},
        {"beta_vs_spy": 3.2, "test_sharpe": -7, "test_win_rate": 55, "rows": 0},
        {"ok": True, "reason": "not measured", "factor": "1.7"},
        *factory.documents().windows,
        *factory.documents().significance,
    ],
)
def test_a_possible_value_is_none(record: dict[str, Any]) -> None:
    assert list(plausible.faults(record)) == []
