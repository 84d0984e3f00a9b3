"""The windows that a run's options ask for, and what is wrong with those it has."""

from typing import Any

import pytest

from harness import factory
from postrun.decide import window_years

WINDOWS = factory.documents().windows
OPTIONS = factory.THRESHOLDS


@pytest.mark.parametrize(
    ("options", "years"),
    [
        ({}, list(range(2013, 2026))),
        ({"wf_end_year": 2013}, [2013]),
        ({"wf_end_year": 2012}, []),
        ({"wf_train_years": None}, None),
        ({"wf_start_year": "2010"}, None),
        ({"wf_start_year": True}, None),
        ({"wf_end_year": 10**400}, None),
        ({"wf_end_year": 1e12}, None),
    ],
)
def test_the_windows_that_the_options_ask_for(
    options: dict[str, Any], years: list[int] | None
) -> None:
    assert window_years.asked({**OPTIONS, **options}, width=1) == years


def test_wider_windows_begin_as_many_years_apart() -> None:
    # 2025-26 would end too late.
    assert window_years.asked(OPTIONS, width=2) == [2013, 2015, 2017, 2019, 2021, 2023]


def two_years_each(*years: int) -> list[dict[str, Any]]:
    return [{"test_start": f"{year}-01-01", "test_end": f"{year + 1}-12-31"} for year in years]


@pytest.mark.parametrize(
    ("asked", "rows", "width"),
    [
        (1, WINDOWS, 1),
        (2, WINDOWS, 1),  # there are programs that make a window for every year all the same
        (0, WINDOWS, 1),
        (None, WINDOWS, 1),
        (2, two_years_each(2013, 2015), 2),
        (2, [*two_years_each(2013), WINDOWS[2]], 1),
        (3, two_years_each(2013, 2015), 1),
        (1, two_years_each(2013, 2015), 1),
        (2, [{"test_start": "2013-01-01"}], 1),
        (2, [], 1),
    ],
)
def test_windows_are_as_wide_as_asked_only_when_every_row_is(
    asked: int | None, rows: list[dict[str, Any]], width: int
) -> None:
    assert window_years.years_each({"wf_test_years": asked}, rows) == width


def test_complete_windows_have_no_fault() -> None:
    years = window_years.asked(OPTIONS, width=1)
    assert years is not None
    assert window_years.faults(WINDOWS, years) == []


def test_missing_repeated_and_unasked_windows_are_named() -> None:
    rows = [
        *WINDOWS[1:],
        WINDOWS[2],
        {"test_start": "1999-01-01"},
        {"test_start": None},
        {"test_start": "soon"},
    ]
    assert window_years.faults(rows, range(2013, 2026)) == [
        "2013 missing",
        "2015 2 times",
        "1999 not asked for",
        "2 rows without test_start",
    ]
