"""The deflated Sharpe ratio: printed values, and the mistakes that must not come out."""

import math

import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.tsa.stattools import acf

from postrun.decide import intervals

YEARLY, DAYS = 2.5, 1250
RATIO, VARIANCE = YEARLY / math.sqrt(250), 0.5 / 250


def test_the_printed_example() -> None:
    assert intervals.expected_best_ratio(100, VARIANCE) == pytest.approx(0.1131720019, abs=1e-10)
    deflated = intervals.deflated_sharpe_ratio(RATIO, DAYS, 100, VARIANCE, -3, 10)
    assert deflated == pytest.approx(0.9003968344, abs=1e-10)
    deflated = intervals.deflated_sharpe_ratio(RATIO, DAYS, 46, VARIANCE, -3, 10)
    assert deflated == pytest.approx(0.9505017069, abs=1e-10)


def test_a_series_of_windows_among_eight_trials() -> None:
    ratios = [0.10, -0.05, 0.32, 0.894908627646, 0.21, -0.18, 0.44, 0.02]
    mean = sum(ratios) / 8
    variance = sum((ratio - mean) ** 2 for ratio in ratios) / 7
    assert variance == pytest.approx(0.114471202202, abs=1e-11)
    assert intervals.expected_best_ratio(8, variance) == pytest.approx(0.493636886225, abs=1e-10)
    deflated = intervals.deflated_sharpe_ratio(ratios[3], 13, 8, variance)
    assert deflated == pytest.approx(0.879927148477, abs=1e-9)


X = [0.031, -0.012, 0.044, 0.018, 0.027, -0.021, 0.052, 0.009, 0.036, 0.015, -0.004, 0.041, 0.022]


def test_intervals_of_a_series() -> None:
    found = intervals.student_interval(X)
    assert (found.low, found.high) == pytest.approx((0.0064448854, 0.0332474223), abs=1e-10)
    assert 1 - intervals.student_cdf(3.2266389438, 12) == pytest.approx(0.003632228544, abs=1e-11)
    assert intervals.sign_test(10, 13) == 0.046142578125
    found = intervals.wilson_interval(10, 13)
    assert (found.low, found.high) == pytest.approx((0.4974362405, 0.9182047128), abs=1e-10)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 12, 13, 29, 155])
def test_students_distribution_is_scipys(freedom: int) -> None:
    for t in (-4.0, -0.3, 0.0, 0.1, 1.0, 2.5, 10.0):
        expected = stats.t.cdf(t, freedom)
        assert intervals.student_cdf(t, freedom) == pytest.approx(expected, abs=1e-13)
    for probability in (0.5, 0.9, 0.975, 0.9995):
        expected = stats.t.ppf(probability, freedom)
        found = intervals.student_quantile(probability, freedom)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_wilson_and_sign_test_are_those_of_other_libraries() -> None:
    for positive, number in ((0, 10), (7, 10), (13, 13), (1, 2)):
        found = intervals.wilson_interval(positive, number)
        expected = proportion_confint(positive, number, method="wilson")
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
        exact = stats.binomtest(positive, number, alternative="greater").pvalue
        assert intervals.sign_test(positive, number) == pytest.approx(exact, rel=1e-12)


def test_lag_1_is_a_correlation() -> None:
    assert intervals.lag_1([1.0, -1.0, 1.0, -1.0]) == pytest.approx(-0.75)
    assert intervals.lag_1([0.02, 0.02, 0.02]) is None
    expected = acf(X, nlags=1)[1]
    assert intervals.lag_1(X) == pytest.approx(expected, rel=1e-12)


def test_an_adjusted_interval_takes_the_critical_value_given() -> None:
    error = stats.sem(X)
    adjusted = intervals.adjusted_interval(X, 3.0)
    mean = sum(X) / 13
    assert (adjusted.low, adjusted.high) == pytest.approx((mean - 3 * error, mean + 3 * error))


def test_far_tails_are_shares() -> None:
    for t in (50.0, 1e6, math.inf):
        for freedom in (1, 2, 12, 155):
            assert 0 <= intervals.student_cdf(-t, freedom) <= 1e-2
            assert 0.99 - 1e-2 <= intervals.student_cdf(t, freedom) <= 1


def by_year(ics: list[float], first: int = 2013) -> dict[str, float]:
    return {str(year): ic for year, ic in enumerate(ics, first)}


def test_two_runs_are_compared_over_their_common_windows() -> None:
    after = [ic + 0.01 + 0.001 * (-1) ** place for place, ic in enumerate(X)]
    difference = intervals.paired_difference(by_year(X), by_year(after[2:], 2015))
    assert difference.windows == 11
    low, high = stats.ttest_rel(after[2:], X[2:]).confidence_interval()
    assert difference.interval is not None
    found = (difference.interval.low, difference.interval.high)
    assert found == pytest.approx((low, high), rel=1e-6)
    assert difference.is_told_apart
    noisy = [ic + 0.03 * (-1) ** place for place, ic in enumerate(X)]
    assert not intervals.paired_difference(by_year(X), by_year(noisy)).is_told_apart


def test_equal_differences_tell_nothing_apart() -> None:
    later = by_year([ic + 0.001 for ic in X])
    difference = intervals.paired_difference(by_year(X), later)
    assert difference.mean == pytest.approx(0.001)
    assert difference.interval is None
    assert not difference.is_told_apart
    assert intervals.paired_difference(by_year(X), {}).mean is None
