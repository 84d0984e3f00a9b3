"""The door for the stage ledger: an append-only chain of decisions, and its view in a document of the user's.

Each row of `audit/stage_ledger.jsonl` holds the SHA-256 of the line before it (its bytes without the line end; null in
the first row). The last row has no row after it: the view's block holds its digest. So no row can be changed or
taken away without `verify` seeing it. The callers hold the workspace lock.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from postrun.core import clock, disk, locations
from postrun.core.errors import Invalid
from postrun.store import json_files

COLUMNS = (
    "date",
    "stage",
    "decision_tag",
    "owner",
    "objective",
    "command_ref",
    "artifact_ref",
    "result",
    "next_action",
)  # of the view, in the user's order
_OTHERS = (
    "number",
    "run",
    "evidence_sha256",
    "reasons",
    "corrects",
    "recorded_at",
    "previous_sha256",
)
_FIELDS = frozenset((*COLUMNS, *_OTHERS))
BEGIN = b"<!-- stage-ledger:begin (made from audit/stage_ledger.jsonl: what is written between these marks is lost) -->"
END = b"<!-- stage-ledger:end -->"
_HEAD = re.compile(rb"<!-- stage-ledger:last-row sha256=([0-9a-f]{64}|none) -->")
_RULE = re.compile(rb"## Update Rule[ \t]*#*[ \t]*")
_FENCE = re.compile(rb" {0,3}(```|~~~)")
_BOM = b"\xef\xbb\xbf"
_RESTORE = "restore it from version control or a backup"


def rows(root: Path) -> list[dict[str, Any]]:
    """Give every row, oldest first. Raises Invalid for a line that is no row, half a line included."""
    path = locations.workspace_path(root, "stage_ledger")
    lines = _lines(path)
    return [_row(path, lines, index) for index in range(len(lines))]


def latest(rows: Sequence[dict[str, Any]], run: str) -> dict[str, Any] | None:
    """Give the last of these rows that is about a run: the one that holds."""
    return next((row for row in reversed(rows) if row["run"] == run), None)


def evidence_digest(manifest: dict[str, Any]) -> str:
    """Digest the evidence (hex): the path, size and SHA-256 of every file of the manifest, whatever their order."""
    files = sorted([file["path"], file["size"], file["sha256"]] for file in manifest["files"])
    return _digest(json_files.encode(files))


def append(root: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Add a decision; give the row as recorded, with number, time and the digest of the row before. Raises Invalid.

    The whole file is put there anew in one move: an append that is cut off would leave half a line in the truth, and
    the rows have to be read for the chain anyway. A ledger whose chain is broken is not built upon.
    """
    path = locations.workspace_path(root, "stage_ledger")
    lines = _lines(path)
    broken = [*_chain(path, lines), *_unknown_head(root, lines)]
    if broken:
        raise Invalid(path, "an unbroken chain of rows", broken[0], _RESTORE)
    recorded = {
        **row,
        "schema_version": 1,
        "number": len(lines) + 1,
        "recorded_at": clock.stamp(clock.now()),
        "previous_sha256": _digest(lines[-1]) if lines else None,
    }
    json_files.check(recorded, "stage_ledger", f"{path}:{len(lines) + 1}")
    disk.replace(path, b"".join(line + b"\n" for line in lines) + json_files.encode_line(recorded))
    return recorded


def verify(root: Path) -> list[str]:
    """List everything that is wrong with the ledger: its rows, its chain, and its view being behind or gone."""
    path = locations.workspace_path(root, "stage_ledger")
    try:
        lines = _lines(path)
        broken = [*_chain(path, lines), *_unknown_head(root, lines)]
        head = _published(root)
    except Invalid as error:
        return [str(error)]
    view = locations.workspace_path(root, "stage_audit_log").name
    if lines and head is None:
        broken.append(f"{view}: expected the digest of the last row, found no ledger block")
    elif not broken and head not in (None, _last(lines)):
        broken.append(f"{view}: expected all {len(lines)} rows, found fewer")
    return broken


def publish(root: Path, block: str) -> bool:
    """Put the readable view between the marks of STAGE_AUDIT_LOG.md; True when that changes the file. Raises Invalid.

    A document without marks gets the block before its `## Update Rule`, else at its end. What is outside of the marks
    is the user's and keeps every byte.
    """
    path = locations.workspace_path(root, "stage_audit_log")
    text = path.read_bytes() if path.exists() else b"# Stage audit log\n"
    lines = _lines(locations.workspace_path(root, "stage_ledger"))
    head = b"<!-- stage-ledger:last-row sha256=" + (_last(lines) or "none").encode() + b" -->"
    ours = b"\n".join((BEGIN, head, b"", block.strip("\n").encode(), b"", END))
    end = b"\r\n" if re.match(rb"[^\r\n]*\r\n", text) else b"\n"
    return disk.replace(path, _placed(path, text, ours.replace(b"\n", end), end))


def _placed(path: Path, text: bytes, ours: bytes, end: bytes) -> bytes:
    marks = _marks(path, text)
    if marks is not None:
        return text[: marks[0]] + ours + text[marks[1] :]
    rule = next((offset for offset, line in _outside_fences(text) if _RULE.fullmatch(line)), None)
    if rule is not None:
        return text[:rule] + ours + end + end + text[rule:]
    if not text.removeprefix(_BOM):
        return text + ours + end
    gap = end if text.endswith(b"\n") else end + end
    return text + gap + ours + end


def _marks(path: Path, text: bytes) -> tuple[int, int] | None:
    """Find where our block begins and ends; None when there is none. Raises Invalid when that cannot be said."""
    found = [(line, offset) for offset, line in _offsets(text) if line in (BEGIN, END)]
    if not found:
        return None
    if [line for line, _ in found] != [BEGIN, END]:
        seen = ", ".join("begin" if line == BEGIN else "end" for line, _ in found)
        raise Invalid(
            path,
            "one stage-ledger:begin line, then one stage-ledger:end line",
            seen,
            "repair it by hand",
        )
    return found[0][1], found[1][1] + len(END)


def _offsets(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each line without its end, and where it begins; a byte order mark is no part of a line."""
    offset = len(_BOM) if text.startswith(_BOM) else 0
    for line in text[offset:].splitlines(keepends=True):
        yield offset, line.rstrip(b"\r\n")
        offset += len(line)


def _outside_fences(text: bytes) -> Iterator[tuple[int, bytes]]:
    fence = b""
    for offset, line in _offsets(text):
        mark = _FENCE.match(line)
        if mark and fence in (b"", mark[1]):
            fence = b"" if fence else mark[1]
        elif not fence:
            yield offset, line


def _published(root: Path) -> str | None:
    """Read the digest of the last row from the view; None when there is no view. Raises Invalid for damaged marks."""
    path = locations.workspace_path(root, "stage_audit_log")
    text = path.read_bytes() if path.exists() else b""
    marks = _marks(path, text)
    if marks is None:
        return None
    found = [_HEAD.fullmatch(line) for _, line in _offsets(text[slice(*marks)])]
    heads = [head[1].decode() for head in found if head]
    if len(heads) != 1:
        raise Invalid(path, "one stage-ledger:last-row line between the marks", f"{len(heads)}")
    return None if heads[0] == "none" else heads[0]


def _unknown_head(root: Path, lines: list[bytes]) -> list[str]:
    """Say so when the row that was last when the view was made is not in the ledger any more."""
    head = _published(root)
    if head is None or head in map(_digest, lines):
        return []
    return [
        f"last row of the view: expected a row with its digest {head}, found it changed or gone"
    ]


def _chain(path: Path, lines: list[bytes]) -> list[str]:
    broken = []
    for index in range(len(lines)):
        try:
            row = _row(path, lines, index)
        except Invalid as error:
            broken.append(str(error))
            continue
        before = _digest(lines[index - 1]) if index else None
        if row["previous_sha256"] != before:
            broken.append(
                f"row {index + 1}: expected {before} as digest of the row before, found {row['previous_sha256']}"
            )
        if row["number"] != index + 1:
            broken.append(
                f"row {index + 1}: expected the number {index + 1}, found {row['number']}"
            )
    return broken


def _row(path: Path, lines: list[bytes], index: int) -> dict[str, Any]:
    """Read one row. Its schema is checked where nothing proves that the line is as it was checked when written."""
    thing = f"{path}:{index + 1}"
    row = json_files.parse(lines[index], thing)[0]
    sealed = index + 1 < len(lines) and _digest(lines[index]).encode() in lines[index + 1]
    if not sealed or not isinstance(row, dict) or _FIELDS - row.keys():
        json_files.check(row, "stage_ledger", thing)
    found: dict[str, Any] = row
    return found


def _lines(path: Path) -> list[bytes]:
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        raise Invalid(path, "whole lines", "half a line at the end", _RESTORE)
    return [line.removesuffix(b"\r") for line in content.split(b"\n")[:-1]]


def _last(lines: list[bytes]) -> str | None:
    return _digest(lines[-1]) if lines else None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
