"""Whether the ICs of single test dates give the test IC of each window: pure functions.

A window's test IC is the mean of the ICs of its dates, each date with the same weight.
"""

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

from postrun.core import values
from postrun.core.values import Json
from postrun.decide.window_series import day_of

# An IC is of the order of 0.01; a mean of a few hundred doubles is right to some 1e-16.
_ABSOLUTE = 1e-9


def faults(
    windows: Sequence[Json],
    dates: Sequence[Json],
) -> list[str]:
    """Return where the dates do not give the windows; none when they give every one.

    Windows without a test IC are not compared, since nothing was measured there.
    """
    days = [day_of(row.get("date")) for row in dates]
    problems = _wrong_days(dates, days)
    if problems:
        return problems
    by_day = dict(zip(days, dates, strict=True))
    ordered = sorted(filter(None, days))
    inside: set[date] = set()
    for window in windows:
        name = window.get("test_start")
        first = day_of(name)
        last = day_of(window.get("test_end"))
        if first is None or last is None:
            problems.append(f"window {name!r}: its dates cannot be read")
            continue
        begin = bisect_left(ordered, first)
        end = bisect_right(ordered, last)
        inside.update(ordered[begin:end])
        rows = [by_day[day] for day in ordered[begin:end]]
        problems += _wrong_mean(window, rows)
    outside = [day for day in ordered if day not in inside]
    # A date that no window tests would count in a statistic on months.
    problems += [f"{day} is in no window" for day in outside]
    return problems


def _wrong_days(
    dates: Sequence[Json],
    days: Sequence[date | None],
) -> list[str]:
    """Return the dates that cannot be read, and those that occur twice."""
    problems = []
    known: set[date] = set()
    for row, day in zip(dates, days, strict=True):
        if day is None:
            problems.append(f"{row.get('date')!r} is no date")
        elif day in known:
            problems.append(f"{day} twice")
        else:
            known.add(day)
    return problems


def _wrong_mean(
    window: Json,
    rows: Sequence[Json],
) -> list[str]:
    """Return how the mean over the dates of a window differs from its test IC."""
    claimed = values.number(window.get("test_ic"))
    if claimed is None:
        return []
    ics = []
    for row in rows:
        ic = values.number(row.get("ic"))
        if ic is not None:
            ics.append(ic)
    name = window.get("test_start")
    if not ics:
        return [f"window {name}: test_ic {claimed!r}, and no date with an ic"]
    mean = statistics.fmean(ics)
    if math.isclose(mean, claimed, rel_tol=0, abs_tol=_ABSOLUTE):
        return []
    return [f"window {name}: test_ic {claimed!r}, mean of its dates {mean!r}"]
