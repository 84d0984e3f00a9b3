"""The root that a team shares: a folder here or on a host, or a bucket; files are only added.

    audit/team/objects/<first 2>/<SHA-256>      what runs and ledgers are made of
    audit/team/members/<member>/<number>.json   what a member had at one moment

An object has its digest for its name, so two who write one write the same bytes. A push has a name
that only its member uses, and is created by one call that fails when the name is taken. So nobody
can write over what another has written, and no lock is needed.
"""

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from postrun.core import disk
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.values import Json
from postrun.remote import workstation
from postrun.remote.workstation import Workstation
from postrun.store import chains, configuration, json_files

TEAM = "audit/team"
PUSH = "team_push"
# Of this root: what is under way. It may be deleted when nothing is.
WORK = "audit/.team"
OBJECTS = f"{TEAM}/objects"
MEMBERS = f"{TEAM}/members"
_PLACE = re.compile(r"(?:(?P<host>[^/]*[^/:]):)?(?P<root>[/~].*)")
_PUSH = re.compile(r"(?P<member>[^/]+)/(?P<number>[1-9][0-9]{0,8})\.json")


class Store(Protocol):
    """What a team shares. Each method raises Unreachable, Missing, Invalid."""

    name: str

    def list_pushes(self) -> dict[str, int]:
        """Return the number of the newest push of each member."""

    def read_push(
        self,
        member: str,
        number: int,
        work: Path,
    ) -> bytes:
        """Return one push."""

    def fetch(self, digests: Iterable[str], work: Path) -> None:
        """Copy objects to where `object_in` finds them."""

    def add(self, objects: Mapping[str, Path], work: Path) -> None:
        """Add objects, given by digest, that are not there."""

    def create_push(
        self,
        member: str,
        number: int,
        content: Path,
        work: Path,
    ) -> bool:
        """Add a push; return False when there is one of this number."""


def object_name(digest: str) -> str:
    """Return the name of an object below the folder of objects."""
    return f"{digest[:2]}/{digest}"


def object_in(work: Path, digest: str) -> Path:
    """Return where an object is that was fetched."""
    return work / "objects" / object_name(digest)


def push_name(member: str, number: int) -> str:
    """Return the name of a push in the team's root."""
    return f"{MEMBERS}/{member}/{number}.json"


def open_store(place: str) -> Store:
    """Return the store that a place names: a folder, here or on a host, or a bucket.

    Raises Usage, and Missing for a bucket without the library or a login.
    """
    if place.startswith("s3:"):
        from postrun.team.bucket import BucketStore  # it needs the names that are given here

        return BucketStore(place)
    match = _PLACE.fullmatch(place)
    if match is None:
        expected = "/folder, ~/folder, host:/folder or s3://bucket/prefix"
        raise Usage("the team's root", expected, repr(place))
    settings = configuration.workstation()
    host, root = match["host"] or "local", match["root"]
    if host == "local":
        root = str(Path(root).expanduser())
    return FolderStore(place, workstation.connect(host, root, settings))


def newest_pushes(names: Iterable[str]) -> dict[str, int]:
    """Return the number of each member's newest push. Raises Invalid for a member's bad name."""
    newest: dict[str, int] = {}
    for name in names:
        match = _PUSH.fullmatch(name)
        if match is None or not chains.is_member(match["member"]):
            expected = "<member>/<number>.json, with a member's name as in docs/TEAM.md"
            raise Invalid("a push in the team's root", expected, repr(name))
        member, number = match["member"], int(match["number"])
        newest[member] = max(number, newest.get(member, 0))
    return newest


class FolderStore:
    """A folder, here or behind SSH: rsync carries the files, `ln` creates what must be new."""

    def __init__(self, name: str, host: Workstation) -> None:
        self.name = name
        self._host = host

    def list_pushes(self) -> dict[str, int]:
        """Return the number of the newest push of each member."""
        return newest_pushes(self._host.list_pushes())

    def read_push(
        self,
        member: str,
        number: int,
        work: Path,
    ) -> bytes:
        """Return one push."""
        names = {f"{MEMBERS}/{member}": [f"{number}.json"]}
        self._host.copy_files(names, work, show_progress=False)
        return disk.read(work / member / f"{number}.json")

    def fetch(self, digests: Iterable[str], work: Path) -> None:
        """Copy objects to where `object_in` finds them."""
        names = list(map(object_name, sorted(set(digests))))
        if names:
            self._host.copy_files({OBJECTS: names}, work, show_progress=False)

    def add(self, objects: Mapping[str, Path], work: Path) -> None:
        """Add objects, given by digest, that are not there."""
        for digest, path in objects.items():
            _link(work / OBJECTS / object_name(digest), path)
        if objects:
            self._host.add_files(work)

    def create_push(
        self,
        member: str,
        number: int,
        content: Path,
        work: Path,
    ) -> bool:
        """Add a push; return False when there is one of this number."""
        target = push_name(member, number)
        unfinished = f"{MEMBERS}/{member}/.{number}.{secrets.token_hex(8)}.tmp"
        _link(work / unfinished, content)
        self._host.add_files(work)
        said = self._host.create_file(unfinished, target)
        if said not in ("created", "taken"):
            expected = "a place where files can be added, with hard links"
            raise Missing(f"{self.name}/{target}", expected, said or "no answer")
        return said == "created"


def _link(path: Path, target: Path) -> None:
    """Make a link to a file that is to be sent under another name."""
    with disk.report_write_errors(path):
        disk.make_folder(path.parent)
        path.unlink(missing_ok=True)
        path.symlink_to(target.absolute())


def parse_push(content: bytes, member: str, name: str) -> Json:
    """Return a push. Raises Invalid for one that is not the member's."""
    document: Json = json_files.parse(content, name, PUSH).value
    if document["member"] != member:
        raise Invalid(name, f"a push of {member}", f"one of {document['member']}")
    return document


def clear(work: Path) -> None:
    """Remove what a push or a pull had under way: links and copies only."""
    for parent, names, files in os.walk(work, topdown=False):
        for name in files:
            Path(parent, name).unlink()
        for name in names:
            path = Path(parent, name)
            if path.is_symlink():
                path.unlink()
            else:
                path.rmdir()
    if work.is_dir():
        work.rmdir()
