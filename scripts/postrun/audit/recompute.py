"""Numbers of the gate report, worked out again from the tables beside it: pure functions over rows."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postrun.core import values

Row = Mapping[str, Any]
Statistics = dict[str, float | int | None]

MEASURES = ("test_ic", "test_ic_overall")
COST_COLUMNS = ("cost_multiplier", "return_code", "test_ic", "train_ic")
_RELATIVE, _ABSOLUTE = 1e-9, 1e-15  # the absolute part is for means that cancel out to zero


def same(one: Any, other: Any) -> bool:
    """Compare two reported values: numbers to a relative 1e-9; what was not measured equals only its like."""
    left, right = values.number(one), values.number(other)
    if left is None or right is None:
        return left is right and type(one) is type(other) and bool(one == other)
    return math.isclose(left, right, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def walk_forward(rows: Sequence[Row]) -> Statistics:
    """Summarise windows: mean, sample standard deviation (ddof 1), share of positives and count of non-empty cells."""
    found: Statistics = {"rows": len(rows)}
    for measure in MEASURES:
        cells = [values.number(row.get(measure)) for row in rows]
        ics = [ic for ic in cells if ic is not None]
        found[f"{measure}_mean"] = statistics.fmean(ics) if ics else None
        found[f"{measure}_std"] = statistics.stdev(ics) if len(ics) > 1 else None
        found[f"{measure}_pos_ratio"] = sum(ic > 0 for ic in ics) / len(ics) if ics else None
        found[f"{measure}_n"] = len(ics)
    return found


def differences(reported: Row, recomputed: Row) -> list[str]:
    """List the values that are not the recomputed ones, each with both sides."""
    return [
        f"{name}: reported {shown(reported.get(name))}, recomputed {shown(value)}"
        for name, value in recomputed.items()
        if not same(reported.get(name), value)
    ]


def shown(value: Any) -> str:
    """Write a value for a line of findings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)


def window_years(options: Row) -> list[int] | None:
    """List the first years of all test windows that the options ask for; None when they do not say.

    The first window trains on `wf_train_years` from `wf_start_year` on; each next one begins `wf_test_years` later;
    the last one ends by `wf_end_year`.
    """
    wanted = (
        options.get(f"wf_{name}")
        for name in ("start_year", "end_year", "train_years", "test_years")
    )
    years = [values.number(value) for value in wanted]
    whole = [
        int(year) for year in years if year is not None and year == int(year) and 0 <= year <= 9999
    ]
    if len(whole) < len(years):
        return None
    start, end, train, test = whole
    return list(range(start + train, end - test + 2, test)) if test > 0 else None


def window_faults(rows: Sequence[Row], expected: Sequence[int]) -> list[str]:
    """Say which test years are missing, there more than once, or not asked for; rows that give no year, too."""
    found = Counter(_year(row) for row in rows)
    faults = [f"{year} missing" for year in expected if not found[year]]
    faults += [f"{year} {count} times" for year, count in _by_year(found) if count > 1]
    faults += [f"{year} not asked for" for year, _ in _by_year(found) if year not in expected]
    return faults + ([f"{found[None]} rows without test_start"] if found[None] else [])


def _by_year(found: Counter[int | None]) -> list[tuple[int, int]]:
    return sorted((year, count) for year, count in found.items() if year is not None)


def _year(row: Row) -> int | None:
    digits = str(row.get("test_start") or "")[:4]
    return int(digits) if len(digits) == 4 and digits.isascii() and digits.isdigit() else None


def multipliers(options: Row) -> list[float] | None:
    """Read the cost multipliers that the options ask for (`"1.0,1.5,2.0"`); None when they do not say."""
    text = options.get("cost_multipliers")
    try:
        found = [float(part) for part in text.split(",")] if isinstance(text, str) else []
    except ValueError:
        return None
    return found or None


def cost_faults(
    reported: Sequence[Row], table: Sequence[Row], wanted: Iterable[float]
) -> list[str]:
    """Hold the report's cost rows against the table's, multiplier by multiplier, and both against those asked for."""
    sides = {"the report": _by_multiplier(reported), "the table": _by_multiplier(table)}
    faults = [
        f"{side} has {len(rows.get(multiplier, []))} rows of x{multiplier}"
        for multiplier in sorted({*wanted, *sides["the report"], *sides["the table"]})
        for side, rows in sides.items()
        if len(rows.get(multiplier, [])) != 1
    ]
    if faults or len(reported) != len(table):
        return faults or [f"{len(reported)} rows in the report, {len(table)} in the table"]
    for multiplier, (row,) in sorted(sides["the table"].items()):
        (claimed,) = sides["the report"][multiplier]
        measured = {name: row.get(name) for name in COST_COLUMNS}
        faults += [f"x{multiplier} {line}" for line in differences(claimed, measured)]
    return faults


def _by_multiplier(rows: Sequence[Row]) -> dict[float, list[Row]]:
    found: dict[float, list[Row]] = {}
    for row in rows:
        multiplier = values.number(row.get("cost_multiplier"))
        if multiplier is not None:
            found.setdefault(multiplier, []).append(row)
    return found
