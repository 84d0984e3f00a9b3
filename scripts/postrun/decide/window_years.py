"""The test years that the options of a run ask for, and those that its windows have.

Pure functions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from postrun.core import values
from postrun.core.values import Json

_OPTIONS = ("wf_start_year", "wf_end_year", "wf_train_years")


def asked(
    options: Json,
    width: int,
) -> list[int] | None:
    """Return the first year of each test window that the options ask for; None when they do not
    say.

    The first window trains on `wf_train_years` from `wf_start_year` on; each next one begins
    `width` years later; the last one ends by `wf_end_year`.
    """
    years = []
    for name in _OPTIONS:
        option = options.get(name)
        year = values.count(option)
        if year is None or not 0 <= year <= 9999:
            return None
        years.append(year)
    start, end, train = years
    first = start + train
    last = end - width + 1
    return list(range(first, last + 1, width))


def years_each(options: Json, rows: Iterable[Json]) -> int:
    """Return how many years each test window covers: `wf_test_years` when every row does, else 1.

    There are gate programs that make a window for every test year, whatever `wf_test_years` says.
    """
    option = options.get("wf_test_years")
    years = values.count(option)
    widths = set()
    for row in rows:
        first = _year(row, "test_start")
        last = _year(row, "test_end")
        widths.add(last - first + 1)
    if years is None or years < 1 or widths != {years}:
        return 1
    return years


def faults(
    rows: Iterable[Json],
    expected: Sequence[int],
) -> list[str]:
    """Return test years that are missing, repeated or not asked for, and rows without one."""
    # The gate program runs windows in shards: one may be lost, or merged twice.
    test_years = [_year(row, "test_start") for row in rows]
    counts = Counter(test_years)
    without_year = counts.pop(0, 0)
    missing = [year for year in expected if year not in counts]
    problems = [f"{year} missing" for year in missing]
    for year, count in sorted(counts.items()):
        if count > 1:
            problems.append(f"{year} {count} times")
    extra = counts.keys() - set(expected)
    problems += [f"{year} not asked for" for year in sorted(extra)]
    if without_year:
        problems.append(f"{without_year} rows without test_start")
    return problems


def _year(row: Json, column: str) -> int:
    """Return the year of a date of a window; 0 when the row does not say."""
    date = str(row.get(column))
    digits = re.match("[0-9]{4}", date)
    if digits is None:
        return 0
    return int(digits[0])
