"""Numbers worked out again: by hand, against another implementation, and at the edges."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postrun.audit import recompute


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
