"""The statistical table, worked out again from its own columns: pure functions over its rows.

A number of a column stands for all that are rounded to it.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

from postrun.audit import rounding
from postrun.audit.answers import shown
from postrun.audit.rounding import Span
from postrun.core import values
from postrun.core.values import Json
from postrun.decide.multiple_testing import benjamini_hochberg
from postrun.decide.significance import COUNT, DEVIATION, NUMBERS, RULES, Rule, number

_FOCUS = ("ic_mean", "pos_ratio", *NUMBERS)
_BOOLEANS = {"true": True, "false": False}
# The sample program's integral gives Student's p to 7e-8 for 500 windows, and 1 minus the normal
# distribution is right to 1e-16. Both are far inside, and no decision turns on a millionth.
_ERROR_OF_P = 1e-6
_ERROR = 1e-9


def has_deviation(rows: Sequence[Json]) -> bool:
    """Return whether the table has standard deviations, without which p cannot be worked out."""
    columns: set[str] = set()
    columns.update(*rows)
    return not columns.isdisjoint(DEVIATION)


def q_faults(rows: Sequence[Json]) -> list[str]:
    """Return where q is not the Benjamini-Hochberg value of the table's own p values.

    A p that is not known has no q, or 1, and does not count.
    """
    p_values = _column(rows, "p_value")
    claims = _column(rows, "q_value_bh")
    q_spans = rounding.spans(claims)
    bounds = _q_bounds(p_values)
    faults = []
    for index, row in enumerate(rows):
        claimed = claims[index]
        if p_values[index] is None:
            is_right = claimed in (None, 1.0)
            recomputed = None
        else:
            low, high = bounds[index]
            is_right = rounding.meet(q_spans[index], (low, high), _ERROR)
            recomputed = (low + high) / 2
        if not is_right:
            fault = _fault(row, "q", claimed, recomputed)
            faults.append(fault)
    return faults


def _q_bounds(p_values: Sequence[float | None]) -> dict[int, Span]:
    """Return the smallest and the largest q of each known p, by its place in the column."""
    places = []
    smallest = []
    largest = []
    for place, span in enumerate(rounding.spans(p_values)):
        if span is not None:
            places.append(place)
            smallest.append(span[0])
            largest.append(span[1])
    # q grows with every p.
    lowest = benjamini_hochberg(smallest)
    highest = benjamini_hochberg(largest)
    ends = zip(lowest, highest, strict=True)
    return dict(zip(places, ends, strict=True))


def p_faults(rows: Sequence[Json]) -> list[str]:
    """Return where p does not follow from mean, deviation and count, by the rule that fits best."""
    by_rule = []
    for rule in RULES:
        faults = _p_faults(rows, rule)
        by_rule.append(faults)
    return min(by_rule, key=len)


def _p_faults(rows: Sequence[Json], rule: Rule) -> list[str]:
    claims = _column(rows, "p_value")
    p_spans = rounding.spans(claims)
    mean_column = _column(rows, "ic_mean")
    mean_spans = rounding.spans(mean_column)
    deviation_column = _column(rows, *DEVIATION)
    deviation_spans = rounding.spans(deviation_column)
    faults = []
    for index, row in enumerate(rows):
        claimed = claims[index]
        means = mean_spans[index]
        deviations = deviation_spans[index]
        observations = number(row, *COUNT)
        count = values.count(observations)
        if not deviation_column[index] or means is None or count is None or count < 2:
            # One observation, or none that differ: no producer knows p then.
            if claimed not in (None, 1.0):
                fault = _fault(row, "p", claimed, None)
                faults.append(fault)
            continue
        # A deviation that is rounded to nearly nothing says nothing.
        if deviations is None or deviations[0] <= 0:
            continue
        bounds = _p_bounds(rule, means, deviations, count)
        if not rounding.meet(p_spans[index], bounds, _ERROR_OF_P):
            recomputed = sum(bounds) / 2
            fault = _fault(row, "p", claimed, recomputed)
            faults.append(f"{fault} ({rule.name})")
    return faults


def _p_bounds(
    rule: Rule,
    means: Span,
    deviations: Span,
    count: int,
) -> Span:
    """Return the smallest and the largest p that these means and deviations can give."""
    statistics = []
    root = count**0.5
    for mean, deviation in product(means, deviations):
        t = mean / deviation * root
        statistics.append(t)
    # A two-sided p is largest at zero, where that lies between the others.
    lowest = min(statistics)
    highest = max(statistics)
    nearest_zero = min(max(lowest, 0.0), highest)
    ends = (lowest, nearest_zero, highest)
    tails = []
    for t in ends:
        p = rule.p_value(t, count)
        tails.append(p)
    return min(tails), max(tails)


def focus_faults(focus: Json, rows: Sequence[Json]) -> list[str]:
    """Return how the report's row of the run's factor differs from the table's."""
    factor = focus.get("factor")
    if factor is None:
        return []
    indices = []
    for index, row in enumerate(rows):
        if row["factor"] == factor:
            indices.append(index)
    times = len(indices)
    expected = int(focus.get("found") is True)
    if times != expected:
        return [f"{factor}: {expected} rows by the report, {times} in the table"]
    faults = []
    for index in indices:
        faults += _number_faults(focus, rows, index)
        faults += _verdict_faults(focus, rows[index])
    return faults


def _number_faults(
    focus: Json,
    rows: Sequence[Json],
    index: int,
) -> list[str]:
    claims = [values.number(focus.get(name)) for name in _FOCUS]
    claimed_spans = rounding.spans(claims)
    faults = []
    for place, name in enumerate(_FOCUS):
        # A report or a table that does not say it denies nothing.
        if name not in focus or name not in rows[index]:
            continue
        column = _column(rows, name)
        claimed = claimed_spans[place]
        cell = rounding.spans(column)[index]
        if claimed is None or cell is None:
            is_same = claimed is cell
        else:
            is_same = rounding.meet(claimed, cell, _ERROR)
        if not is_same:
            in_report = shown(claims[place])
            in_table = shown(column[index])
            faults.append(f"{name}: {in_report} in the report, {in_table} in the table")
    return faults


def _verdict_faults(focus: Json, row: Json) -> list[str]:
    if "gate_pass" not in focus or "gate_pass" not in row:
        return []
    verdict = focus["gate_pass"]
    cell = str(row["gate_pass"])
    lowered = cell.lower()
    if _BOOLEANS.get(lowered) is verdict:
        return []
    return [f"gate_pass: {shown(verdict)} in the report, {cell} in the table"]


def _column(rows: Sequence[Json], *names: str) -> list[float | None]:
    return [number(row, *names) for row in rows]


def _fault(
    row: Json,
    name: str,
    claimed: Any,
    recomputed: Any,
) -> str:
    factor = row["factor"]
    return f"{name} of {factor}: {shown(claimed)}, recomputed {shown(recomputed)}"
