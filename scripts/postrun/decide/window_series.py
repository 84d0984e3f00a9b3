"""The series of a trial: the test IC of each walk-forward window, or of each month. Pure functions.

A window's key is `<first day>|<last day>` of its test, as ISO dates; a month's is `YYYY-MM`.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import fmean
from typing import Any

from postrun.core import values
from postrun.core.values import Json

# What comes after a day is a time of it, which does not matter.
_DAY = re.compile(r"\s*(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)")

Series = dict[str, float]


@dataclass(frozen=True)
class Windows:
    """The windows that have a measured test IC, oldest first, and what is wrong with the others."""

    measured: Series
    rows: int  # of the table: windows that were asked for, as far as it knows
    problems: list[str]

    @property
    def series(self) -> Series:
        """Return what can be judged: nothing of fewer than two windows, or of equal ones."""
        if len(set(self.measured.values())) < 2:
            return {}
        return self.measured


def read(rows: Iterable[Json]) -> Windows:
    """Return the windows of a table, by the columns `test_start`, `test_end` and `test_ic`.

    A cell that is empty or not finite is not measured. A window whose dates cannot be read, or that
    has two rows, is not measured, and is named: nobody knows which of them is right.
    """
    number = 0
    problems = []
    cells: dict[str, list[float | None]] = defaultdict(list)
    for row in rows:
        number += 1
        start = row.get("test_start")
        end = row.get("test_end")
        cell = row.get("test_ic")
        first = day_of(start)
        last = day_of(end)
        if first is None or last is None:
            problems.append(f"window {start} to {end}: no dates that can be read")
        else:
            ic = values.cell_number(cell)
            cells[f"{first}|{last}"].append(ic)
    measured = {}
    for key in sorted(cells):
        ic, *others = cells[key]
        if others:
            problems.append(f"window {key}: {len(others) + 1} rows")
        elif ic is not None:
            measured[key] = _rounded(ic)
    return Windows(measured, number, problems)


def _rounded(ic: float) -> float:
    """Return an IC as the text of a series keeps it: 12 digits, and 0 for -0.0."""
    return float(f"{ic:.12g}") + 0.0


def by_month(rows: Iterable[Json]) -> Series:
    """Return the mean IC of each calendar month, by the columns `date` and `ic` of a row a date."""
    cells: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        date_cell = row.get("date")
        ic_cell = row.get("ic")
        day = day_of(date_cell)
        ic = values.cell_number(ic_cell)
        if day is not None and ic is not None:
            month = day.isoformat()[:7]
            cells[month].append(ic)
    means = {}
    for month in sorted(cells):
        mean = fmean(cells[month])
        means[month] = _rounded(mean)
    return means


def day_of(cell: Any) -> date | None:
    """Return the day that a cell names; None for one that cannot be read."""
    found = _DAY.match(str(cell))
    if found is None:
        return None
    year, month, day = map(int, found.groups())
    try:
        return date(year, month, day)
    except ValueError:
        return None


def encode(series: Mapping[str, float]) -> str:
    """Return a series as one cell of a table: `2013-01-01/2013-12-31=0.031;...`."""
    cells = [f"{key}={series[key]:.12g}" for key in sorted(series)]
    return ";".join(cells).replace("|", "/")


def decode(cell: str | None) -> Series:
    """Return the series in a cell of a table; an empty one for an empty cell."""
    if not cell:
        return {}
    text = cell.replace("/", "|")
    # Keys and ICs take turns. Large families have many cells, and this is fast.
    parts = text.replace("=", ";").split(";")
    keys = parts[::2]
    ics = map(float, parts[1::2])
    return dict(zip(keys, ics, strict=True))


def digest(series: Mapping[str, float]) -> str:
    """Return the SHA-256 of a series: of a line `key|IC` each, the IC with 12 digits."""
    lines = [f"{key}|{series[key]:.12g}\n" for key in sorted(series)]
    text = "".join(lines)
    return hashlib.sha256(text.encode()).hexdigest()
