"""The one source of "now"."""

import os
from datetime import UTC, datetime

from postrun.core.errors import Usage

RUN_STAMP = "%Y-%m-%d_%H%M%S"  # how the workstation names folders: local time, no zone


def now() -> datetime:
    """Give the present moment in UTC, to the second; SOURCE_DATE_EPOCH (seconds) stands in for it when set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise Usage("SOURCE_DATE_EPOCH", "whole seconds since 1970", repr(epoch)) from None


def stamp(moment: datetime) -> str:
    """Write a moment the way every artifact of ours has it: UTC, with zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_stamp(text: str) -> datetime:
    """Read the local time in a folder's name (`YYYY-MM-DD_HHMMSS`); it has no zone. ValueError when it is none."""
    return datetime.strptime(text, RUN_STAMP)


def local_time(seconds: float, zone: str | None) -> datetime:
    """Give a moment (seconds since 1970) as folders are named where the offset is `zone` (like -0700; None: UTC)."""
    offset = datetime.strptime(zone or "+0000", "%z").tzinfo
    return datetime.fromtimestamp(seconds, offset).replace(tzinfo=None)
