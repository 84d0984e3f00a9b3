"""Read and write the stage ledger: an append-only chain of rows, and the marks of its view.

Each row of `audit/stage_ledger.jsonl` holds the SHA-256 of the line before it (its bytes without
the line end; null in the first row). The last row has no row after it: its digest is written into
the view. So `verify` finds every row that was changed or removed. A row is a decision, the answer
of an audit, an approval, a seal, or the settlement of a failure: why nobody needs to repair it. A
decision is corrected by a later one about the same run: its `corrects` is the number of the row
that it replaces. The callers hold the workspace lock.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from postrun.core import clock, disk, locations, terminal, version
from postrun.core.errors import Invalid, PostRunError
from postrun.store import json_files, signing_keys

# The columns of the view, in the user's order.
COLUMNS = [
    "date",
    "stage",
    "decision_tag",
    "owner",
    "objective",
    "command_ref",
    "artifact_ref",
    "result",
    "next_action",
]
_FIELDS = {"schema_version", "number", "recorded_at", "previous_sha256"}
DECISION, AUDIT, APPROVAL, SEAL = "decision", "audit", "approval", "seal"
SETTLEMENT = "settlement"
# Of these a closing record holds the lines: no signed file tells them again.
HELD_BY_RECORDS = (DECISION, AUDIT, SETTLEMENT)
BEGIN = (
    b"<!-- stage-ledger:begin (made from audit/stage_ledger.jsonl:"
    b" what is written between these marks is lost) -->"
)
END = b"<!-- stage-ledger:end -->"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMMENT = re.compile(rb"<!-- stage-ledger:[^\r\n]*")
_NO_ROW = "none"  # in the view of a ledger without rows
_LAST_ROW = re.compile(rb"<!-- stage-ledger:last-row sha256=([0-9a-f]{64}|none) -->")
_UPDATE_RULE = re.compile(rb"## Update Rule[ \t]*#*[ \t]*")
_SEPARATORS = re.compile(r"[ -]+")
_FENCE = re.compile(rb" {0,3}(```|~~~)")
# Rows are never written again in another version: this is the one that `append` writes.
_SCHEMA_VERSION = 2
RESTORE = "put it together again: make restore-ledger, or restore it from a backup"
_DELETE_BLOCK = "delete the block with its marks; the next closing writes it again"

Row = dict[str, Any]


@dataclass
class _Chain:
    """What was read from the ledger's file so far, line by line."""

    content: bytes = b""
    # The newest decision of each run, and the newest audit after it.
    decisions: dict[str, Row] = field(default_factory=dict)
    audits: dict[str, Row] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)  # SHA-256 of each line
    rows: list[Row] = field(default_factory=list)  # the lines that could be read as a row
    errors: list[Invalid] = field(default_factory=list)  # why each of the other lines could not
    # The errors as text, and what is wrong with numbers and digests, in the order of the lines.
    faults: list[str] = field(default_factory=list)

    @property
    def last_digest(self) -> str | None:
        """Return the digest of the last row; None when there is none."""
        if not self.digests:
            return None
        return self.digests[-1]

    def add(
        self,
        line: bytes,
        next_line: bytes,
        label: str,
    ) -> None:
        """Add a line of the file and note what is wrong with it; `label` names it in messages."""
        before = self.last_digest
        digest = disk.content_digest(line)
        self.digests.append(digest)
        number = len(self.digests)
        try:
            row = json_files.parse(line, label).value
            # `append` checks every row against the schema. A line whose digest is in the next one
            # has not changed since. So the slow check is not repeated for thousands of rows.
            is_unchanged = digest.encode() in next_line
            has_fields = isinstance(row, dict) and row.keys() >= _FIELDS
            if not is_unchanged or not has_fields:
                json_files.check(row, "stage_ledger", label)
        except Invalid as error:
            problem = str(error)
            self.errors.append(error)
            self.faults.append(problem)
            return
        self.rows.append(row)
        self._index(row)
        stated = row["previous_sha256"]
        if stated != before:
            expected = f"expected {before} as digest of the row before"
            self.faults.append(f"row {number}: {expected}, found {stated}")
        if row["number"] != number:
            expected = f"expected the number {number}"
            self.faults.append(f"row {number}: {expected}, found {row['number']}")

    def _index(self, row: Row) -> None:
        run = row.get("run", "")
        if kind(row) == DECISION:
            self.decisions[run] = row
            self.audits.pop(run, None)
        elif kind(row) == AUDIT:
            self.audits[run] = row


# The ledgers that this process has read: each step of a closing reads the ledger. The file's bytes
# are compared every time. When rows were added, only those are parsed; after any other change, all.
_chains: dict[Path, _Chain] = {}


def read_rows(root: Path) -> list[Row]:
    """Return every row, oldest first. Raises Invalid for a line that cannot be read as a row."""
    return [row.copy() for row in _read_whole_chain(root).rows]


def _read_whole_chain(root: Path) -> _Chain:
    """Return the ledger. Raises Invalid for a line that cannot be read as a row."""
    chain = _read_chain(root)
    if chain.errors:
        first_error = str(chain.errors[0])
        raise Invalid(_path(root), "whole rows", first_error, RESTORE)
    return chain


def kind(row: Row) -> str:
    """Return what a row records. Rows of schema version 1 do not say it: they are decisions."""
    return str(row.get("kind", DECISION))


def decision(root: Path, run: str) -> Row | None:
    """Return the decision on a run that holds, its last; None without one."""
    row = _read_whole_chain(root).decisions.get(run)
    return row and row.copy()


def decisions(root: Path, runs: Iterable[str] | None = None) -> dict[str, Row]:
    """Return the decision that holds for each run that has one; of all runs, or of these."""
    known = _read_whole_chain(root).decisions
    if runs is None:
        return dict(known)
    return {run: known[run] for run in runs if run in known}


def decided_runs(root: Path) -> set[str]:
    """Return the runs with a decision."""
    return set(_read_whole_chain(root).decisions)


def audit(root: Path, run: str) -> Row | None:
    """Return the newest audit row of the decision that holds; None without one."""
    row = _read_whole_chain(root).audits.get(run)
    return row and row.copy()


def audited_runs(root: Path) -> set[str]:
    """Return the runs with an audit row of the decision that holds."""
    return set(_read_whole_chain(root).audits)


def rows_of(root: Path, run: str) -> list[Row]:
    """Return every row about a run, oldest first."""
    rows = []
    for row in _read_whole_chain(root).rows:
        if row.get("run") == run:
            rows.append(row.copy())
    return rows


def settlements(root: Path) -> list[Row]:
    """Return every settlement of a failure, oldest first."""
    rows = _read_whole_chain(root).rows
    return [row.copy() for row in rows if kind(row) == SETTLEMENT]


def head(root: Path) -> tuple[int, str | None]:
    """Return the number of rows, and the digest of the last; None without rows."""
    chain = _read_chain(root)
    return len(chain.digests), chain.last_digest


def has_row(root: Path, number: int, digest: str | None) -> bool:
    """Return whether the row of this number has this digest. Every ledger has row 0."""
    if number == 0:
        return True
    digests = _read_chain(root).digests
    if number > len(digests):
        return False
    return digests[number - 1] == digest


def row_digest(row: Row) -> str:
    """Return the digest of a row, as the row after it holds it."""
    line = json_files.encode_line(row)
    return disk.content_digest(line.removesuffix(b"\n"))


def evidence_digest(manifest: Row) -> str:
    """Return the SHA-256 (hex) of a manifest: path, size and digest of each file, in any order."""
    files = []
    for file in manifest["files"]:
        facts = [file["path"], file["size"], file["sha256"]]
        files.append(facts)
    content = json_files.encode(sorted(files))
    return disk.content_digest(content)


def check(root: Path) -> None:
    """Raise Invalid for a ledger with faults, to which no row can be added."""
    chain = _read_chain(root)
    faults = _faults(root, chain)
    if faults:
        expected = "an unbroken chain of rows"
        hint = RESTORE
        if not chain.faults:
            hint += "; where only the view was edited, delete the block with its marks"
        raise Invalid(_path(root), expected, faults[0], hint)


def append(
    root: Path,
    row: Row,
    recorded_at: str | None = None,
) -> Row:
    """Add a row; return it with number, time (now when none is given), and the digest before it.

    Raises Invalid for a row that does not fit its schema, and for a ledger with faults.
    """
    check(root)
    path = _path(root)
    chain = _read_chain(root)
    number = len(chain.digests) + 1
    recorded = {
        "program_version": version.program_version(),
        "writer": signing_keys.configured_fingerprint(),
        # The row of a signed file says both: it follows from that file.
        **row,
        "schema_version": _SCHEMA_VERSION,
        "number": number,
        "recorded_at": recorded_at or clock.stamp(clock.now()),
        "previous_sha256": chain.last_digest,
    }
    json_files.check(recorded, "stage_ledger", f"{path}:{number}")
    # The whole file is replaced: an append that is interrupted would leave half a line. A checkout
    # by git may have turned its line ends into \r\n; the new row's is \n, so all are.
    before = chain.content.replace(b"\r\n", b"\n")
    line = json_files.encode_line(recorded)
    disk.replace(path, before + line)
    return recorded


def faults(root: Path) -> list[str]:
    """Return all that is wrong with the rows and the chain; the view may be behind."""
    try:
        return _faults(root, _read_chain(root))
    except PostRunError as error:
        return [str(error)]


def verify(root: Path) -> list[str]:
    """Return all that is wrong with the rows, the chain, and the view, which may be behind."""
    try:
        chain = _read_chain(root)
        faults = _faults(root, chain)
        last_row = last_row_in_view(root)
    except PostRunError as error:
        return [str(error)]
    view = _view_path(root).name
    count = len(chain.digests)
    if count and last_row is None:
        faults.append(f"{view}: expected the digest of the last row, found no ledger block")
    elif count and last_row != chain.last_digest and not faults:
        rows = terminal.counted(count, "row")
        faults.append(f"{view}: expected {rows} as in the ledger, found fewer")
    return faults


def publish(root: Path, block: str) -> bool:
    """Write the view between the marks of STAGE_AUDIT_LOG.md; return whether the file changes.

    A document without marks gets the block after its own table of decisions, else before its
    `## Update Rule`, else at its end. What is outside of the marks is the user's and keeps every
    byte. Raises Missing, Invalid for damaged marks.
    """
    path = _view_path(root)
    text = _read_view(root)
    if text is None:
        text = b"# Stage audit log\n"
    digest = _read_chain(root).last_digest or _NO_ROW
    last_row = f"<!-- stage-ledger:last-row sha256={digest} -->".encode()
    body = block.strip("\n").encode()
    generated = b"\n".join((BEGIN, last_row, b"", body, b"", END))
    line_end = b"\n"
    if re.match(rb"[^\r\n]*\r\n", text):
        line_end = b"\r\n"
    generated = generated.replace(b"\n", line_end)
    document = _insert(path, text, generated, line_end)
    return disk.replace(path, document)


def _insert(
    path: Path,
    text: bytes,
    generated: bytes,
    line_end: bytes,
) -> bytes:
    """Return the user's document with our block in its place."""
    block = _find_block(path, text)
    if block is not None:
        before = text[: block.start]
        return before + generated + text[block.stop :]
    table_end = _end_of_table(text)
    if table_end is not None:
        before = text[:table_end]
        after = text[table_end:]
        if after:
            return before + line_end + generated + line_end + after
    for offset, line in _outside_fences(text):
        if _UPDATE_RULE.fullmatch(line) and table_end is None:
            before = text[:offset]
            after = text[offset:]
            return before + generated + line_end + line_end + after
    if not text.removeprefix(_BYTE_ORDER_MARK):
        return text + generated + line_end
    if not text.endswith(b"\n"):
        text += line_end
    return text + line_end + generated + line_end


def has_table(root: Path) -> bool:
    """Return whether the user's document has a table of decisions of its own. Raises Missing."""
    text = _read_view(root) or b""
    block = _find_block(_view_path(root), text)
    if block is not None:
        before = text[: block.start]
        text = before + text[block.stop :]
    return _end_of_table(text) is not None


def _end_of_table(text: bytes) -> int | None:
    """Return where the first table with our columns ends; None without one."""
    is_inside = False
    for offset, line in _outside_fences(text):
        if is_inside and b"|" not in line:
            return offset
        heading = line.decode(errors="replace").lower()
        names = set()
        for cell in heading.split("|"):
            name = cell.strip(" `*")
            names.add(_SEPARATORS.sub("_", name))
        if names.issuperset(COLUMNS):
            is_inside = True
    if is_inside:
        return len(text)
    return None


def _find_block(path: Path, text: bytes) -> slice | None:
    """Return where our block is; None when there is none. Raises Invalid for any other marks."""
    names = {BEGIN: "begin", END: "end"}
    marks = []
    present = []
    for comment in _find_comments(text):
        if comment[0] in names:
            marks.append(comment)
            present.append(names[comment[0]])
    if not marks:
        return None
    if present != ["begin", "end"]:
        expected = "one stage-ledger:begin line, then one stage-ledger:end line"
        found = ", ".join(present)
        raise Invalid(path, expected, found, _DELETE_BLOCK)
    begin, end = marks
    return slice(begin.start(), end.end())


def _find_comments(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield each line that begins as our marks do. A byte order mark is no part of a line."""
    text_start = 0
    if text.startswith(_BYTE_ORDER_MARK):
        text_start = len(_BYTE_ORDER_MARK)
    for comment in _COMMENT.finditer(text):
        offset = comment.start()
        byte_before = text[offset - 1 : offset]
        if offset == text_start or byte_before in (b"\r", b"\n"):
            yield comment


def _outside_fences(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each line outside of fenced code, as offset and text without line end."""
    fence = b""  # what ends the fenced code that we are in
    offset = 0
    for whole_line in text.splitlines(keepends=True):
        line = whole_line.rstrip(b"\r\n")
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence == mark[1]:
            fence = b""
        elif not fence:
            yield offset, line
        offset += len(whole_line)


def _read_view(root: Path) -> bytes | None:
    """Return the user's document; None when there is none. Raises Missing."""
    return disk.read_optional(_view_path(root))


def last_row_in_view(root: Path) -> str | None:
    """Return the digest of the last row that the view shows; None when there is no block.

    It is `_NO_ROW` when the view shows no row. Raises Invalid for damaged marks.
    """
    path = _view_path(root)
    text = _read_view(root) or b""
    block = _find_block(path, text)
    if block is None:
        return None
    digests = []
    for comment in _find_comments(text[block]):
        last_row = _LAST_ROW.fullmatch(comment[0])
        if last_row:
            digest = last_row[1].decode()
            digests.append(digest)
    if len(digests) != 1:
        expected = "one stage-ledger:last-row line between the marks"
        raise Invalid(path, expected, f"{len(digests)}", _DELETE_BLOCK)
    return digests[0]


def _faults(root: Path, chain: _Chain) -> list[str]:
    """Return the faults of the chain, and one when it lacks the last row that the view shows."""
    faults = list(chain.faults)
    digest = last_row_in_view(root)
    if digest not in (None, _NO_ROW, *chain.digests):
        expected = f"expected a row with its digest {digest}"
        faults.append(f"last row of the view: {expected}, found it changed or gone")
    return faults


def _path(root: Path) -> Path:
    return locations.workspace_path(root, "stage_ledger")


def _view_path(root: Path) -> Path:
    return locations.workspace_path(root, "stage_audit_log")


def _read_chain(root: Path) -> _Chain:
    """Return the ledger as far as it is in the file now. Raises Invalid for half a line."""
    path = _path(root)
    content = disk.read_optional(path) or b""
    if content and not content.endswith(b"\n"):
        raise Invalid(path, "whole lines", "half a line at the end", RESTORE)
    chain = _chains.get(path)
    if chain is None or not content.startswith(chain.content):
        chain = _Chain()
        _chains[path] = chain
    added = content.removeprefix(chain.content)
    new_lines = added.split(b"\n")[:-1]
    lines = [line.removesuffix(b"\r") for line in new_lines]
    for line, next_line in zip_longest(lines, lines[1:], fillvalue=b""):
        number = len(chain.digests) + 1
        chain.add(line, next_line, f"{path}:{number}")
    chain.content = content
    return chain
