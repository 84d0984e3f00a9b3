"""Read and write the stage ledger: an append-only chain of decisions, and its readable view.

Each row of `audit/stage_ledger.jsonl` holds the SHA-256 of the line before it (its bytes without
the line end; null in the first row). The last row has no row after it: its digest stands in the
view. So no row can be changed or removed without `verify` finding it. The callers hold the
workspace lock.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from postrun.core import clock, disk, locations
from postrun.core.errors import Invalid
from postrun.store import json_files

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
_NOT_IN_VIEW = [
    "number",
    "run",
    "evidence_sha256",
    "reasons",
    "corrects",
    "recorded_at",
    "previous_sha256",
]
_FIELDS = {*COLUMNS, *_NOT_IN_VIEW}
BEGIN = (
    b"<!-- stage-ledger:begin (made from audit/stage_ledger.jsonl:"
    b" what is written between these marks is lost) -->"
)
END = b"<!-- stage-ledger:end -->"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COMMENT = re.compile(rb"<!-- stage-ledger:[^\r\n]*")
_HEAD = re.compile(rb"<!-- stage-ledger:last-row sha256=([0-9a-f]{64}|none) -->")
_RULE = re.compile(rb"## Update Rule[ \t]*#*[ \t]*")
_FENCE = re.compile(rb" {0,3}(```|~~~)")
# Rows are never written again in another version: this is the one that `append` writes.
_SCHEMA_VERSION = 1
_RESTORE = "restore it from version control or a backup"

Row = dict[str, Any]


@dataclass
class _Chain:
    """The ledger's file as far as it was read. Everything here follows from its bytes."""

    content: bytes = b""
    digests: list[str] = field(default_factory=list)  # SHA-256 of each line
    rows: list[Row] = field(default_factory=list)  # without the lines that are no row
    errors: list[Invalid] = field(default_factory=list)  # one for each line that is no row
    faults: list[str] = field(default_factory=list)  # all that is wrong, in the order of the lines

    @property
    def last_digest(self) -> str | None:
        """Return the digest of the last row; None when there is none."""
        return self.digests[-1] if self.digests else None

    def add(self, line: bytes, next_line: bytes, thing: str) -> None:
        """Add a line and note what is wrong with it.

        Its schema is checked only where the next line does not prove that it is as it was when it
        was written.
        """
        before = self.last_digest
        digest = _digest(line)
        self.digests.append(digest)
        number = len(self.digests)
        try:
            row = json_files.parse(line, thing).value
            is_sealed = digest.encode() in next_line
            is_whole = isinstance(row, dict) and row.keys() >= _FIELDS
            if not is_sealed or not is_whole:
                json_files.check(row, "stage_ledger", thing)
        except Invalid as error:
            self.errors.append(error)
            self.faults.append(str(error))
            return
        self.rows.append(row)
        stated = row["previous_sha256"]
        if stated != before:
            expected = f"expected {before} as digest of the row before"
            self.faults.append(f"row {number}: {expected}, found {stated}")
        if row["number"] != number:
            expected = f"expected the number {number}"
            self.faults.append(f"row {number}: {expected}, found {row['number']}")


# The ledgers that this process has read: most steps of a closing read the same one. Their bytes are
# compared every time, so what is not as it was is read again, and of a ledger that has grown only
# the new rows.
_chains: dict[Path, _Chain] = {}


def read_rows(root: Path) -> list[Row]:
    """Return every row, oldest first. Raises Invalid for a line that is no row, or half a line."""
    chain = _read_chain(root)
    if chain.errors:
        raise chain.errors[0]
    return [row.copy() for row in chain.rows]


def latest_row(rows: Sequence[Row], run: str) -> Row | None:
    """Return the last row about a run, which is the one that holds; None without one."""
    for row in reversed(rows):
        if row["run"] == run:
            return row
    return None


def evidence_digest(manifest: Row) -> str:
    """Return the SHA-256 (hex) of a manifest: path, size and digest of each file, in any order."""
    files = []
    for file in manifest["files"]:
        files.append([file["path"], file["size"], file["sha256"]])
    return _digest(json_files.encode(sorted(files)))


def append(root: Path, row: Row) -> Row:
    """Add a decision; return it as recorded, with number, time and digest of the row before.

    Raises Invalid for a row that does not fit its schema, and for a ledger whose chain is broken.
    """
    path = locations.workspace_path(root, "stage_ledger")
    chain = _read_chain(root)
    faults = [*chain.faults, *_lost_head(root, chain)]
    if faults:
        raise Invalid(path, "an unbroken chain of rows", faults[0], _RESTORE)
    number = len(chain.digests) + 1
    recorded = {
        **row,
        "schema_version": _SCHEMA_VERSION,
        "number": number,
        "recorded_at": clock.stamp(clock.now()),
        "previous_sha256": chain.last_digest,
    }
    json_files.check(recorded, "stage_ledger", f"{path}:{number}")
    # The whole file is replaced: an append that is interrupted would leave half a line.
    before = chain.content.replace(b"\r\n", b"\n")
    disk.replace(path, before + json_files.encode_line(recorded))
    return recorded


def verify(root: Path) -> list[str]:
    """Return all that is wrong with the rows, the chain, and the view, which may be behind."""
    try:
        chain = _read_chain(root)
        faults = [*chain.faults, *_lost_head(root, chain)]
        head = _view_head(root)
    except Invalid as error:
        return [str(error)]
    view = locations.workspace_path(root, "stage_audit_log").name
    if chain.digests and head is None:
        faults.append(f"{view}: expected the digest of the last row, found no ledger block")
    elif not faults and head not in (None, chain.last_digest):
        faults.append(f"{view}: expected all {len(chain.digests)} rows, found fewer")
    return faults


def publish(root: Path, block: str) -> bool:
    """Write the view between the marks of STAGE_AUDIT_LOG.md; return whether the file changes.

    A document without marks gets the block before its `## Update Rule`, else at its end. What is
    outside of the marks is the user's and keeps every byte. Raises Invalid for damaged marks.
    """
    path = locations.workspace_path(root, "stage_audit_log")
    text = path.read_bytes() if path.exists() else b"# Stage audit log\n"
    last = _read_chain(root).last_digest or "none"
    head = f"<!-- stage-ledger:last-row sha256={last} -->".encode()
    body = block.strip("\n").encode()
    generated = b"\n".join((BEGIN, head, b"", body, b"", END))
    line_end = b"\n"
    if re.match(rb"[^\r\n]*\r\n", text):
        line_end = b"\r\n"
    generated = generated.replace(b"\n", line_end)
    return disk.replace(path, _insert(path, text, generated, line_end))


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
    for offset, line in _outside_fences(text):
        if _RULE.fullmatch(line):
            blank = line_end + line_end
            return text[:offset] + generated + blank + text[offset:]
    if not text.removeprefix(_BYTE_ORDER_MARK):
        return text + generated + line_end
    if not text.endswith(b"\n"):
        text += line_end
    return text + line_end + generated + line_end


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
        raise Invalid(path, expected, ", ".join(present), "repair it by hand")
    begin, end = marks
    return slice(begin.start(), end.end())


def _find_comments(text: bytes) -> Iterator[re.Match[bytes]]:
    """Yield each line that begins as our marks do. A byte order mark is no part of a line."""
    text_start = len(text) - len(text.removeprefix(_BYTE_ORDER_MARK))
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


def _view_head(root: Path) -> str | None:
    """Return the digest of the last row as the view has it; None without a view.

    Raises Invalid for damaged marks.
    """
    path = locations.workspace_path(root, "stage_audit_log")
    text = path.read_bytes() if path.exists() else b""
    block = _find_block(path, text)
    if block is None:
        return None
    heads = []
    for comment in _find_comments(text[block]):
        if head := _HEAD.fullmatch(comment[0]):
            heads.append(head[1].decode())
    if len(heads) != 1:
        raise Invalid(path, "one stage-ledger:last-row line between the marks", f"{len(heads)}")
    if heads[0] == "none":
        return None
    return heads[0]


def _lost_head(root: Path, chain: _Chain) -> list[str]:
    """Return a fault when the last row that the view has is no longer in the ledger."""
    head = _view_head(root)
    if head is None or head in chain.digests:
        return []
    expected = f"expected a row with its digest {head}"
    return [f"last row of the view: {expected}, found it changed or gone"]


def _read_chain(root: Path) -> _Chain:
    """Return the ledger with all its faults. Raises Invalid for half a line at its end."""
    path = locations.workspace_path(root, "stage_ledger")
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        raise Invalid(path, "whole lines", "half a line at the end", _RESTORE)
    chain = _chains.get(path)
    if chain is None or not content.startswith(chain.content):
        chain = _chains[path] = _Chain()
    added = content.removeprefix(chain.content)
    new_lines = added.split(b"\n")[:-1]
    lines = [line.removesuffix(b"\r") for line in new_lines]
    for line, next_line in zip_longest(lines, lines[1:], fillvalue=b""):
        chain.add(line, next_line, f"{path}:{len(chain.digests) + 1}")
    chain.content = content
    return chain


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
