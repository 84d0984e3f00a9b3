"""q values of many hypotheses, and the windows that it takes to pass among them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from postrun.decide import multiple_testing

# The p values of Benjamini and Hochberg 1995.
PRINTED = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
PRINTED += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]


def test_q_values_of_five_families() -> None:
    found = multiple_testing.benjamini_yekutieli([0.01171875, 0.25, 0.0009765625, 0.6, 0.04])
    expected = [0.0668945312, 0.7135416667, 0.0111490885, 1, 0.1522222222]
    assert found == pytest.approx(expected, abs=1e-10)


def test_q_values_of_printed_p_values() -> None:
    found = multiple_testing.benjamini_yekutieli(PRINTED)
    expected = [0.0049773435, 0.0099546870, 0.0315231754, 0.1182119079]
    assert found[:4] == pytest.approx(expected, abs=1e-10)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_follow_the_definition(ps: list[float]) -> None:
    number = len(ps)
    factor = number * math.fsum(1 / place for place in range(1, number + 1))
    ascending = sorted(ps)
    for p, q in zip(ps, multiple_testing.benjamini_yekutieli(ps), strict=True):
        least = 1.0
        for place, other in enumerate(ascending, start=1):
            if other >= p:
                least = min(least, other * factor / place)
        assert q == pytest.approx(least, rel=1e-12)


def test_q_values_are_those_of_another_library() -> None:
    _, expected, *_ = multipletests(PRINTED, method="fdr_by")
    found = multiple_testing.benjamini_yekutieli(PRINTED)
    assert found == pytest.approx(list(expected), rel=1e-12)
    _, expected, *_ = multipletests(PRINTED, method="fdr_bh")
    found = multiple_testing.benjamini_hochberg(PRINTED)
    assert found == pytest.approx(list(expected), rel=1e-12)


def test_no_family_has_no_q() -> None:
    assert multiple_testing.benjamini_yekutieli([]) == []


@pytest.mark.parametrize(("families", "windows"), [(1, 4), (20, 10), (25, 10), (27, 11), (50, 12)])
def test_windows_that_a_family_needs_to_pass_by_itself(families: int, windows: int) -> None:
    assert multiple_testing.least_windows(families, 0.10) == windows
    ps = [2.0**-windows, *[1.0] * (families - 1)]
    assert multiple_testing.benjamini_yekutieli(ps)[0] <= 0.10
    ps[0] *= 2
    assert multiple_testing.benjamini_yekutieli(ps)[0] > 0.10


def test_more_trials_and_a_smaller_ratio_need_more_windows() -> None:
    assert multiple_testing.windows_needed(0.9, 14, 0.01) == 18
    assert multiple_testing.windows_needed(0.9, 1, 0.01) == 10
    assert multiple_testing.windows_needed(0.45, 14, 0.01) == 56
    assert multiple_testing.windows_needed(0.0, 14, 0.01) is None
    assert multiple_testing.windows_needed(-0.3, 14, 0.01) is None
    assert multiple_testing.windows_needed(100.0, 1, 0.01) == 2


@pytest.mark.parametrize(("ratio", "trials"), [(0.9, 14), (0.9, 1), (0.45, 14), (1.5, 10_000)])
def test_windows_needed_are_the_fewest(ratio: float, trials: int) -> None:
    windows = multiple_testing.windows_needed(ratio, trials, 0.01)
    assert windows is not None

    def is_enough(number: int) -> bool:
        quantile = stats.t.isf(0.01 / trials, number - 1)
        return bool(ratio * math.sqrt(number) >= quantile)

    assert is_enough(windows)
    assert not is_enough(windows - 1)


def test_a_tiny_ratio_needs_very_many_windows_at_once() -> None:
    # z(1 - 0.01 / 14) is 3.189.
    assert multiple_testing.windows_needed(0.001, 14, 0.01) == pytest.approx(3189**2, rel=1e-3)


def test_decisions_repeat() -> None:
    assert multiple_testing.chance_of_a_false_pass(200, 0.05) == pytest.approx(0.26, abs=0.005)
    assert multiple_testing.chance_of_a_false_pass(200, 0.01) == pytest.approx(0.057, abs=5e-4)
    assert multiple_testing.chance_of_a_false_pass(1, 0.01) == pytest.approx(0.01)
