"""Whether a report belongs to a run by time: the bounds to the second, zones, and changes of the
clocks.
"""

from datetime import UTC, datetime, timedelta

import pytest

from postrun.decide.report_window import (
    CLOCK_CHANGE,
    SLACK,
    format_offset,
    open_window,
    utc_offset,
    why_not_this_run,
    window,
)

BEGAN = datetime(2026, 2, 21, 3, 15)  # noqa: DTZ001  (local to the workstation)
WEST = timedelta(hours=-7)
ENDED = datetime(2026, 2, 21, 12, 15, tzinfo=UTC).timestamp()  # 05:15 in the west


@pytest.mark.parametrize(
    ("generated_at", "belongs"),
    [
        ("2026-02-21T03:15:00", True),
        ("2026-02-21T03:14:58", True),
        ("2026-02-21T03:14:57", False),
        ("2026-02-21T05:15:00", True),
        ("2026-02-21T05:15:02", True),
        ("2026-02-21T05:15:02.1", False),
        ("2026-02-21 04:00:00.123456", True),
        ("2026-02-21T12:14:00+00:00", True),
        ("2026-02-21T12:14:00Z", True),
        ("2026-02-21T05:14:00-07:00", True),
        ("2026-02-21T05:14:00+00:00", False),
        ("2026-02-21T14:14:00+02:00", True),
        ("2026-02-20T04:00:00", False),
        ("yesterday", False),
        ("", False),
        (None, False),
        (1771650000, False),
    ],
)
def test_the_bounds(generated_at: object, belongs: bool) -> None:
    assert (why_not_this_run(window(BEGAN, WEST, None, ENDED), generated_at) is None) is belongs


def test_the_objection_says_both_times() -> None:
    span = window(BEGAN, WEST, WEST, ENDED)
    assert why_not_this_run(span, "2026-02-21T06:00:00") == (
        "made at 2026-02-21T06:00:00, after the run had ended (2026-02-21T05:15:00)"
    )
    assert why_not_this_run(span, "2026-02-21T01:00:00") == (
        "made at 2026-02-21T01:00:00, before the run began (2026-02-21T03:15:00)"
    )
    assert why_not_this_run(span, {"a": 1}) == "generated_at is no time: {'a': 1}"


def test_a_run_without_a_result_is_bounded_by_the_next_of_its_tag() -> None:
    days = [f"2026-02-{day}_031500_production_gates_run1" for day in (23, 20, 22, 21)]
    span = open_window(BEGAN, WEST, [*days, "notes"])
    assert span.ended == datetime(2026, 2, 22, 3, 15)  # noqa: DTZ001
    assert why_not_this_run(span, "2026-02-21T05:15:00") is None
    assert why_not_this_run(span, "2026-02-22T05:15:00") is not None
    assert open_window(BEGAN, WEST, days[1:2]).ended is None


def test_without_an_offset_only_the_start_bounds() -> None:
    span = window(BEGAN, None, None, ENDED)
    assert span.ended is None
    assert why_not_this_run(span, "2027-01-01T00:00:00") is None
    assert why_not_this_run(span, "2026-02-21T03:00:00") is not None


@pytest.mark.parametrize(
    ("at_start", "at_end", "slack"),
    [
        (-7, -7, SLACK),
        (-8, -7, CLOCK_CHANGE),
        (-7, -8, CLOCK_CHANGE),
        (-7, 0, SLACK),
        (-7, None, SLACK),
    ],
)
def test_an_hour_of_slack_when_the_clocks_were_changed(
    at_start: int, at_end: int | None, slack: timedelta
) -> None:
    end = None if at_end is None else timedelta(hours=at_end)
    assert window(BEGAN, timedelta(hours=at_start), end, ENDED).slack == slack


def test_clocks_go_forward_in_a_run() -> None:
    """Start 01:50 at -0800, end 10:10 UTC: 03:10 on the wall, but 02:10 by the offset
    at the start.
    """
    began = datetime(2026, 3, 8, 1, 50)  # noqa: DTZ001
    ended = datetime(2026, 3, 8, 10, 10, tzinfo=UTC).timestamp()
    changed = window(began, timedelta(hours=-8), timedelta(hours=-7), ended)
    assert why_not_this_run(changed, "2026-03-08T03:09:00") is None
    assert (
        why_not_this_run(
            window(began, timedelta(hours=-8), timedelta(hours=-8), ended), "2026-03-08T03:09:00"
        )
        is not None
    )


def test_clocks_go_back_in_a_run() -> None:
    began = datetime(2026, 11, 1, 1, 50)  # noqa: DTZ001
    ended = datetime(2026, 11, 1, 9, 20, tzinfo=UTC).timestamp()
    changed = window(began, timedelta(hours=-7), timedelta(hours=-8), ended)
    assert why_not_this_run(changed, "2026-11-01T01:19:00") is None, (
        "earlier on the wall than the start"
    )
    assert (
        why_not_this_run(window(began, timedelta(hours=-7), None, ended), "2026-11-01T01:19:00")
        is not None
    )


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        ("2026-02-21T03:15:00-0700", "-0700"),
        ("2026-02-21T03:15:00-07:00", "-0700"),
        ("2026-02-21T03:15:00Z", "+0000"),
        ("2026-02-21T03:15:00+0545", "+0545"),
        ("2026-02-21T03:15:00-0330", "-0330"),
        ("2026-02-21T03:15:00", None),
        ("2026-02-21_031500", None),
        (None, None),
        (7, None),
    ],
)
def test_offsets(stamp: object, words: str | None) -> None:
    assert format_offset(utc_offset(stamp)) == words
