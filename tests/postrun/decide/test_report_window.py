"""Whether a report belongs to a run by time: the bounds to the second, zones, and changes of the
clocks.
"""

from datetime import UTC, datetime, timedelta

import pytest

from postrun.decide.report_window import (
    CLOCK_CHANGE,
    SLACK,
    format_offset,
    is_older_than_said,
    offset_at_start,
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
    assert (why_not_this_run(window(BEGAN, WEST, WEST, ENDED), generated_at) is None) is belongs


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
        (-8, -7, SLACK + CLOCK_CHANGE),
        (-7, -8, SLACK + CLOCK_CHANGE),
        (-7, 0, SLACK + CLOCK_CHANGE),
        (-7, None, SLACK + CLOCK_CHANGE),
    ],
)
def test_an_hour_of_slack_unless_the_clocks_are_known_to_be_as_before(
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
    assert why_not_this_run(window(began, WEST, WEST, ended), "2026-11-01T01:19:00") is not None


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


# --- file times of archives, object stores and other clocks


@pytest.mark.parametrize("written", [0.0, ENDED - 86400, ENDED - 7210, None])
def test_an_end_before_the_beginning_is_no_bound(written: float | None) -> None:
    span = window(BEGAN, WEST, WEST, written)
    assert span.ended is None
    assert why_not_this_run(span, "2026-02-21T05:15:00") is None


def test_file_times_of_another_clock_do_not_turn_a_report_away() -> None:
    half_an_hour_behind = ENDED - 1800
    span = window(BEGAN, WEST, WEST, half_an_hour_behind)
    report = "2026-02-21T05:14:59"
    assert why_not_this_run(span, report) is not None
    assert why_not_this_run(span, report, None, half_an_hour_behind - 1) is None
    assert why_not_this_run(span, report, None, half_an_hour_behind + 60) is not None


def test_a_file_is_not_older_than_the_time_in_it() -> None:
    said = "2026-02-21T05:15:00-0700"
    assert is_older_than_said(ENDED - 3, said)
    assert not is_older_than_said(ENDED - 1, said)
    assert not is_older_than_said(ENDED + 86400, said)
    assert not is_older_than_said(None, said)
    assert not is_older_than_said(0.0, "2026-02-21T05:15:00")


def test_an_offset_counts_only_by_the_clock_that_named_the_folder() -> None:
    assert offset_at_start(BEGAN, "2026-02-21T03:15:20-0700") == WEST
    assert offset_at_start(BEGAN, "2026-02-21T10:15:20+0000") is None
    assert offset_at_start(BEGAN, "2026-02-21T03:15:20") is None
    assert offset_at_start(BEGAN, None) is None


RUNS = [f"2026-02-21_{time}_production_gates_run1" for time in ("023000", "031500", "060000")]


@pytest.mark.parametrize(
    ("folder_made", "objection"),
    [
        ("2026-02-21T03:16:00", None),
        ("2026-02-21T03:14:59", None),
        ("2026-02-21T02:31:00", "in the run that began at 2026-02-21T02:30:00"),
        ("2026-02-21T02:20:00", None),  # the clocks may have been put back
        ("2026-02-21T02:00:00", "before the run began"),
        ("2026-02-21T06:00:00", "in the run that began at 2026-02-21T06:00:00"),
    ],
)
@pytest.mark.parametrize("written", [ENDED, 0.0, 4e9])
def test_the_report_of_another_run_of_the_tag_is_never_taken(
    folder_made: str, objection: str | None, written: float
) -> None:
    span = window(BEGAN, WEST, WEST - CLOCK_CHANGE, written, RUNS)
    made = datetime.fromisoformat(folder_made)
    found = why_not_this_run(span, "2026-02-21T05:15:00", made, 0.0)
    assert (found is None) == (objection is None)
    assert (objection or "") in (found or "")
