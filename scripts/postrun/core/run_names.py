"""Decision tags, and the names of run folders and gate folders."""

import re
from dataclasses import dataclass
from datetime import datetime

from postrun.core import clock
from postrun.core.errors import Usage

WORKFLOW = "production_gates"
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STAMP = r"\d{4}-\d{2}-\d{2}_\d{6}"
_RUN = re.compile(rf"(?P<stamp>{_STAMP})_{WORKFLOW}_(?P<tag>.+)")
_GATE = re.compile(rf"{WORKFLOW}_(?P<stamp>{_STAMP})")


@dataclass(frozen=True)
class RunName:
    """The three parts of a run folder's name `<stamp>_<workflow>_<tag>`; the stamp is the workstation's local time."""

    folder: str
    stamp: str
    tag: str

    @property
    def started(self) -> datetime:
        """Give the moment in the name, without a zone."""
        return clock.from_stamp(self.stamp)


def parse_run_name(folder: str) -> RunName | None:
    """Take a run folder's name apart; None when it is not one."""
    found = _RUN.fullmatch(folder)
    if not found or not _is_moment(found["stamp"]):
        return None
    return RunName(folder, found["stamp"], found["tag"])


def gate_started(folder: str) -> datetime | None:
    """Read the moment (workstation's local time, no zone) out of a gate folder's name; None when it is not one."""
    found = _GATE.fullmatch(folder)
    return clock.from_stamp(found["stamp"]) if found and _is_moment(found["stamp"]) else None


def _is_moment(text: str) -> bool:
    try:
        return 1970 <= clock.from_stamp(text).year < 9999  # a day before or after is a time, too
    except ValueError:
        return False


def check_tag(tag: str) -> str:
    """Let a decision tag through, or refuse it before it reaches a shell or a path. Raises Usage."""
    if not TAG.fullmatch(tag):
        raise Usage("decision tag", f"a full match of {TAG.pattern}", repr(tag))
    return tag
