"""Which thresholds of a run are weaker than the policy's baseline."""

from typing import Any

import pytest

from harness import factory
from postrun.decide import baseline
from postrun.store import configuration

WINDOWS = [{"test_start": f"{year}-01-01", "test_end": f"{year}-12-31"} for year in (2013, 2014)]


def policy(**windows: int) -> Any:
    shipped = configuration.load("statistics_policy")
    bounds = {**shipped["baseline"]["windows"], **windows}
    return {**shipped, "baseline": {**shipped["baseline"], "windows": bounds}}


def weaker(asked: Any, **options: Any) -> list[str]:
    return baseline.weaker({**factory.THRESHOLDS, **options}, WINDOWS, asked)


def test_the_usual_thresholds_are_the_baseline() -> None:
    assert weaker(policy()) == []


@pytest.mark.parametrize(
    ("option", "value", "fault"),
    [
        ("min_pos_ratio", 0.5, "min_pos_ratio is 0.5, the baseline is at least 0.7"),
        ("wf_train_years", 2, "wf_train_years is 2, the baseline is at least 3"),
        ("stat_min_ic_mean", -0.01, "stat_min_ic_mean is -0.01, the baseline is at least 0.0"),
        ("stat_alpha", 0.25, "stat_alpha is 0.25, the baseline is at most 0.1"),
        ("risk_beta_abs_max", None, "risk_beta_abs_max is not recorded, the baseline is at most"),
        ("stress_cost_multiplier", "2", "stress_cost_multiplier is '2', the baseline is at least"),
    ],
)
def test_a_weaker_or_unknown_threshold_is_named(option: str, value: Any, fault: str) -> None:
    (found,) = weaker(policy(), **{option: value})
    assert found.startswith(fault)


def test_a_stricter_threshold_is_no_fault() -> None:
    assert weaker(policy(), min_pos_ratio=0.8, stat_alpha=0.05, wf_train_years=5) == []


@pytest.mark.parametrize(
    ("bounds", "options", "faults"),
    [
        ({}, {"wf_start_year": 2018}, []),
        ({"first_test_year_at_most": 2013, "last_test_year_at_least": 2025}, {}, []),
        (
            {"first_test_year_at_most": 2012},
            {},
            ["first test year is 2013, the baseline is at most 2012"],
        ),
        (
            {"last_test_year_at_least": 2024},
            {"wf_end_year": 2022},
            ["last test year is 2022, the baseline is at least 2024"],
        ),
        (
            {"first_test_year_at_most": 2013},
            {"wf_start_year": None},
            ["first test year is not recorded, the baseline is at most 2013"],
        ),
    ],
)
def test_a_range_of_years_can_be_asked_for(
    bounds: dict[str, int], options: dict[str, Any], faults: list[str]
) -> None:
    assert weaker(policy(**bounds), **options) == faults


def test_the_last_window_may_test_several_years() -> None:
    windows = [{"test_start": "2013-01-01", "test_end": "2014-12-31"}]
    options = {**factory.THRESHOLDS, "wf_test_years": 2, "wf_end_year": 2017}
    # 2013-2014 and 2015-2016: no window tests 2017.
    assert baseline.weaker(options, windows, policy(last_test_year_at_least=2016)) == []
    assert baseline.weaker(options, windows, policy(last_test_year_at_least=2017)) != []
