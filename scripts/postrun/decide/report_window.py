"""Whether a gate report belongs to a run by time; detection applies the rule, the audit repeats it.

    time in the run folder's name <= the report's generated_at <= modification time of result.json

All in the workstation's own time. Folder names and most reports carry local time without a zone;
the offset in preflight.json turns the modification time into it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from postrun.core import run_names

SLACK = timedelta(seconds=2)  # file systems and launchers round
CLOCK_CHANGE = timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """The time in which a run's report can have been made: local to the workstation, no zone."""

    began: datetime
    ended: datetime | None  # None: not known in the workstation's own time, any later time fits
    offset: timedelta | None
    slack: timedelta


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


def window(
    began: datetime,
    at_start: timedelta | None,
    at_end: timedelta | None,
    modified: float,
) -> Window:
    """Return the window of a run that has a result.

    `began` is local; `at_start` and `at_end` are the workstation's UTC offsets; `modified` is when
    result.json was written, in seconds since 1970.
    """
    if at_start is None:
        return Window(began, None, None, SLACK)
    ended = datetime.fromtimestamp(modified, UTC) + at_start
    ended = ended.replace(tzinfo=None)
    # Offsets up to an hour apart: the clocks were changed during the run. Further apart: the
    # second one was asked for in another zone, and says nothing.
    slack = SLACK
    if at_end not in (None, at_start):
        change = abs(at_end - at_start)
        if change <= CLOCK_CHANGE:
            slack = CLOCK_CHANGE
    return Window(began, ended, at_start, slack)


def open_window(
    began: datetime,
    at_start: timedelta | None,
    folders: Iterable[str],
) -> Window:
    """Return the window of a run without a result; it ends where the next of these runs begins."""
    names = map(run_names.parse_run_name, folders)
    starts = [name.started for name in names if name]
    later = [start for start in starts if start > began]
    ended = min(later, default=None)
    return Window(began, ended, at_start, SLACK)


def why_not_this_run(span: Window, generated_at: Any) -> str | None:
    """Return why a report made at that time does not belong to the run; None when it does."""
    moment = _moment(generated_at)
    if moment is None:
        return f"generated_at is no time: {generated_at!r}"
    if moment.tzinfo and span.offset is not None:
        moment = moment.astimezone(UTC) + span.offset
    local = moment.replace(tzinfo=None)
    if span.ended is not None and local > span.ended + span.slack:
        return f"made at {local.isoformat()}, after the run had ended ({span.ended.isoformat()})"
    return before_run(span, local)


def before_run(span: Window, made: datetime) -> str | None:
    """Return why something made at that local time is too old for the run; None when it is not."""
    if made >= span.began - span.slack:
        return None
    return f"made at {made.isoformat()}, before the run began ({span.began.isoformat()})"


def _moment(time: object) -> datetime | None:
    if not isinstance(time, str):
        return None
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None
