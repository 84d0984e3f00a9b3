"""Decision tags, and the names of run folders and gate folders."""

import re
from dataclasses import dataclass
from datetime import datetime

from postrun.core import clock
from postrun.core.errors import Usage

WORKFLOW = "production_gates"
RUN_NAME = f"<time>_{WORKFLOW}_<tag>"  # in messages
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STAMP = r"\d{4}-\d{2}-\d{2}_\d{6}"
_RUN = re.compile(rf"(?P<stamp>{_STAMP})_{WORKFLOW}_(?P<tag>.+)")
_GATE = re.compile(rf"{WORKFLOW}_(?P<stamp>{_STAMP})")


@dataclass(frozen=True)
class RunName:
    """The parts of a run folder's name `<stamp>_<workflow>_<tag>`; the stamp is local time."""

    folder: str
    stamp: str
    tag: str

    @property
    def started(self) -> datetime:
        """Return the time in the name: the workstation's, without zone."""
        return clock.from_stamp(self.stamp)


def parse_run_name(folder: str) -> RunName | None:
    """Return the parts of a run folder's name, or None when it is no such name."""
    match = _RUN.fullmatch(folder)
    if match is None or _read_stamp(match["stamp"]) is None:
        return None
    return RunName(folder, match["stamp"], match["tag"])


def gate_started(folder: str) -> datetime | None:
    """Return the local time in a gate folder's name, or None when it is no such name."""
    match = _GATE.fullmatch(folder)
    if match is None:
        return None
    return _read_stamp(match["stamp"])


def _read_stamp(text: str) -> datetime | None:
    try:
        moment = clock.from_stamp(text)
    except ValueError:
        return None
    # Others add and subtract a day: that must be a time, too.
    if not 1970 <= moment.year < 9999:
        return None
    return moment


def check_tag(tag: str) -> str:
    """Return the decision tag when it is safe in a shell and in a path. Raises Usage."""
    if not TAG.fullmatch(tag):
        raise Usage("decision tag", f"a full match of {TAG.pattern}", repr(tag))
    return tag
