"""Decision tags, and the names of run folders and gate folders."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from postrun.core import clock
from postrun.core.errors import AmbiguousRun, Usage

WORKFLOW = "production_gates"
RUN_NAME = f"<time>_{WORKFLOW}_<tag>"  # in messages
# A tag as people type it, and as it is in a folder's name: space, / and : have become _ there.
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ /:-]{0,127}")
FOLDER_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NEAREST = 5  # tags that are listed at most
_REPLACED = str.maketrans(" /:", "___")
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


@lru_cache(maxsize=16_384)  # each step of a closing asks for all runs
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
    """Return a decision tag that somebody typed. Raises Usage. A path has its `folder_tag`."""
    return _check(tag, TAG)


def check_new_tag(tag: str) -> str:
    """Return the decision tag of a run that we start: its folder's, too. Raises Usage."""
    return _check(tag, FOLDER_TAG)


def _check(tag: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(tag):
        raise Usage("decision tag", f"a full match of {pattern.pattern}", repr(tag))
    return tag


def folder_tag(tag: object) -> str:
    """Return what a tag is in the name of a run folder."""
    text = str(tag)
    return text.translate(_REPLACED)


def raw_tag(name: RunName, *documents: Mapping[str, object]) -> str:
    """Return a run's tag as it was typed, from the first document that has it; else the name's."""
    for document in documents:
        tag = document.get("decision_tag")
        if isinstance(tag, str) and folder_tag(tag) == name.tag:
            return tag
    return name.tag


def nearest_tags(tag: str, tags: Iterable[str]) -> str:
    """Return the existing tags that a tag may mean, with commas; empty when there is none.

    First come those that end in it (`run5` is the last part of many), from the end of the alphabet:
    of tags that begin with a date, the newest.
    """
    from difflib import get_close_matches  # here: needed where a tag is not found

    in_order = sorted(set(tags), reverse=True)
    plain_tag = folder_tag(tag)
    lower = plain_tag.casefold()
    endings = (f"_{lower}", f"-{lower}", f".{lower}")
    nearest = [existing for existing in in_order if f"_{existing.casefold()}".endswith(endings)]
    close = get_close_matches(plain_tag, in_order, n=_NEAREST, cutoff=0.3)
    shown: dict[str, str] = {}
    for existing in [*nearest, *close]:
        if len(shown) == _NEAREST:
            break
        shown[existing] = existing
        if not FOLDER_TAG.fullmatch(existing):
            shown[existing] += " (no tag that can be asked for)"
    return ", ".join(shown.values())


def runs_of_tag(tag: str, folders: Iterable[str], raw_tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return which of the run folders of a name have a tag. Raises AmbiguousRun.

    `raw_tags` holds the tags as their contexts have them, by folder.
    """
    own_runs = []
    own_tags = {}
    for folder in folders:
        raw = raw_tags.get(folder)
        if raw is None:
            # Without a context the name decides.
            own_runs.append(folder)
        elif is_tag(tag, raw):
            own_runs.append(folder)
            own_tags[folder] = raw
    check_one_tag(tag, own_tags)
    return tuple(own_runs)


def is_tag(tag: str, raw: object) -> bool:
    """Return whether a tag that was asked for, as typed or as in a folder, is a run's own."""
    return tag in (raw, folder_tag(raw))


def check_one_tag(tag: str, raw_tags: Mapping[str, object]) -> None:
    """Raise AmbiguousRun when run folders of one name have several tags, by folder as typed."""
    different = set(raw_tags.values())
    if len(different) < 2:
        return
    tags = [f"{raw!r} of {folder}" for folder, raw in raw_tags.items()]
    raise AmbiguousRun(
        f"decision tag {tag}",
        "the tag of one run",
        f"in the contexts {', '.join(tags)}",
        "type the one that is meant as its run has it, or name the folder: --run-dir-remote",
    )
