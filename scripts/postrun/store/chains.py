"""The ledgers of the other members of a team, and which member's closing of a run counts.

A root that works alone has none of this. In a team, `audit/ledgers/<member>.jsonl` is a read-only
copy of another member's ledger: only a pull writes it, and it only grows. `audit/ledgers/team.json`
says as whom this root takes part. What follows from the chains alone is the same in every root that
has the same chains. docs/TEAM.md has the design.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk, locations
from postrun.core.artifacts import LEDGERS
from postrun.core.errors import Usage
from postrun.store import json_files, known_files

Json = dict[str, Any]

TEAM = "team"
SUFFIX = ".jsonl"
# In lower case: some file systems cannot tell `Ann` from `ann`.
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
# It would be read as the name of this root's own ledger, or of the team's own file.
_RESERVED = ("stage_ledger", TEAM)
PULL = "pull the ledger again: move the file away, then make pull FROM=..."


@dataclass(frozen=True)
class Closing:
    """One member's closing of a run: the decision that holds in the member's own chain."""

    member: str
    closed_at: str  # of the first decision
    decision: Json
    sha256: str  # of the decision's line

    @property
    def answer(self) -> tuple[str, str]:
        """Return what closings must have in common to be the same: decision and evidence."""
        return str(self.decision.get("result")), str(self.decision.get("evidence_sha256"))


@dataclass(frozen=True)
class Owner:
    """Whose closing of a run counts, and whether a person has yet to choose among several."""

    member: str
    is_open: bool = False


def check_member(name: str) -> str:
    """Return the name of a member. Raises Usage for one that is no plain file name."""
    if not _MEMBER.fullmatch(name) or name in _RESERVED:
        expected = "a name of at most 31 of a-z, 0-9, _ and -, not stage_ledger or team"
        raise Usage(
            "member",
            expected,
            repr(name),
        )
    return name


def is_member(name: str) -> bool:
    """Return whether a text is the name of a member."""
    return bool(_MEMBER.fullmatch(name)) and name not in _RESERVED


def path_of(
    root: Path,
    member: str,
) -> Path:
    """Return where the copy of another member's ledger is."""
    return root / LEDGERS / f"{member}{SUFFIX}"


def list_others(root: Path) -> dict[str, Path]:
    """Return the copies of other members' ledgers, by member in order. Raises Missing."""
    others: dict[str, Path] = {}
    folder = f"{root}/{LEDGERS}"
    # Every question to the ledger asks, and most roots have no team.
    if not os.path.isdir(folder):  # noqa: PTH112
        return others
    for name in sorted(disk.list_names(Path(folder))):
        member = name.removesuffix(SUFFIX)
        if member != name and is_member(member):
            others[member] = root / LEDGERS / name
    return others


def stamp(root: Path) -> str:
    """Return what changes with the copies; empty without any. Raises Missing."""
    parts = []
    for member, path in list_others(root).items():
        facts = known_files.facts(path) or disk.sha256(path)
        parts.append(f"{member} {facts}")
    return "; ".join(parts)


def read_team(root: Path) -> Json:
    """Return what this root knows of its team; nothing when it has none. Raises Invalid."""
    path = locations.workspace_path(root, TEAM)
    if not disk.is_present(path):
        return {}
    document: Json = json_files.load(path, TEAM)
    return document


def own_member(root: Path) -> str:
    """Return as whom this root takes part in a team; empty when it has none. Raises Invalid."""
    return str(read_team(root).get("member", ""))


def find_owner(
    closings: Sequence[Closing],
    choices: Iterable[Json],
) -> Owner:
    """Return whose closing of a run counts, of the members who closed it.

    Closings with the same decision on the same evidence are one: the earliest counts. Of others
    the one counts that a person chose; until then the worst, so that nobody gains by closing again.
    `choices` are the rows of all members that choose, the newest first.
    """
    by_age = sorted(closings, key=_age)
    if len({closing.answer for closing in closings}) == 1:
        return Owner(by_age[0].member)
    for choice in choices:
        chosen = choice["chosen"], choice["decision_sha256"]
        for closing in closings:
            if (closing.member, closing.sha256) == chosen:
                return Owner(closing.member)
    worst = [closing for closing in by_age if closing.decision.get("result") != "pass"]
    first, *_ = worst or by_age
    return Owner(first.member, is_open=True)


def _age(closing: Closing) -> tuple[str, str]:
    return closing.closed_at, closing.member
