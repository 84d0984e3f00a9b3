"""Whether a gate report belongs to a run by time; detection applies the rule, the audit repeats it.

    time in the run folder's name <= the gate folder's
    time in the run folder's name <= the report's generated_at
    the report's generated_at <= modification time of result.json
    no other run of the same tag began between this run and the gate folder

All in the workstation's own time. Folder names and most reports carry local time without a zone;
the offset in preflight.json turns the modification time into it. File times may be those of an
archive, an object store or a server with another clock: where they contradict what the files say,
they bound nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from postrun.core import run_names
from postrun.core.clock import RUN_STAMP

SLACK = timedelta(seconds=2)  # file systems and launchers round
CLOCK_CHANGE = timedelta(hours=1)
_LONGEST_RUN = timedelta(days=31)
_FIRST_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """The time in which a run's report can have been made: local to the workstation, no zone."""

    began: datetime
    ended: datetime | None  # None: not known in the workstation's own time, any later time fits
    offset: timedelta | None
    slack: timedelta
    folder_slack: timedelta = SLACK  # of the gate folder, which is made soon after the beginning
    other_starts: tuple[datetime, ...] = ()  # when the other runs of this tag began
    result_written: float | None = None  # file time of result.json, seconds since 1970


def utc_offset(time: object) -> timedelta | None:
    """Return the UTC offset of a time like `2026-02-21T03:15:00-0700`; None when it has none."""
    moment = _moment(time)
    return moment.utcoffset() if moment else None


def parse_offset(text: object) -> timedelta | None:
    """Return the UTC offset that a text like `-0700` names; None for anything else."""
    return utc_offset(f"2000-01-01T00:00:00{text}")


def format_offset(offset: timedelta | None) -> str | None:
    """Return an offset as a text like `-0700`."""
    if offset is None:
        return None
    moment = datetime(2000, 1, 1, tzinfo=timezone(offset))
    return moment.strftime("%z")


def offset_at_start(began: datetime, preflight_time: object) -> timedelta | None:
    """Return the workstation's offset when a run began, from the time in its preflight.json.

    None when that is no time of the run's beginning by the clock that named the run folder.
    """
    moment = _moment(preflight_time)
    if moment is None:
        return None
    local = moment.replace(tzinfo=None)
    if abs(local - began) > CLOCK_CHANGE:
        return None
    return moment.utcoffset()


def is_older_than_said(written: float | None, time: object) -> bool:
    """Return whether a file's time is before the time in it, so that another clock made it."""
    moment = _moment(time)
    if written is None or moment is None or moment.tzinfo is None:
        return False
    file_time = datetime.fromtimestamp(written, UTC)
    return file_time + SLACK < moment


def window(
    began: datetime,
    at_start: timedelta | None,
    at_end: timedelta | None,
    modified: float | None,
    same_tag: Iterable[str] = (),
) -> Window:
    """Return the window of a run that has a result.

    `began` is local; `at_start` and `at_end` are the workstation's UTC offsets; `modified` is when
    result.json was written, in seconds since 1970, None when its time says nothing. `same_tag` are
    the run folders of its tag.
    """
    ended = None
    if at_start is not None and modified is not None:
        ended = datetime.fromtimestamp(modified, UTC) + at_start
        ended = ended.replace(tzinfo=None)
        if ended + SLACK < began:
            ended = None
    # Unless both offsets are known and the same, the clocks may have been changed during the run,
    # by an hour. Offsets further apart do not widen it: the second was asked for in another zone.
    slack = SLACK
    if at_start != at_end:
        slack += CLOCK_CHANGE
    return Window(
        began,
        ended,
        offset=at_start,
        slack=slack,
        folder_slack=SLACK if at_end is None else slack,
        other_starts=_other_starts(began, same_tag),
        result_written=modified,
    )


def _other_starts(began: datetime, folders: Iterable[str]) -> tuple[datetime, ...]:
    names = map(run_names.parse_run_name, folders)
    return tuple(name.started for name in names if name and name.started != began)


def open_window(
    began: datetime,
    at_start: timedelta | None,
    folders: Iterable[str],
) -> Window:
    """Return the window of a run without a result; it ends where the next of these runs begins."""
    others = _other_starts(began, folders)
    later = [start for start in others if start > began]
    ended = min(later, default=None)
    return Window(began, ended, at_start, SLACK, other_starts=others)


def why_not_this_run(
    span: Window,
    generated_at: Any,
    folder_made: datetime | None = None,
    written: float | None = None,
) -> str | None:
    """Return why a report made at that time does not belong to the run; None when it does.

    `folder_made` is the time in its gate folder's name, `written` its file time.
    """
    moment = _moment(generated_at)
    if moment is None:
        return f"generated_at is no time: {generated_at!r}"
    if moment.tzinfo and span.offset is not None:
        moment = moment.astimezone(UTC) + span.offset
    made = moment.replace(tzinfo=None)
    reason = _after_run(span, made, written) or _before_run(span, made, span.slack)
    if reason or folder_made is None:
        return reason
    too_early = _before_run(span, folder_made, span.folder_slack)
    if too_early:
        # The gate program names its folder when it starts: an older one is of an earlier run.
        return f"its folder was {too_early}"
    return _of_another_run(span, folder_made)


def gate_folders_between(span: Window) -> tuple[str, str]:
    """Return names between which those of all gate folders are that may be the run's."""
    ended = span.ended or span.began + _LONGEST_RUN
    # File times may be of another clock; a gate folder is made soon after the beginning.
    ended = max(ended, span.began + _FIRST_DAY)
    first = span.began - CLOCK_CHANGE
    last = ended + CLOCK_CHANGE
    prefix = f"{run_names.WORKFLOW}_"
    return f"{prefix}{first:{RUN_STAMP}}", f"{prefix}{last:{RUN_STAMP}}"


def _after_run(span: Window, made: datetime, written: float | None) -> str | None:
    """Return why a report made at that local time is too late for the run; None when it is not."""
    if span.ended is None or made <= span.ended + span.slack:
        return None
    # Where the files say that the report was written before the result, its own time and theirs
    # are of two clocks, and the end by one says nothing about the other.
    result_written = span.result_written
    if written is not None and result_written is not None and written <= result_written:
        return None
    return f"made at {made.isoformat()}, after the run had ended ({span.ended.isoformat()})"


def _of_another_run(span: Window, folder_made: datetime) -> str | None:
    """Return which other run of this tag the gate folder was made in; None when in none."""
    started_before = [start for start in span.other_starts if start <= folder_made]
    newest = max(started_before, default=None)
    if newest is None:
        return None
    is_in_this_run = folder_made >= span.began - SLACK
    if is_in_this_run and newest < span.began:
        return None
    made_at = folder_made.isoformat()
    owner = newest.isoformat()
    return f"its folder was made at {made_at}, in the run that began at {owner}"


def _before_run(span: Window, made: datetime, slack: timedelta) -> str | None:
    """Return why something made at that local time is too old for the run; None when it is not."""
    if made >= span.began - slack:
        return None
    return f"made at {made.isoformat()}, before the run began ({span.began.isoformat()})"


def _moment(time: object) -> datetime | None:
    if not isinstance(time, str):
        return None
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None
