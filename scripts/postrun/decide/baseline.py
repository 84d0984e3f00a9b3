"""Whether a run's own thresholds and test years are weaker than the statistics policy's baseline.

Pure functions. An option that is not recorded, or is no number, is weaker than any: nobody knows
what was asked.
"""

from collections.abc import Iterable
from typing import Any

from postrun.core import values
from postrun.core.values import Json
from postrun.decide import window_years


def weaker(
    options: Json,
    windows: Iterable[Json],
    policy: Json,
) -> list[str]:
    """Return one line for each option of the gate program that is weaker than the baseline.

    `windows` are the rows of the walk-forward table: they say how many years each one tests.
    """
    baseline = policy["baseline"]
    faults = []
    for name, least in baseline["at_least"].items():
        value = options.get(name)
        faults += _below(name, value, least)
    for name, most in baseline["at_most"].items():
        value = options.get(name)
        faults += _above(name, value, most)
    first, last = _test_years(options, windows)
    bounds = baseline["windows"]
    faults += _above("first test year", first, bounds["first_test_year_at_most"])
    faults += _below("last test year", last, bounds["last_test_year_at_least"])
    return faults


def _below(name: str, value: Any, least: float | None) -> list[str]:
    number = values.number(value)
    if least is None:
        return []
    if number is not None and number >= least:
        return []
    return [f"{name} is {_shown(value)}, the baseline is at least {least}"]


def _above(name: str, value: Any, most: float | None) -> list[str]:
    number = values.number(value)
    if most is None:
        return []
    if number is not None and number <= most:
        return []
    return [f"{name} is {_shown(value)}, the baseline is at most {most}"]


def _shown(value: Any) -> str:
    if value is None:
        return "not recorded"
    return repr(value)


def _test_years(
    options: Json,
    windows: Iterable[Json],
) -> tuple[int | None, int | None]:
    """Return the first and the last test year that a run asks for; None when it does not say."""
    width = window_years.years_each(options, windows)
    years = window_years.asked(options, width)
    if not years:
        return None, None
    # The years are those in which windows begin; the last one may go on.
    last = years[-1] + width - 1
    return years[0], last
