"""Put the ledger together again from whatever holds rows of it.

Decisions, answers of audits and settlements are held by the closing records, word for word. The row
of an approval or a seal follows from the signed file, its number and the row before. A row counts
when its link in the chain fits: each row holds the digest of the one before it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from postrun.core import disk, locations
from postrun.core.artifacts import APPROVALS, SEALS
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.store import (
    chains,
    json_files,
    ledger,
    ledger_index,
    records,
    run_folders,
    signed_files,
)

Row = dict[str, Any]
Lines = dict[bytes, Row]  # a row as it is written, and what it says

_LEDGER = "audit/stage_ledger.jsonl"
_SCHEMA_VERSION = 2  # of the rows of signed files
_NEXT_SIGNED = 2  # two machines may disagree about the time, and two signatures may have the same
_MOST_LINKS = 4096  # chains that are followed where only signed files are left


@dataclass(frozen=True)
class SignedRow:
    """What the row of a signed file says, wherever it is in the ledger."""

    row: Row
    after: int  # the number of a row that it comes after

    @property
    def recorded_at(self) -> str:
        """Return when it was signed."""
        return str(self.row["recorded_at"])

    @property
    def file(self) -> str:
        """Return the digest of the signed file."""
        return str(self.row["file_sha256"])


@dataclass(frozen=True)
class Link:
    """One row in its place: its line, and the chain that leads to it."""

    line: bytes
    digest: str  # what the next row holds as digest of the row before
    before: "Link | None" = None
    used: frozenset[str] = frozenset()  # digests of the signed files that have their row by now
    is_computed: bool = False  # from a signed file: no line of it may be left

    def lines(self) -> list[bytes]:
        """Return all lines up to this one."""
        lines = []
        link: Link | None = self
        while link is not None:
            lines.append(link.line)
            link = link.before
        lines.reverse()
        return lines


def _no_lines() -> defaultdict[int, Lines]:
    return defaultdict(dict)


@dataclass
class Sources:
    """What is left of the ledger."""

    lines: defaultdict[int, Lines] = field(default_factory=_no_lines)  # by the row's number
    signed: list[SignedRow] = field(default_factory=list)  # by their time
    heads: dict[int, str] = field(default_factory=dict)  # digests that seals and records name
    last_row: str | None = None  # the digest that the readable view shows

    @property
    def length(self) -> int:
        """Return how many rows there must have been."""
        return max((0, *self.lines, *self.heads))

    def add(self, line: bytes) -> None:
        """Add a line, unless it is no row."""
        reading = json_files.try_parse(line, "a row", "stage_ledger")
        row = reading.members
        if row:
            lines = self.lines[row["number"]]
            lines[line] = row

    def fits(self, number: int, line: bytes) -> bool:
        """Return whether nothing speaks against a line: the digest of the row may be known."""
        head = self.heads.get(number)
        return head in (None, disk.content_digest(line))


@dataclass(frozen=True)
class Restored:
    """The ledger as far as it could be put together."""

    lines: list[bytes]
    missing: list[int]  # numbers of rows of which no copy fits


def read_sources(root: Path) -> Sources:
    """Return every row that is left, wherever it is held. Raises Missing, Invalid."""
    sources = Sources()
    for line in _held_lines(root):
        sources.add(line)
    workspace = locations.workspace_path(root, records.WORKSPACE)
    reading = json_files.try_load(workspace, records.WORKSPACE)
    known = reading.members.get("ledger")
    if known and known["rows"]:
        number = known["rows"]
        sources.heads[number] = known["sha256"]
    sources.last_row = ledger.last_row_in_view(root)
    for path, kind in _signed_files(root):
        _add_signed(
            root,
            sources,
            path,
            kind,
        )
    sources.signed.sort(key=attrgetter("recorded_at"))
    return sources


def _held_lines(root: Path) -> Iterator[bytes]:
    """Yield the lines of the present ledger, and those that closing records hold."""
    path = locations.workspace_path(root, "stage_ledger")
    content = disk.read_optional(path) or b""
    for line in content.split(b"\n"):
        yield line.removesuffix(b"\r")
    # The record of a run that another member closed holds lines of that member's ledger.
    of_others = _lines_of_others(root)
    for folder in run_folders.list_folders(root):
        run_paths = RunPaths(root, folder, None)
        path = run_paths.path(records.CLOSING)
        reading = json_files.try_load(path, records.CLOSING)
        for text in reading.members.get("ledger_rows", ()):
            line = text.encode()
            if line not in of_others:
                yield line


def _lines_of_others(root: Path) -> set[bytes]:
    lines: set[bytes] = set()
    for path in chains.list_others(root).values():
        lines.update(disk.read(path).split(b"\n"))
    return lines


def _runs_of_others(root: Path) -> set[str]:
    """Return the runs whose records hold lines of other members' ledgers."""
    lines = _lines_of_others(root)
    return {ledger_index.run_of(json_files.try_parse(line, "a row").members) for line in lines}


def _signed_files(root: Path) -> Iterator[tuple[Path, str]]:
    seals = signed_files.list_numbered(root / SEALS)
    for path in seals.values():
        yield path, ledger.SEAL
    of_others = _runs_of_others(root)
    for folder in run_folders.list_folders(root):
        run_folder = root / locations.RUNS / folder
        if folder in of_others:
            continue
        approvals = signed_files.list_numbered(run_folder / APPROVALS)
        for path in approvals.values():
            yield path, ledger.APPROVAL


def _add_signed(
    root: Path,
    sources: Sources,
    path: Path,
    kind: str,
) -> None:
    """Add the row of an approval or a seal, and the heads of the ledger that a seal names."""
    try:
        row = signed_files.row_of(root, path, kind)
        signed = signed_files.read(path, kind)
    except PostRunError:
        return  # `make verify` names it: here it is one source less
    stated = signed.predicate
    row["recorded_at"] = stated["recorded_at"]
    after = "decision_row"
    if kind == ledger.SEAL:
        after = "ledger_rows"
        for name, digest in signed.subjects.items():
            file, _, number = name.partition("#")
            # A seal names the heads of other members' ledgers, too.
            if file == _LEDGER and number.isdecimal():
                sources.heads[int(number)] = digest
    signed_row = SignedRow(row, stated[after])
    sources.signed.append(signed_row)


def restore(sources: Sources) -> Restored:
    """Return the ledger, and the numbers of the rows that are lost."""
    missing: set[int] = set()
    unproven: list[int] = []  # rows that are computed only, since the last that is not
    links: list[Link] = []
    for number in range(1, sources.length + 1):
        follow = _next_links(sources, number, links)
        if not follow:
            # A row that follows nothing: the row before it is lost, or not the one that it was.
            follow = _begin_again(sources, number)
            lost = max(1, number - 1) if follow else number
            missing.update(unproven, [lost])
        if not follow and number in sources.heads:
            # The row is lost, but not its digest: what comes after it can still be computed.
            head = sources.heads[number]
            follow = [Link(b"", head)]
        unproven.append(number)
        is_computed = all(link.is_computed for link in follow)
        if number in sources.heads or not is_computed:
            unproven.clear()
        links = follow
    links += _last_links(sources, links)
    return _finish(sources, links, sorted(missing))


def _begin_again(sources: Sources, number: int) -> list[Link]:
    """Return the lines of a row, whatever came before it."""
    links = []
    for line in sources.lines[number]:
        if sources.fits(number, line):
            link = Link(line, disk.content_digest(line))
            links.append(link)
    return links


def _next_links(
    sources: Sources,
    number: int,
    links: list[Link],
) -> list[Link]:
    """Return each row that may follow one of the rows before."""
    before: list[Link | None] = [*links]
    if number == 1:
        before = [None]
    follow: list[Link] = []
    for link in before:
        follow += _held(sources, number, link)
    is_held = bool(follow)
    for link in before:
        # Of two rows in a row that only signed files tell, no line is left of the second.
        if is_held and link is not None and link.is_computed:
            continue
        follow += _computed(sources, number, link)
    return follow[:_MOST_LINKS]


def _held(
    sources: Sources,
    number: int,
    link: Link | None,
) -> Iterator[Link]:
    """Yield the lines that are left of a row and follow the row before."""
    digest = _digest_of(link)
    for line, row in sources.lines[number].items():
        if row["previous_sha256"] != digest:
            continue
        if sources.fits(number, line):
            file = str(row.get("file_sha256"))
            yield Link(
                line,
                disk.content_digest(line),
                link,
                _used(link) | {file},
            )


def _computed(
    sources: Sources,
    number: int,
    link: Link | None,
) -> Iterator[Link]:
    """Yield the rows of the next signed files, in the order in which they were signed."""
    used = _used(link)
    unused = [signed for signed in sources.signed if signed.file not in used]
    digest = _digest_of(link)
    for signed in unused[:_NEXT_SIGNED]:
        if number <= signed.after:
            continue
        line = _line_of(signed.row, number, digest)
        if sources.fits(number, line):
            yield Link(
                line,
                disk.content_digest(line),
                link,
                used | {signed.file},
                is_computed=True,
            )


def _digest_of(link: Link | None) -> str | None:
    if link is None:
        return None
    return link.digest


def _line_of(
    row: Row,
    number: int,
    digest: str | None,
) -> bytes:
    """Return the line that a signed file has in one place of the ledger."""
    complete = {
        **row,
        "schema_version": _SCHEMA_VERSION,
        "number": number,
        "previous_sha256": digest,
    }
    line = json_files.encode_line(complete)
    return line.removesuffix(b"\n")


def _used(link: Link | None) -> frozenset[str]:
    if link is None:
        return frozenset()
    return link.used


def _last_links(sources: Sources, links: list[Link]) -> list[Link]:
    """Return the rows of signed files that come after every row of which a line is left."""
    last_links: list[Link] = []
    newest = links
    number = sources.length
    for _ in sources.signed:
        number += 1
        follow: list[Link] = []
        for link in newest:
            follow += _computed(sources, number, link)
        newest = follow[:_MOST_LINKS]
        last_links += newest
    return last_links


def _finish(
    sources: Sources,
    links: list[Link],
    missing: list[int],
) -> Restored:
    """Return the chain that ends as the readable view says, or goes on after that.

    At the end of a chain, a row that was computed is believed only where its digest is known.
    """
    last_row = sources.last_row
    best = links[0] if links else None
    for link in links:
        if link.digest == last_row:
            best = link
            break
    known = {last_row, *sources.heads.values()}
    while best is not None and best.is_computed:
        if best.digest in known:
            break
        best = best.before
    lines = best.lines() if best else []
    digests = [disk.content_digest(line) for line in lines]
    is_shown = last_row in (None, *digests)
    if not is_shown and not missing:
        missing.append(len(lines) + 1)
    return Restored(lines, missing)
