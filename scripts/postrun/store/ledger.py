"""Read and write the stage ledger: an append-only chain of rows, and the marks of its view.

Each row of `audit/stage_ledger.jsonl` holds the SHA-256 of the line before it (its bytes without
the line end; null in the first row). The last row has no row after it: its digest is written into
the view. So `verify` finds every row that was changed or removed. A row is a decision, the answer
of an audit, an approval, a seal, the settlement of a failure: why nobody needs to repair it, or
retention: files of a run were archived, or restored. A decision is corrected by a later one about
the same run: its `corrects` is the number of the row that it replaces. The callers hold the
workspace lock.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from postrun.core import clock, disk, locations, terminal, version
from postrun.core.errors import Invalid, PostRunError, Usage
from postrun.store import chains, index, json_files, ledger_index, signing_keys
from postrun.store.ledger_index import OWN, Row

Value = TypeVar("Value")

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
DECISION, AUDIT = ledger_index.DECISION, ledger_index.AUDIT
APPROVAL, SEAL = "approval", "seal"
SETTLEMENT = "settlement"
RETENTION = "retention"
CHOICE = ledger_index.CHOICE
# Of these a closing record holds the lines: no signed file tells them again.
HELD_BY_RECORDS = (DECISION, AUDIT, SETTLEMENT, RETENTION)
BEGIN = (
    b"<!-- stage-ledger:begin (made from audit/stage_ledger.jsonl:"
    b" what is written between these marks is lost) -->"
)
END = b"<!-- stage-ledger:end -->"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MARK = b"<!-- stage-ledger:"
_COMMENT = re.compile(_MARK + rb"[^\r\n]*")
_NO_ROW = "none"  # in the view of a ledger without rows
_LAST_ROW = re.compile(rb"<!-- stage-ledger:last-row sha256=([0-9a-f]{64}|none) -->")
_UPDATE_RULE = re.compile(rb"## Update Rule[ \t]*#*[ \t]*")
_SEPARATORS = re.compile(r"[ -]+")
_FENCE = re.compile(rb" {0,3}(```|~~~)")
# Rows are never written again in another version: this is the one that `append` writes.
_SCHEMA_VERSION = 2
RESTORE = ledger_index.RESTORE
_DELETE_BLOCK = "delete the block with its marks; the next closing writes it again"

kind = ledger_index.kind


def read_rows(root: Path) -> list[Row]:
    """Return every row of the own chain, oldest first.

    Raises Invalid for a line that cannot be read as a row.
    """
    return _rows(root, f"WHERE {OWN} ORDER BY number")


def _rows(
    root: Path,
    condition: str,
    *values: object,
) -> list[Row]:
    """Return the rows of the lines that SQL finds.

    Raises Invalid when any line of the ledger cannot be read as a row.
    """
    query = f"SELECT digest, line FROM ledger_lines {condition}"

    def find(connection: sqlite3.Connection) -> list[Row]:
        _check_lines(connection, root)
        lines = connection.execute(query, values)
        return [ledger_index.read_row(*columns) for columns in lines]

    return ask(root, find)


def _check_lines(connection: sqlite3.Connection, root: Path) -> None:
    """Raise Invalid for a line that cannot be read as a row."""
    query = "SELECT text, member FROM ledger_faults WHERE is_unreadable LIMIT 1"
    fault = connection.execute(query).fetchone()
    if fault is not None:
        text, member = fault
        path, hint = _path(root), RESTORE
        if member:
            path, hint = chains.path_of(root, member), chains.PULL
        raise Invalid(path, "whole rows", f"{path}{text}", hint)


def ask(
    root: Path,
    question: index.Work[Value],
    changes: bool = False,
) -> Value:
    """Return the answer to a question about the ledger's part of the index. Raises Invalid."""
    return ledger_index.ask(
        root,
        _path(root),
        question,
        changes,
    )


def decision(root: Path, run: str) -> Row | None:
    """Return the decision on a run that holds, its last; None without one."""
    return _row_that_holds(root, "decision", run)


def _row_that_holds(root: Path, column: str, run: str) -> Row | None:
    condition = f"WHERE number = (SELECT {column} FROM ledger_runs WHERE run = ?)"
    rows = _rows(root, condition, run)
    if rows:
        return rows[0]
    return None


def decisions(root: Path, runs: Iterable[str] | None = None) -> dict[str, Row]:
    """Return the decision that holds for each run that has one; of all runs, or of these."""
    rows = []
    if runs is None:
        condition = "JOIN ledger_runs ON number = decision ORDER BY ledger_runs.rowid"
        rows = _rows(root, condition)
    else:
        for run in runs:
            row = decision(root, run)
            if row is not None:
                rows.append(row)
    return {ledger_index.run_of(row): row for row in rows}


def decided_runs(root: Path) -> set[str]:
    """Return the runs with a decision."""
    return _runs_with(root, "decision")


def _runs_with(root: Path, column: str) -> set[str]:
    def find(connection: sqlite3.Connection) -> set[str]:
        _check_lines(connection, root)
        query = f"SELECT run FROM ledger_runs WHERE {column} IS NOT NULL"
        return {run for (run,) in connection.execute(query)}

    return ask(root, find)


def audit(root: Path, run: str) -> Row | None:
    """Return the newest audit row of the decision that holds; None without one."""
    return _row_that_holds(root, "audit", run)


def audited_runs(root: Path) -> set[str]:
    """Return the runs with an audit row of the decision that holds."""
    return _runs_with(root, "audit")


def rows_of(root: Path, run: str) -> list[Row]:
    """Return every row about a run, oldest first."""
    return _rows(root, f"WHERE run = ? {_of_owners(root)} ORDER BY number", run)


def rows_of_kind(root: Path, kind: str) -> list[Row]:
    """Return every row that records one thing, oldest first. The seals of others are not here."""
    if kind == SEAL:
        return _rows(root, f"WHERE kind = ? AND {OWN} ORDER BY number", kind)
    rows = _rows(root, f"WHERE kind = ? {_of_owners(root)} ORDER BY number", kind)
    if chains.list_others(root):
        # In the same order in every root of the team.
        rows.sort(key=itemgetter("recorded_at", "run", "number"))
    return rows


def _of_owners(root: Path) -> str:
    """Return in SQL: only lines of the chain whose closing of their run counts."""
    if not chains.list_others(root):
        return ""
    owner = """
        (SELECT decision >> 40 FROM ledger_runs WHERE ledger_runs.run = ledger_lines.run)
    """
    return f"AND number >> 40 = ifnull({owner}, 0)"


def owner(root: Path, run: str) -> str:
    """Return the other member whose closing of a run counts; empty when it is this root's."""
    if not chains.list_others(root):
        return ""
    query = """
        SELECT member FROM ledger_runs JOIN ledger_chains ON chain = -(decision >> 40)
        WHERE run = ? AND decision < 0
    """
    found = ask(root, lambda connection: connection.execute(query, [run]).fetchone())
    return str(found[0]) if found else ""


def open_runs(root: Path) -> list[str]:
    """Return the runs that members closed differently, until a person chooses, in order."""
    query = "SELECT run FROM ledger_open ORDER BY run"
    return [run for (run,) in ask(root, lambda connection: connection.execute(query).fetchall())]


def decisions_by_member(root: Path, run: str) -> dict[str, Row]:
    """Return the decision on a run that each member's chain holds last; "" is this root."""
    own = _rows(root, f"WHERE run = ? AND kind = '{DECISION}' AND {OWN} ORDER BY number", run)
    decisions = {"": own[-1]} if own else {}
    query = """
        SELECT member, digest, line FROM ledger_closings JOIN ledger_chains USING (chain)
        JOIN ledger_lines ON number = decision WHERE ledger_closings.run = ?
    """
    for member, *line in ask(root, lambda asked: asked.execute(query, [run]).fetchall()):
        decisions[member] = ledger_index.read_row(*line)
    return decisions


def check_own(root: Path, run: str) -> None:
    """Raise Usage for a run that another member closed: only that member changes it."""
    member = owner(root, run)
    if member:
        expected = "a run that this root closed"
        hint = f"only {member} can close, approve, settle or archive it; then pull"
        raise Usage(f"run {run}", expected, f"one that {member} closed", hint)


def settlements(root: Path) -> list[Row]:
    """Return every settlement of a failure, oldest first."""
    return rows_of_kind(root, SETTLEMENT)


def head(root: Path) -> tuple[int, str | None]:
    """Return the number of rows of the own chain, and the digest of the last; None without rows."""
    query = f"SELECT number, digest FROM ledger_lines WHERE {OWN} ORDER BY number DESC LIMIT 1"
    last: tuple[int, str] | None = ask(
        root,
        lambda connection: connection.execute(query).fetchone(),
    )
    return last or (0, None)


def stamp(root: Path) -> str:
    """Return what changes with the bytes of the ledger, and of the other chains."""
    own = ask(root, ledger_index.read_stamp)
    others = chains.stamp(root)
    return f"{own}; {others}" if others else own


def has_row(root: Path, number: int, digest: str | None) -> bool:
    """Return whether the row of this number has this digest, in the own chain or another."""
    if has_own_row(root, number, digest):
        return True
    query = "SELECT number FROM ledger_lines WHERE digest = ?"
    found = ask(root, lambda connection: connection.execute(query, [digest]).fetchall())
    return any(ledger_index.number_in_chain(place) == number for (place,) in found)


def has_own_row(
    root: Path,
    number: int,
    digest: str | None,
) -> bool:
    """Return whether the row of this number in the own chain has this digest.

    Every ledger has row 0.
    """
    if number == 0:
        return True
    query = "SELECT 1 FROM ledger_lines WHERE number = ? AND digest = ?"
    return _finds(root, query, number, digest)


def heads_of_others(root: Path) -> dict[str, tuple[int, str]]:
    """Return the number of rows of each other chain and the digest of the last, by member."""
    query = """
        SELECT member, max(number), digest FROM ledger_lines JOIN ledger_chains
        ON chain = -(number >> 40) WHERE number < 0 GROUP BY chain
    """
    heads = {}
    for member, number, digest in ask(root, lambda asked: asked.execute(query).fetchall()):
        heads[member] = ledger_index.number_in_chain(number), digest
    return heads


def has_row_of(
    root: Path,
    member: str,
    number: int,
    digest: str,
) -> bool:
    """Return whether a row of another member's chain has this digest."""
    query = """
        SELECT 1 FROM ledger_lines JOIN ledger_chains ON chain = -(number >> 40)
        WHERE member = ? AND digest = ? AND number = ? - (chain << 40)
    """
    return _finds(root, query, member, digest, number)


def _finds(
    root: Path,
    query: str,
    *values: object,
) -> bool:
    def find(connection: sqlite3.Connection) -> bool:
        return connection.execute(query, values).fetchone() is not None

    return ask(root, find)


def row_digest(row: Row) -> str:
    """Return the digest of a row, as the row after it holds it."""
    line = line_of(row)
    return disk.content_digest(line)


def line_of(row: Row) -> bytes:
    """Return a row as it stands in the ledger, without the line end."""
    line = json_files.encode_line(row)
    return line.removesuffix(b"\n")


def evidence_digest(manifest: Row) -> str:
    """Return the SHA-256 (hex) of a manifest: path, size and digest of each file, in any order."""
    files = []
    for file in manifest["files"]:
        facts = [file["path"], file["size"], file["sha256"]]
        files.append(facts)
    content = json_files.encode(sorted(files))
    return disk.content_digest(content)


def check_rows(root: Path) -> None:
    """Raise Invalid when any line of the ledger cannot be read as a row."""
    ask(root, partial(_check_lines, root=root))


def check(root: Path) -> None:
    """Raise Invalid for a ledger with faults, to which no row can be added."""
    of_chain = _faults_of_chain(root)
    faults = of_chain + _faults_of_view(root, last_row_in_view(root))
    if faults:
        expected = "an unbroken chain of rows"
        hint = RESTORE
        if not of_chain:
            hint += "; where only the view was edited, delete the block with its marks"
        raise Invalid(_path(root), expected, faults[0], hint)


def append(
    root: Path,
    row: Row,
    recorded_at: str | None = None,
) -> Row:
    """Add a row; return it with number, time (now when none is given), and the digest before it.

    Raises Invalid for a row that does not fit its schema, and for a ledger with faults; Usage for
    one about a run that another member closed.
    """
    check(root)
    if kind(row) != CHOICE:
        check_own(root, ledger_index.run_of(row))
    path = _path(root)
    count, last_digest = head(root)
    number = count + 1
    recorded = {
        "program_version": version.program_version(),
        "writer": signing_keys.configured_fingerprint(),
        # The row of a signed file says both: it follows from that file.
        **row,
        "schema_version": _SCHEMA_VERSION,
        "number": number,
        "recorded_at": recorded_at or clock.stamp(clock.now()),
        "previous_sha256": last_digest,
    }
    json_files.check(recorded, "stage_ledger", f"{path}:{number}")
    # The whole file is replaced: an append that is interrupted would leave half a line.
    line = json_files.encode_line(recorded)
    ledger_index.append(root, path, line)
    return recorded


def faults(root: Path) -> list[str]:
    """Return all that is wrong with the rows and the chain; the view may be behind."""
    try:
        return _faults_of_chain(root) + _faults_of_view(root, last_row_in_view(root))
    except PostRunError as error:
        return [str(error)]


def verify(root: Path) -> list[str]:
    """Return all that is wrong with the rows, the chain, and the view, which may be behind."""
    try:
        faults = _faults_of_chain(root)
        count, last_digest = head(root)
        last_row = last_row_in_view(root)
        faults += _faults_of_view(root, last_row)
    except PostRunError as error:
        return [str(error)]
    view = _view_path(root).name
    if count and last_row is None:
        faults.append(f"{view}: expected the digest of the last row, found no ledger block")
    elif count and last_row != last_digest and not faults:
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
    _, digest = head(root)
    last_row = f"<!-- stage-ledger:last-row sha256={digest or _NO_ROW} -->".encode()
    body = block.strip("\n").encode()
    # Each copy of a view of ten thousand runs takes its time.
    generated = [BEGIN, b"\n", last_row, b"\n\n", body, b"\n\n", END]
    line_end = b"\n"
    if re.match(rb"[^\r\n]*\r\n", text):
        line_end = b"\r\n"
        generated = [part.replace(b"\n", line_end) for part in generated]
    before, after = _place(path, text, line_end)
    document = b"".join((before, *generated, after))
    return disk.replace(path, document)


def _place(
    path: Path,
    text: bytes,
    line_end: bytes,
) -> tuple[bytes, bytes]:
    """Return what of the user's document comes before our block, and what after it."""
    block = _find_block(path, _find_comments(text))
    if block is not None:
        return text[: block.start], text[block.stop :]
    table_end = _end_of_table(text)
    if table_end is not None:
        before = text[:table_end]
        after = text[table_end:]
        if after:
            return before + line_end, line_end + after
    for offset, line in _outside_fences(text):
        if _UPDATE_RULE.fullmatch(line) and table_end is None:
            before = text[:offset]
            after = text[offset:]
            return before, line_end + line_end + after
    if not text.removeprefix(_BYTE_ORDER_MARK):
        return text, line_end
    if not text.endswith(b"\n"):
        text += line_end
    return text + line_end, line_end


def has_table(root: Path) -> bool:
    """Return whether the user's document has a table of decisions of its own. Raises Missing."""
    text = _read_view(root) or b""
    block = _find_block(_view_path(root), _find_comments(text))
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


def _find_block(path: Path, comments: Iterable[re.Match[bytes]]) -> slice | None:
    """Return where our block is; None when there is none. Raises Invalid for any other marks."""
    names = {BEGIN: "begin", END: "end"}
    marks = []
    present = []
    for comment in comments:
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
    # In a large document, a plain search finds the few marks many times faster than a pattern.
    offset = text.find(_MARK)
    while offset >= 0:
        comment = _COMMENT.match(text, offset)
        byte_before = text[offset - 1 : offset]
        if comment and (offset == text_start or byte_before in (b"\r", b"\n")):
            yield comment
        offset = text.find(_MARK, offset + len(_MARK))


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
    comments = list(_find_comments(text))
    block = _find_block(path, comments)
    if block is None:
        return None
    digests = []
    for comment in comments:
        if not block.start <= comment.start() < block.stop:
            continue
        last_row = _LAST_ROW.fullmatch(comment[0])
        if last_row:
            digest = last_row[1].decode()
            digests.append(digest)
    if len(digests) != 1:
        expected = "one stage-ledger:last-row line between the marks"
        raise Invalid(path, expected, f"{len(digests)}", _DELETE_BLOCK)
    return digests[0]


def faults_of_others(root: Path) -> dict[str, list[str]]:
    """Return all that is wrong with the other chains, by member."""
    of_members: dict[str, list[str]] = {member: [] for member in chains.list_others(root)}
    if of_members:
        for member, text in ask(root, _read_faults):
            if member:
                of_members[member].append(text)
    return of_members


def _faults_of_chain(root: Path) -> list[str]:
    path = _path(root)
    faults = []
    for member, text in ask(root, _read_faults):
        file = chains.path_of(root, member) if member else path
        if text.startswith(":"):
            faults.append(f"{file}{text}")
        else:
            faults.append(f"{file}: {text}" if member else text)
    return faults


def _read_faults(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    query = "SELECT member, text FROM ledger_faults ORDER BY rowid"
    return connection.execute(query).fetchall()


def _faults_of_view(root: Path, digest: str | None) -> list[str]:
    """Return that the chain lacks the last row that the view shows, given by its digest."""
    query = "SELECT 1 FROM ledger_lines WHERE digest = ?"
    if digest in (None, _NO_ROW) or _finds(root, query, digest):
        return []
    expected = f"expected a row with its digest {digest}"
    return [f"last row of the view: {expected}, found it changed or gone"]


def _path(root: Path) -> Path:
    return locations.workspace_path(root, "stage_ledger")


def _view_path(root: Path) -> Path:
    return locations.workspace_path(root, "stage_audit_log")
