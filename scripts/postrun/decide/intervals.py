"""Statistics of one series of ICs that are shown and decide nothing. Pure functions."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev

_EULER = 0.5772156649015329
_HALVINGS = 100  # of an interval: its ends are then neighbours


def expected_best_ratio(trials: int, variance: float) -> float:
    """Return the best information ratio to expect from so many trials that are worth nothing.

    sqrt(V) ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))), with Euler's constant g and the standard normal
    quantile z. Source: Bailey and Lopez de Prado 2014, Journal of Portfolio Management 40.
    """
    normal = NormalDist()
    first = normal.inv_cdf(1 - 1 / trials)
    second = normal.inv_cdf(1 - 1 / (trials * math.e))
    best = (1 - _EULER) * first + _EULER * second
    return math.sqrt(variance) * best


def deflated_sharpe_ratio(
    ratio: float,
    number: int,
    trials: int,
    variance: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Return the probability that the true ratio is above the best to expect from luck.

    `ratio` is mean over standard deviation (ddof 1) per observation, of `number` observations;
    `variance` is that of the ratios of all `trials`. The kurtosis is Pearson's, 3 for the normal.
    Source: Bailey and Lopez de Prado 2014, Journal of Portfolio Management 40.
    """
    best = expected_best_ratio(trials, variance)
    # The ratio's own error grows when ICs are skewed or have heavy tails.
    spread = 1 - skewness * ratio
    excess = (kurtosis - 1) / 4
    spread += excess * ratio**2
    error = math.sqrt(spread / (number - 1))
    z = (ratio - best) / error
    normal = NormalDist()
    return normal.cdf(z)


@dataclass(frozen=True)
class Interval:
    """A closed interval."""

    low: float
    high: float


def student_interval(ics: Sequence[float], share: float = 0.95) -> Interval:
    """Return the two-sided interval of the mean by Student's t, with n - 1 degrees of freedom."""
    number = len(ics)
    above = (1 + share) / 2
    quantile = student_quantile(above, number - 1)
    return adjusted_interval(ics, quantile)


def adjusted_interval(ics: Sequence[float], critical_value: float) -> Interval:
    """Return mean +- c s / sqrt(n): c is the critical value of max |t| among all trials."""
    number = len(ics)
    error = stdev(ics) / math.sqrt(number)
    half = critical_value * error
    mean = fmean(ics)
    return Interval(mean - half, mean + half)


@dataclass(frozen=True)
class Difference:
    """How much the second of two runs is above the first, in the windows of both."""

    windows: int
    mean: float | None  # None without a window of both
    interval: Interval | None  # None for fewer than two windows, and for equal differences

    @property
    def is_told_apart(self) -> bool:
        """Return whether the interval leaves out 0."""
        interval = self.interval
        if interval is None:
            return False
        is_above = interval.low > 0
        is_below = interval.high < 0
        return is_above or is_below


def paired_difference(
    before: Mapping[str, float],
    after: Mapping[str, float],
    share: float = 0.95,
) -> Difference:
    """Return the mean difference of two series over their common windows, with its interval.

    Student's interval of the differences; none where they do not differ from each other, since
    then nothing says how far they would spread.
    """
    common = sorted(before.keys() & after.keys())
    if not common:
        return Difference(
            windows=0,
            mean=None,
            interval=None,
        )
    # Equal differences of decimals are not equal binary numbers.
    differences = []
    for key in common:
        difference = after[key] - before[key]
        rounded = round(difference, 12)
        differences.append(rounded)
    interval = None
    if len(set(differences)) > 1:
        interval = student_interval(differences, share)
    return Difference(
        windows=len(common),
        mean=fmean(differences),
        interval=interval,
    )


def student_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t) for whole degrees of freedom.

    A finite sum. Source: Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    scaled = t / math.sqrt(freedom)
    angle = math.atan(scaled)
    sine = math.sin(angle)
    cosine = math.cos(angle)
    is_odd = freedom % 2 == 1
    # Each term follows from the one before: cosine^k over products of odd and even numbers.
    first = 2
    term = sine
    if is_odd:
        first = 3
        term *= cosine
    total = 0.0
    for power in range(first, freedom + 1, 2):
        total += term
        term *= cosine**2 * (power - 1) / power
    if is_odd:
        total = 2 / math.pi * (angle + total)
    # Far out, what is left of 0.5 is rounding, and may be below 0.
    return min(max(0.5 + total / 2, 0.0), 1.0)


@cache
def student_quantile(probability: float, freedom: int) -> float:
    """Return the t with P(T <= t) = probability, of 0.5 or more, by bisection."""
    low = 0.0
    high = 1.0
    while student_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if student_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def sign_test(positive: int, number: int) -> float:
    """Return the exact one-sided p of so many positive signs among so many, at even odds."""
    ways = 0
    for count in range(positive, number + 1):
        ways += math.comb(number, count)
    all_ways = 1 << number
    return ways / all_ways


def wilson_interval(positive: int, number: int, share: float = 0.95) -> Interval:
    """Return the interval of a share of successes, without continuity correction.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    above = (1 + share) / 2
    z = NormalDist().inv_cdf(above)
    observed = positive / number
    correction = z**2 / number
    scale = 1 + correction
    middle = (observed + correction / 2) / scale
    spread = observed * (1 - observed) / number
    spread += correction / (4 * number)
    error = math.sqrt(spread)
    half = z * error / scale
    return Interval(middle - half, middle + half)


def lag_1(ics: Sequence[float]) -> float | None:
    """Return the correlation of each value with the one before; None when they are all equal."""
    mean = fmean(ics)
    deviations = []
    for ic in ics:
        deviations.append(ic - mean)
    total = math.fsum(one**2 for one in deviations)
    if total == 0:
        return None
    products = map(operator.mul, deviations, deviations[1:])
    return math.fsum(products) / total
