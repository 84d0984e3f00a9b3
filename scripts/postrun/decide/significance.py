"""The rules by which producers work p out of t, and the q value by Student's t. Pure functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postrun.core import values
from postrun.core.values import Json
from postrun.decide import intervals, multiple_testing

# The columns that a statistical table must have, and those that hold numbers.
COLUMNS = ("factor",)
NUMBERS = ("p_value", "q_value_bh")
# The names that programs have for a column; the first that a table has counts.
DEVIATION = ("ic_std", "std")
COUNT = ("n", "n_windows")
# Student's sum has half as many terms as degrees of freedom, and hardly changes past a million.
_MOST_FREEDOM = 1_000_000


@dataclass(frozen=True)
class Rule:
    """One way to work p out of t and the number of observations."""

    name: str
    p_value: Callable[[float, int], float]
    by_student: Callable[[float, int], float]  # with as many sides


def _two_sided_normal(t: float, _: int) -> float:
    scaled = abs(t) / math.sqrt(2)
    return math.erfc(scaled)


def _two_sided_student(t: float, count: int) -> float:
    tail = _one_sided_student(abs(t), count)
    return 2 * tail


def _one_sided_student(t: float, count: int) -> float:
    freedom = min(count - 1, _MOST_FREEDOM)
    return intervals.student_cdf(-t, freedom)


RULES = (
    Rule(
        "two-sided normal",
        _two_sided_normal,
        _two_sided_student,
    ),
    Rule(
        "one-sided Student",
        _one_sided_student,
        _one_sided_student,
    ),
)


@dataclass(frozen=True)
class OfFactor:
    """What a table says of one factor; None where it does not say it."""

    p_value: float | None = None  # as the producer has it
    rule: str | None = None  # by which it works p out, as far as the table's own p tell
    p_student: float | None = None
    q_student: float | None = None  # Benjamini-Hochberg, among the factors of the table


def of_factor(rows: Sequence[Json], factor: str) -> OfFactor:
    """Return p of a factor as a table has it, and p and q of it by Student's t.

    These are None when the table has no standard deviation for it, or not exactly one row. A factor
    whose t is not known does not count as one of them.
    """
    own_rows = [row for row in rows if row["factor"] == factor]
    if len(own_rows) != 1:
        return OfFactor()
    own_p = own_rows[0]["p_value"]
    rule = _closest_rule(rows)
    factors = []
    ps = []
    for row in rows:
        t = _t(row)
        if t is not None:
            p = rule.by_student(*t)
            factors.append(row["factor"])
            ps.append(p)
    if factor not in factors:
        return OfFactor(own_p)
    place = factors.index(factor)
    qs = multiple_testing.benjamini_hochberg(ps)
    return OfFactor(
        own_p,
        rule.name,
        ps[place],
        qs[place],
    )


def _closest_rule(rows: Sequence[Json]) -> Rule:
    """Return the rule whose p values are closest to a table's own."""

    def distance(rule: Rule) -> float:
        differences = []
        for row in rows:
            t = _t(row)
            p = row["p_value"]
            if t is not None and p is not None:
                difference = rule.p_value(*t) - p
                differences.append(abs(difference))
        return math.fsum(differences)

    return min(RULES, key=distance)


def _t(row: Json) -> tuple[float, int] | None:
    """Return t of a row's mean IC and the number of observations; None when they are not known."""
    mean = number(row, "ic_mean")
    deviation = number(row, *DEVIATION)
    observations = number(row, *COUNT)
    count = values.count(observations)
    if mean is None or not deviation:
        return None
    if count is None or count < 2:
        return None
    error = deviation / math.sqrt(count)
    return mean / error, count


def number(row: Json, *names: str) -> float | None:
    """Return the number in the first of these columns that a row has."""
    for name in names:
        if name in row:
            return values.cell_number(row[name])
    return None
