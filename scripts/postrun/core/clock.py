"""The only source of the present time, and how times are written."""

import os
import re
from datetime import UTC, datetime

from postrun.core.errors import Usage

# Reproducible builds: https://reproducible-builds.org/specs/source-date-epoch/
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{6}", re.ASCII)
RUN_STAMP = "%Y-%m-%d_%H%M%S"  # in names of folders: the workstation's local time, no zone


def now() -> datetime:
    """Return the present time in UTC, whole seconds. Raises Usage.

    The environment variable SOURCE_DATE_EPOCH (seconds since 1970) replaces it when set.
    """
    epoch = os.environ.get(EPOCH_VARIABLE)
    if epoch is None:
        moment = datetime.now(UTC)
        return moment.replace(microsecond=0)
    try:
        seconds = int(epoch)
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        expected = "whole seconds since 1970"
        raise Usage(EPOCH_VARIABLE, expected, repr(epoch)) from None


def stamp(moment: datetime) -> str:
    """Return a time as our artifacts have it: UTC, with zone."""
    in_utc = moment.astimezone(UTC)
    return in_utc.strftime("%Y-%m-%dT%H:%M:%SZ")


def from_stamp(text: str) -> datetime:
    """Return the local time, without zone, of `YYYY-MM-DD_HHMMSS` in a folder's name.

    Raises ValueError when the text is no such time.
    """
    # Thirty times as fast as `strptime`, which takes its part where thousands of names are read.
    if not _STAMP.fullmatch(text):
        raise ValueError(f"{text!r} is no time like YYYY-MM-DD_HHMMSS")
    return datetime.fromisoformat(text)


def local_time(seconds: float, zone: str | None) -> datetime:
    """Return a time as names of folders have it: local, without zone.

    `seconds` count from 1970; `zone` is the workstation's offset, like -0700, or None for UTC.
    """
    text = zone or "+0000"
    offset = datetime.strptime(text, "%z").tzinfo
    moment = datetime.fromtimestamp(seconds, offset)
    return moment.replace(tzinfo=None)
