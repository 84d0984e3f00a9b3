"""Pull: take over what the other members of a team pushed, each member's push whole or not at all.

A push is taken over when the member's ledger is an unbroken chain that begins with the rows that we
have, and every run that comes with it is what its record, its manifest and that ledger say. Until
then everything is in a folder of ours where it counts for nothing.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from postrun.core import disk
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import RunPaths, workspace_path
from postrun.core.values import Json
from postrun.store import chains, index, json_files, ledger
from postrun.team import arranging, listing, stores
from postrun.team.arranging import Pulled
from postrun.team.listing import Listing
from postrun.team.stores import Store, object_in, parse_push
from postrun.verify import ledger_rows, one_run, signed
from postrun.verify.findings import Kind

_ASK = "ask the member what happened; nothing of this push was taken over"


@dataclass
class Taken:
    """What a pull took over, and what it refused, by member."""

    rows: dict[str, int] = field(default_factory=dict)  # new rows of the ledger
    runs: dict[str, list[str]] = field(default_factory=dict)  # new or changed
    errors: dict[str, PostRunError] = field(default_factory=dict)


@dataclass(frozen=True)
class Push:
    """The newest push of a member: its document and the lines of its ledger."""

    member: str
    document: Json
    chain: bytes

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return f"push {self.document['number']} of {self.member}"


def pull(
    root: Path,
    own_member: str,
    store: Store,
    work: Path,
) -> Taken:
    """Merge the newest push of each other member that is whole; return what was new.

    Raises Missing, Unreachable.
    """
    taken = Taken()
    pulled = arranging.read_pulled(root)
    for member, number in sorted(store.list_pushes().items()):
        if member == own_member:
            continue
        place = work / member
        try:
            push = _read(
                root,
                member,
                number,
                store,
                place,
            )
            new_runs = _take_over(
                root,
                push,
                pulled,
                store,
                place,
            )
        except Invalid as error:
            taken.errors[member] = error
            continue
        rows = _write_chain(root, push)
        arranging.write_team(root, own_member, pulled)
        if rows or new_runs:
            taken.rows[member], taken.runs[member] = rows, new_runs
    return taken


def _read(
    root: Path,
    member: str,
    number: int,
    store: Store,
    work: Path,
) -> Push:
    """Return a push with its ledger, which goes on where our copy ends. Raises Invalid."""
    name = f"{store.name}: push {number} of {member}"
    document = parse_push(store.read_push(member, number, work), member, name)
    parts = [part["sha256"] for part in document["ledger"]]
    store.fetch(parts, work)
    contents = [_read_object(work, digest, name) for digest in parts]
    push = Push(member, document, b"".join(contents))
    known = disk.read_optional(chains.path_of(root, member)) or b""
    if not push.chain.startswith(known):
        rows = known.count(b"\n")
        shorter = push.chain.count(b"\n")
        expected = f"a ledger that goes on from the {rows} rows that we have"
        raise Invalid(name, expected, f"{shorter} rows, other ones or fewer", _ASK)
    _check_chain(push, known, name)
    return push


def _read_object(work: Path, digest: str, name: str) -> bytes:
    """Return the bytes of an object that was fetched. Raises Invalid for other bytes."""
    path = object_in(work, digest)
    content = disk.read(path)
    actual = disk.content_digest(content)
    if actual != digest:
        # What is right there by the next pull must come again.
        path.unlink()
        raise Invalid(f"{name}: object {digest[:12]}", "its bytes", "others", _ASK)
    return content


def _check_chain(push: Push, known: bytes, name: str) -> None:
    """Raise Invalid unless the lines of a ledger are a chain of rows of ours."""
    lines = push.chain.split(b"\n")
    if lines.pop():
        raise Invalid(name, "whole lines of a ledger", "half a line at the end", _ASK)
    known_rows = known.count(b"\n")
    before = None
    for number, line in enumerate(lines, start=1):
        thing = f"{name}: row {number}"
        row = json_files.parse(line, thing).value
        # What we have was checked when it came.
        if number > known_rows:
            json_files.check(row, "stage_ledger", thing)
        stated = row.get("number"), row.get("previous_sha256")
        if stated != (number, before):
            expected = f"number {number} and the digest of the row before"
            raise Invalid(thing, expected, "another number or digest", _ASK)
        before = disk.content_digest(line)
    last = push.document["ledger"][-1]
    if (last["rows"], last["head_sha256"]) != (len(lines), before):
        raise Invalid(name, f"{last['rows']} rows as the push says", f"{len(lines)} others", _ASK)


def _write_chain(root: Path, push: Push) -> int:
    """Write our copy of a member's ledger; return how many rows are new. Raises Missing."""
    path = chains.path_of(root, push.member)
    known = disk.read_optional(path) or b""
    if not disk.DRY_RUN.get():
        disk.replace(path, push.chain)
    return push.chain.count(b"\n") - known.count(b"\n")


def _take_over(
    root: Path,
    push: Push,
    pulled: Pulled,
    store: Store,
    work: Path,
) -> list[str]:
    """Move every new run of a push, proved, to the closings of its member; return them.

    Raises Invalid for the first that is not what it should be, and moves none then.
    """
    new_runs = {}
    for row in push.document["runs"]:
        if pulled.get((push.member, row["run"])) != row["sha256"]:
            new_runs[row["run"]] = row["sha256"]
    _check_decided(push)
    store.fetch(new_runs.values(), work)
    listings = []
    for run, digest in new_runs.items():
        content = _read_object(work, digest, push.name)
        listings.append(listing.parse(content, run, push.name))
    if disk.DRY_RUN.get():
        return list(new_runs)
    staged = work / "staged"
    stores.clear(staged)
    _fetch_files(
        root,
        push,
        listings,
        store,
        work,
    )
    disk.replace(workspace_path(staged, "stage_ledger"), push.chain)
    for each in listings:
        _build(
            root,
            staged,
            push,
            each,
            work,
        )
    _prove(staged, push, listings)
    for each in listings:
        arranging.set_aside(root, push.member, each.paths(staged))
        pulled[push.member, each.run_folder] = each.sha256
    return list(new_runs)


def _check_decided(push: Push) -> None:
    """Raise Invalid for a run on which the member's own ledger has no decision."""
    decided = set()
    for line in push.chain.splitlines():
        row = json_files.parse(line, push.name).members
        if ledger.kind(row) == ledger.DECISION:
            decided.add(row["run"])
    for row in push.document["runs"]:
        if row["run"] not in decided:
            expected = f"a decision on {row['run']} in its ledger"
            raise Invalid(push.name, expected, "none", _ASK)


def _sources(root: Path, push: Push) -> list[Path]:
    """Return where files of a member's runs may be already."""
    return [root, arranging.aside_root(root, push.member)]


def _fetch_files(
    root: Path,
    push: Push,
    listings: Iterable[Listing],
    store: Store,
    work: Path,
) -> None:
    """Copy the files that are not here yet."""
    digests = set()
    for each in listings:
        for row in each.document["files"]:
            if _find_here(root, push, row) is None:
                digests.add(row["sha256"])
    store.fetch(digests, work)


def _find_here(root: Path, push: Push, row: Json) -> Path | None:
    """Return where a file is already, under its own path; None when it is not."""
    for source in _sources(root, push):
        path = source / str(row["path"])
        if path.is_symlink() or not path.is_file() or path.stat().st_size != row["size"]:
            continue
        if disk.digest(path) == row["sha256"]:
            return path
    return None


def _build(
    root: Path,
    staged: Path,
    push: Push,
    each: Listing,
    work: Path,
) -> None:
    """Build the folders of a run below another root. Raises Missing, Invalid."""
    places = []
    for row in each.document["files"]:
        place = staged / row["path"]
        here = _find_here(root, push, row)
        with disk.report_write_errors(place):
            disk.make_folder(place.parent)
            place.unlink(missing_ok=True)
        if here is None:
            disk.replace(place, _read_object(work, row["sha256"], push.name))
        else:
            _link_or_copy(here, place, row["mtime_ns"])
        with disk.report_write_errors(place):
            os.utime(place, ns=(row["mtime_ns"], row["mtime_ns"]))
        places.append(place)
    for row in each.document["links"]:
        place = staged / row["path"]
        with disk.report_write_errors(place):
            disk.make_folder(place.parent)
            place.unlink(missing_ok=True)
            place.symlink_to(row["target"])
    disk.sync_all({place.parent for place in places})


def _link_or_copy(here: Path, place: Path, mtime_ns: int) -> None:
    """Add a second name to a file, where its time is the right one too; else copy it.

    What is here of another member's run is never written into again.
    """
    if here.stat().st_mtime_ns == mtime_ns:
        with suppress(OSError):
            place.hardlink_to(here)
            return
    disk.replace(place, disk.read(here))


@index.in_memory()
def _prove(staged: Path, push: Push, listings: Sequence[Listing]) -> None:
    """Raise Invalid for a run that is not what its record, its manifest and the ledger say."""
    lines = ledger_rows.read(staged).by_run()
    for each in listings:
        run = each.run_folder
        _check_present(staged, each)
        findings = one_run.check_digests(staged, run, lines.get(run, ()))
        approvals = signed.check_approvals(RunPaths(staged, run, each.document["gate_folder"]))
        for finding in (*findings, *approvals):
            if finding.kind is Kind.BROKEN:
                thing = f"{push.name}: {finding.file}"
                raise Invalid(thing, finding.expected, finding.actual, _ASK)


def _check_present(staged: Path, each: Listing) -> None:
    """Raise Invalid when the gate folder of a list is not the one of the run's record."""
    found = listing.find(staged, each.run_folder).gate
    if found != each.document["gate_folder"]:
        raise Invalid(f"files of {each.run_folder}", f"the gate folder {found}", "another", _ASK)
