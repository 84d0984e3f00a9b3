"""What is left of p values when many hypotheses are tested. Pure functions."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from postrun.decide import intervals

_LARGE = 1000


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return the q value of each p value, in their order, as it holds for independent ones.

    Of m values in ascending order, q(i) is the least of p(j) m / j over j >= i, at most 1. Source:
    Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    return _adjusted(ps, len(ps))


def benjamini_yekutieli(ps: Sequence[float]) -> list[float]:
    """Return the q value of each p value, in their order; any dependence between them is allowed.

    Of m values in ascending order, q(i) is the least of p(j) m c(m) / j over j >= i, at most 1,
    with c(m) = 1 + 1/2 + ... + 1/m. Source: Benjamini and Yekutieli 2001, Annals of Statistics 29.
    """
    number = len(ps)
    return _adjusted(ps, number * _harmonic(number))


def _adjusted(ps: Sequence[float], factor: float) -> list[float]:
    """Return for each p the least of p(j) factor / j over its own place and those after it."""
    number = len(ps)
    descending = sorted(
        range(number),
        key=ps.__getitem__,
        reverse=True,
    )
    qs = [1.0] * number
    least = 1.0
    place = number
    # The largest first: each q is at most that of the larger p before it.
    for index in descending:
        own = ps[index] * factor / place
        least = min(least, own)
        qs[index] = least
        place -= 1
    return qs


def _harmonic(number: int) -> float:
    """Return 1 + 1/2 + ... + 1/number."""
    places = range(1, number + 1)
    return math.fsum(1 / place for place in places)


def least_windows(families: int, q: float) -> int:
    """Return how many windows a family needs to pass by itself among so many families.

    With T windows no p is below 2^-T.
    """
    factor = families * _harmonic(families)
    windows = math.log2(factor / q)
    return math.ceil(windows)


def windows_needed(
    ratio: float,
    trials: int,
    level: float,
) -> int | None:
    """Return how many windows the best of so many trials needs, at an information ratio a window.

    The fewest T with ratio x sqrt(T) at Student's quantile 1 - level / trials, of T - 1 degrees of
    freedom: about half of all trials that are truly so good pass then. Bonferroni's level is that
    of independent trials, and too strict for alike ones. None for a ratio that is not above 0.
    """
    if ratio <= 0:
        return None
    normal = NormalDist()
    tail = level / trials
    # From so many windows on, the normal quantile says the same to a per cent.
    quantile = -normal.inv_cdf(tail)
    windows = max(math.ceil((quantile / ratio) ** 2), 2)
    while windows < _LARGE:
        t = ratio * math.sqrt(windows)
        if intervals.student_cdf(-t, windows - 1) <= tail:
            break
        windows += 1
    return windows


def chance_of_a_false_pass(tries: int, level: float) -> float:
    """Return the most that a worthless family's chance to ever pass can be in so many tries.

    1 - prod(1 - level / k), k = 1 .. tries: the k-th try is judged among k.
    """
    chances = [1 - level / number for number in range(1, tries + 1)]
    return 1 - math.prod(chances)
