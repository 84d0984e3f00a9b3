"""Numbers worked out again: by hand, against another implementation, and at the edges."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import factory
from postrun.audit import recompute

WINDOWS = factory.documents().windows
OPTIONS = factory.THRESHOLDS


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (0.02, 0.02 * (1 + 5e-10), True),
        (0.02, 0.02 * (1 + 2e-9), False),
        (0, 0.0, True),
        (0.0, 3e-17, True),  # a mean that cancels out
        (0.0, 1e-12, False),
        (1e300, 1e300, True),
        (-0.02, 0.02, False),
        (None, None, True),
        (None, 0.0, False),
        (0.0, None, False),
        (True, 1, False),
        (True, True, True),
        (False, None, False),
        ("0.02", 0.02, False),
        ("a", "a", True),
        ([0.02], 0.02, False),
        (math.nan, None, False),
    ],
)
def test_equality(one: Any, other: Any, verdict: bool) -> None:
    assert recompute.same(one, other) is verdict
    assert recompute.same(other, one) is verdict


def test_statistics_by_hand() -> None:
    rows: list[dict[str, Any]] = [
        {"test_ic": 0.1, "test_ic_overall": None},
        {"test_ic": -0.1},
        {"test_ic": 0.3},
        {"test_ic": None},
    ]
    assert recompute.walk_forward(rows) == {
        "rows": 4,
        "test_ic_mean": pytest.approx(0.1),
        "test_ic_std": pytest.approx(0.2),
        "test_ic_pos_ratio": pytest.approx(2 / 3),
        "test_ic_n": 3,
        "test_ic_overall_mean": None,
        "test_ic_overall_std": None,
        "test_ic_overall_pos_ratio": None,
        "test_ic_overall_n": 0,
    }


def test_one_window_has_no_deviation_and_zero_is_not_positive() -> None:
    found = recompute.walk_forward([{"test_ic": 0.0}])
    assert (found["test_ic_mean"], found["test_ic_std"], found["test_ic_pos_ratio"]) == (
        0.0,
        None,
        0.0,
    )


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
@settings(deadline=None, max_examples=100)
def test_statistics_equal_numpys(values: list[float]) -> None:
    found = recompute.walk_forward([{"test_ic": value} for value in values])
    reported = {
        "test_ic_mean": float(np.mean(values)),
        "test_ic_pos_ratio": float(np.mean(np.array(values) > 0)),
    }
    assert recompute.differences(reported, {name: found[name] for name in reported}) == []
    assert found["test_ic_std"] == pytest.approx(float(np.std(values, ddof=1)), rel=1e-9, abs=1e-12)
    assert found["test_ic_std"] == statistics.stdev(values)


def test_differences_show_both_sides() -> None:
    found = recompute.differences({"a": 1, "b": True}, {"a": 2, "b": True, "c": 0.5})
    assert found == ["a: reported 1, recomputed 2", "c: reported nothing, recomputed 0.5"]


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
    assert recompute.window_years({**OPTIONS, **options}, width=1) == years


def test_wider_windows_begin_as_many_years_apart() -> None:
    # 2025-26 would end too late.
    assert recompute.window_years(OPTIONS, width=2) == [2013, 2015, 2017, 2019, 2021, 2023]


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
    assert recompute.window_width({"wf_test_years": asked}, rows) == width


def test_complete_windows_have_no_fault() -> None:
    years = recompute.window_years(OPTIONS, width=1)
    assert years is not None
    assert recompute.window_faults(WINDOWS, years) == []


def test_missing_repeated_and_unasked_windows_are_named() -> None:
    rows = [
        *WINDOWS[1:],
        WINDOWS[2],
        {"test_start": "1999-01-01"},
        {"test_start": None},
        {"test_start": "soon"},
    ]
    assert recompute.window_faults(rows, range(2013, 2026)) == [
        "2013 missing",
        "2015 2 times",
        "1999 not asked for",
        "2 rows without test_start",
    ]


ROWS = [
    {"cost_multiplier": m, "return_code": 0, "test_ic": m / 100, "train_ic": None}
    for m in (1.0, 1.5, 2.0)
]


@pytest.mark.parametrize(
    ("reported", "table", "faults"),
    [
        (ROWS, ROWS, []),
        (list(reversed(ROWS)), ROWS, []),
        (ROWS[:2], ROWS, ["the report has 0 rows of x2.0"]),
        (ROWS, ROWS[:2], ["the table has 0 rows of x2.0"]),
        (ROWS[:2], ROWS[:2], ["the report has 0 rows of x2.0", "the table has 0 rows of x2.0"]),
        ([*ROWS, ROWS[0]], ROWS, ["the report has 2 rows of x1.0"]),
        ([*ROWS, {"cost_multiplier": 3}], ROWS, ["the table has 0 rows of x3.0"]),
        ([*ROWS, {"test_ic": 1}], ROWS, ["4 rows in the report, 3 in the table"]),
        (
            [{**ROWS[0], "test_ic": 0.011}, *ROWS[1:]],
            ROWS,
            ["x1.0 test_ic: reported 0.011, recomputed 0.01"],
        ),
        (
            [{**ROWS[0], "return_code": 1}, *ROWS[1:]],
            ROWS,
            ["x1.0 return_code: reported 1, recomputed 0"],
        ),
        (
            [{**ROWS[0], "train_ic": 0}, *ROWS[1:]],
            ROWS,
            ["x1.0 train_ic: reported 0, recomputed nothing"],
        ),
    ],
)
def test_cost_rows(
    reported: list[dict[str, Any]], table: list[dict[str, Any]], faults: list[str]
) -> None:
    assert recompute.cost_faults(reported, table, [1.0, 1.5, 2.0]) == faults


def test_a_multiplier_that_is_asked_for_twice_has_two_rows() -> None:
    rows = [*ROWS, ROWS[1]]
    requested = [1.0, 1.5, 2.0, 1.5]
    assert recompute.cost_faults(rows, rows, requested) == []
    assert recompute.cost_faults(ROWS, ROWS, requested) == [
        "the report has 1 rows of x1.5",
        "the table has 1 rows of x1.5",
    ]
