"""Whether a gate report belongs to a run by time: the rule that detection applies and the audit asks again.

    time in the run folder's name <= the report's generated_at <= modification time of result.json

All in the workstation's own time. Names and most reports carry local time without a zone; the offset that turns the
modification time into it stands in preflight.json.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from postrun.core import run_names

SLACK = timedelta(seconds=2)  # file systems and launchers round
CLOCK_CHANGE = timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """The time in which a run's report can have been made: local to the workstation, without a zone."""

    began: datetime
    ended: (
        datetime | None
    )  # None: not known in the workstation's own time, so the upper bound is skipped
    offset: timedelta | None
    slack: timedelta


def offset(stamp: object) -> timedelta | None:
    """Read the UTC offset off a time like preflight's `2026-02-21T03:15:00-0700`; None when it carries none."""
    moment = _moment(stamp)
    return moment.utcoffset() if moment else None


def offset_words(found: timedelta | None) -> str | None:
    """Write an offset like -0700."""
    if found is None:
        return None
    minutes = int(found.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def window(
    began: datetime, at_start: timedelta | None, at_end: timedelta | None, modified: float
) -> Window:
    """Build the window of a run from its start (local), the offsets at start and end, and result.json's mtime.

    Offsets that differ by up to an hour mean that the clocks were changed meanwhile; a larger difference means that
    the one at the end was told in another zone, and says nothing.
    """
    if at_start is None:
        return Window(began, None, at_start, SLACK)
    ended = (datetime.fromtimestamp(modified, UTC) + at_start).replace(tzinfo=None)
    changed = at_end is not None and timedelta(0) < abs(at_end - at_start) <= CLOCK_CHANGE
    return Window(began, ended, at_start, CLOCK_CHANGE if changed else SLACK)


def open_window(began: datetime, at_start: timedelta | None, folders: Iterable[str]) -> Window:
    """Build the window of a run without a result: nothing but the next run of its tag, of these, says when it ended."""
    names = map(run_names.parse_run_name, folders)
    later = [name.started for name in names if name and name.started > began]
    return Window(began, min(later, default=None), at_start, SLACK)


def why_not_this_run(span: Window, generated_at: Any) -> str | None:
    """Say why a report made at that time does not belong to the run; None when it does."""
    moment = _moment(generated_at)
    if moment is None:
        return f"generated_at is no time: {generated_at!r}"
    if moment.tzinfo and span.offset is not None:
        moment = moment.astimezone(UTC) + span.offset
    local = moment.replace(tzinfo=None)
    if local < span.began - span.slack:
        return f"made at {local.isoformat()}, before the run began ({span.began.isoformat()})"
    if span.ended is not None and local > span.ended + span.slack:
        return f"made at {local.isoformat()}, after the run had ended ({span.ended.isoformat()})"
    return None


def _moment(stamp: object) -> datetime | None:
    try:
        return datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
