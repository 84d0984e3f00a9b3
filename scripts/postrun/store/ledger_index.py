"""The ledger in the index of its workspace: each line, what it says, and what is wrong with it.

All that is said of a ledger is a function of its bytes. The part's stamp is their number and a
digest over those of the lines. Of a ledger that begins with these bytes only the lines after them
are added; of any other, and of one with faults, the part is made again. The file is read only where
it may have changed. `ask` brings the part up to date, and answers in the same transaction.

In a team the lines of the other members' ledgers are in it, too, each chain with numbers of its own
below zero; `ledger_runs` then says for each run what the chain says whose closing counts.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from postrun.core import disk
from postrun.core.errors import Invalid
from postrun.store import chains, index, json_files, known_files
from postrun.store.chains import Closing

Value = TypeVar("Value")
Row = dict[str, Any]

DECISION, AUDIT, CHOICE = "decision", "audit", "choice"
RESTORE = "put it together again: make restore-ledger, or restore it from a backup"
_PART = "ledger"
# What the file system says of the ledger that the stamp is of.
_FACTS = "ledger: facts"
# What the copies of other members' ledgers are.
_OTHERS = "ledger: others"
# A line of another chain has the row's number less a multiple of this: SQL shifts it by _BITS.
_BITS = 40
_CHAIN = 1 << _BITS
FIRST = -(1 << 62)  # below every number
# In SQL: the lines of this root's own chain, and which chain a line is of.
OWN = "number > 0"
CHAIN_OF = f"-(number >> {_BITS})"

# In `ledger_runs` are the numbers of the decision on a run that holds, and of the newest audit
# after it; in `ledger_answers`, of the newest audit that names a decision, and of its correction;
# in `ledger_view`, the line of a decision in the readable view; in its parts, the lines of many. In
# `ledger_closings` is the same as in `ledger_runs` of each other chain, and its first decision; in
# `ledger_open`, the runs of which a person has to choose a closing.
_TABLES = {
    "ledger_lines": "number INTEGER PRIMARY KEY, digest, kind, run, has_return, line",
    "ledger_runs": "run PRIMARY KEY, decision, audit",
    "ledger_answers": "decision INTEGER PRIMARY KEY, audit, corrected_by",
    "ledger_view": "number INTEGER PRIMARY KEY, stated, recorded_at, text",
    "ledger_view_parts": "part INTEGER PRIMARY KEY, text",
    "ledger_faults": "text, is_unreadable, member",
    "ledger_chains": "chain INTEGER PRIMARY KEY, member",
    "ledger_closings": "run, chain, first, decision, audit, PRIMARY KEY (run, chain)",
    "ledger_open": "run PRIMARY KEY",
}
_INDEXES = {
    "ledger_digests": "ledger_lines (digest)",
    "ledger_lines_of_runs": "ledger_lines (run)",
    "ledger_kinds": "ledger_lines (kind)",
    "ledger_returns": "ledger_lines (number) WHERE has_return",
    "ledger_stated": "ledger_view (stated)",
    "ledger_unrendered": "ledger_view (number) WHERE text IS NULL",
}


@dataclass(frozen=True)
class _Reading:
    """What was read of a ledger's file, or written to it."""

    digest: str = ""
    size: int = 0
    # Of the file as it was: whatever is written to it changes them. Empty: perhaps nothing.
    facts: str = ""
    # The line that this process has added, and the stamp of what was there before.
    added: bytes = b""
    former: str = ""

    @property
    def stamp(self) -> str:
        """Return number and digest of the bytes."""
        return f"{self.size} {self.digest}"

    def followed_by(self, line: bytes) -> "_Reading":
        """Return what was read together with one more line."""
        digests = self.digest + disk.content_digest(line)
        digest = disk.content_digest(digests.encode())
        return _Reading(digest, self.size + len(line))


# The last reading of each ledger by this process.
_readings: dict[Path, _Reading] = {}
_READS_WHOLE: ContextVar[bool] = ContextVar("reads_whole", default=False)


def ask(
    root: Path,
    path: Path,
    question: index.Work[Value],
    changes: bool = False,
) -> Value:
    """Return the answer to a question about the ledger in a file; one that changes says so.

    Raises Missing, Invalid for half a line at the end.
    """
    begin = "BEGIN"
    if changes:
        begin = "BEGIN IMMEDIATE"

    def work(connection: sqlite3.Connection) -> Value:
        reading = _read(path, connection)
        others = chains.stamp(root)
        with connection:
            connection.execute(begin)
            is_current = index.is_made_of(connection, _PART, reading.stamp)
            if is_current and index.is_made_of(connection, _OTHERS, others):
                return question(connection)
        with index.changing(connection):
            _forget_others(connection, others)
            _bring_up_to_date(connection, path, root, others)
            return question(connection)

    if not _READS_WHOLE.get():
        return index.use(root, work)
    with index.in_memory():
        return index.use(root, work)


@contextmanager
def read_whole() -> Iterator[None]:
    """Read the ledger itself inside the block, whatever a file of the index says of it."""
    token = _READS_WHOLE.set(True)
    try:
        yield
    finally:
        _READS_WHOLE.reset(token)


def append(root: Path, path: Path, line: bytes) -> None:
    """Write a ledger again with one more line, in one move. Raises Missing."""
    # A checkout by git may have turned its line ends into \r\n; the new row's is \n, so all are.
    if ask(root, path, _has_returns):
        before = disk.read(path)
        disk.replace(path, before.replace(b"\r\n", b"\n") + line)
        return
    before_it = index.use(root, partial(_read, path))
    disk.extend(path, line)
    if disk.writes_nothing():
        return
    _readings[path] = replace(
        before_it.followed_by(line),
        facts=_facts(path),
        added=line,
        former=before_it.stamp,
    )


def read_row(digest: object, line: object) -> Row:
    """Return the row of a line. Raises index.Damaged for a line that is not of this digest."""
    if not isinstance(line, bytes) or disk.content_digest(line) != digest:
        raise index.Damaged("a line of the ledger is not what was written")
    row: Row = json_files.parse(line, "a row of the ledger").value
    return row


def read_line(connection: sqlite3.Connection, number: int) -> Row:
    """Return the row of a number, which must be there."""
    query = "SELECT digest, line FROM ledger_lines WHERE number = ?"
    digest, line = connection.execute(query, [number]).fetchone()
    return read_row(digest, line)


def kind(row: Row) -> str:
    """Return what a row records. Rows of schema version 1 do not say it: they are decisions."""
    return str(row.get("kind", DECISION))


def run_of(row: Row) -> str:
    """Return the run that a row is about. What else a forged row may have names no run."""
    run = row.get("run")
    if isinstance(run, str) and run.isprintable():
        return run
    return ""


def read_stamp(connection: sqlite3.Connection) -> str:
    """Return number and digest of the ledger's bytes, as `ask` has found them."""
    return index.read_stamp(connection, _PART)


def _has_returns(connection: sqlite3.Connection) -> bool:
    cursor = connection.execute("SELECT 1 FROM ledger_lines WHERE has_return LIMIT 1")
    return cursor.fetchone() is not None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Yield the ledger's file; no bytes where there is none. Raises Missing."""
    if not disk.is_present(path):
        yield BytesIO()
        return
    with disk.report_read_errors(path), disk.open_to_read(path) as source:
        yield source


def _facts(source: BinaryIO | Path) -> str:
    """Return what changes with whatever is written to a file; empty when that is not certain."""
    with suppress(OSError):  # what is not there, or only in memory
        place = source if isinstance(source, Path) else source.fileno()
        # To read a smaller one costs less than to ask.
        if os.stat(place).st_size >= known_files.SMALL:  # noqa: PTH116
            return known_files.facts(place)
    return ""


def _read(path: Path, connection: sqlite3.Connection) -> _Reading:
    """Return number and digest of the bytes of a ledger as it is now. Raises Missing."""
    facts = _facts(path)
    known = _readings.get(path)
    if known is not None and facts and known.facts == facts:
        return known
    stamp = index.read_stamp(connection, _PART)
    if facts and index.is_made_of(connection, _FACTS, f"{facts} {stamp}"):
        size, _, digest = stamp.partition(" ")
        reading = _Reading(digest, int(size), facts)
    else:
        with _opened(path) as source:
            reading = _Reading()
            for line in source:
                reading = reading.followed_by(line)
        # Of a file that was written to meanwhile they are others.
        reading = replace(reading, facts=facts)
        if facts and stamp == reading.stamp:
            index.note(connection, _FACTS, f"{facts} {stamp}")
    # What this process has added to it stays known.
    if known is not None and known.stamp == reading.stamp:
        reading = replace(known, facts=facts)
    _readings[path] = reading
    return reading


def _forget_others(connection: sqlite3.Connection, others: str) -> None:
    """Discard what was made of other chains than there are now."""
    if not index.is_made_of(connection, _OTHERS, others):
        connection.execute("DELETE FROM made_of WHERE name LIKE 'ledger%'")


def _bring_up_to_date(
    connection: sqlite3.Connection,
    path: Path,
    root: Path,
    others: str,
) -> None:
    """Add the lines that the part lacks; make it again when it is of other bytes.

    Raises Missing, Invalid.
    """
    made_of = index.read_stamp(connection, _PART)
    reading = _read(path, connection)
    is_next = bool(made_of) and made_of == reading.former and not _has_faults(connection)
    if is_next and not _concerns_others(connection, reading.added):
        _add_lines(connection, [reading.added])
    elif made_of != reading.stamp:
        # What another process has added may be about a run that others closed, too.
        reading = _read_lines(connection, path, "" if others else made_of)
        _readings[path] = reading
        if others:
            _add_others(connection, root)
            index.note(connection, _OTHERS, others)
    index.note(connection, _PART, reading.stamp)
    if reading.facts:
        index.note(connection, _FACTS, f"{reading.facts} {reading.stamp}")


def _read_lines(
    connection: sqlite3.Connection,
    path: Path,
    made_of: str,
) -> _Reading:
    """Add the lines that follow on what the part was made of, else all; return what was read.

    Raises Missing, Invalid.
    """
    with _opened(path) as source:
        facts = _facts(source)
        _check_end(source, path)
        reading = _skip(source, made_of)
        if reading is None or _has_faults(connection):
            _make_tables(connection)
            source.seek(0)
            reading = _Reading()
        read = reading

        def lines() -> Iterator[bytes]:
            nonlocal read
            for line in source:
                read = read.followed_by(line)
                yield line

        _add_lines(connection, lines())
    return replace(read, facts=facts)


def _skip(source: BinaryIO, made_of: str) -> _Reading | None:
    """Return the reading of which a stamp is, with the file behind it; None for other bytes."""
    if not made_of:
        return None
    size, _, _ = made_of.partition(" ")
    reading = _Reading()
    while reading.size < int(size):
        line = source.readline()
        if not line:
            return None
        reading = reading.followed_by(line)
    if reading.stamp == made_of:
        return reading
    return None


def _check_end(source: BinaryIO, path: Path, hint: str = RESTORE) -> None:
    """Raise Invalid for half a line at the end. Leaves the file at its begin."""
    if source.seek(0, os.SEEK_END):
        source.seek(-1, os.SEEK_END)
        if source.read() != b"\n":
            raise Invalid(path, "whole lines", "half a line at the end", hint)
    source.seek(0)


def _make_tables(connection: sqlite3.Connection) -> None:
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(f"CREATE TABLE {name} ({columns})")
    for name, columns in _INDEXES.items():
        connection.execute(f"CREATE INDEX {name} ON {columns}")


def _has_faults(connection: sqlite3.Connection) -> bool:
    cursor = connection.execute("SELECT 1 FROM ledger_faults LIMIT 1")
    return cursor.fetchone() is not None


def _concerns_others(connection: sqlite3.Connection, line: bytes) -> bool:
    """Return whether a new line of the own chain may change which closing of a run counts."""
    if connection.execute("SELECT 1 FROM ledger_closings LIMIT 1").fetchone() is None:
        return False
    row = json_files.try_parse(line, "a row").members
    query = "SELECT 1 FROM ledger_closings WHERE run = ?"
    is_shared = connection.execute(query, [run_of(row)]).fetchone() is not None
    return is_shared or kind(row) == CHOICE


def _add_others(connection: sqlite3.Connection, root: Path) -> None:
    """Add the lines of the other members' ledgers, and find whose closing of each run counts.

    Raises Missing, Invalid.
    """
    own = chains.own_member(root)
    connection.execute("INSERT INTO ledger_chains VALUES (0, ?)", [own])
    for number, (member, path) in enumerate(chains.list_others(root).items(), start=1):
        connection.execute("INSERT INTO ledger_chains VALUES (?, ?)", [number, member])
        with _opened(path) as source:
            _check_end(source, path, chains.PULL)
            _add_lines(connection, source, number)
    connection.execute(_ADD_UNSHARED)
    for (run,) in connection.execute(_SHARED).fetchall():
        _choose_closing(connection, run)


# A run that one member closed is that member's, which needs no more thought.
_ADD_UNSHARED = """
INSERT INTO ledger_runs SELECT run, decision, audit FROM ledger_closings
WHERE run NOT IN (SELECT run FROM ledger_runs) GROUP BY run HAVING count(*) = 1
"""
_SHARED = """
SELECT DISTINCT run FROM ledger_closings LEFT JOIN ledger_runs USING (run)
WHERE ledger_runs.decision IS NOT ledger_closings.decision ORDER BY run
"""


def _choose_closing(connection: sqlite3.Connection, run: str) -> None:
    """Note of a run that several members closed what the chain says whose closing counts."""
    query = f"""
        SELECT 0, min(number), max(number), NULL FROM ledger_lines
        WHERE run = ? AND kind = '{DECISION}' AND {OWN} GROUP BY run
    """
    own = connection.execute(query, [run]).fetchall()
    query = "SELECT chain, first, decision, audit FROM ledger_closings WHERE run = ?"
    others = connection.execute(query, [run]).fetchall()
    closings = {}
    of_members = []
    for chain_number, first, decision, audit in (*own, *others):
        (member,) = connection.execute(_MEMBER_OF, [chain_number]).fetchone()
        row = read_line(connection, decision)
        began = read_line(connection, first)["recorded_at"]
        of_members.append(Closing(member, began, row, _digest_of(connection, decision)))
        closings[member] = chain_number, decision, audit
    owner = chains.find_owner(of_members, _read_choices(connection, run))
    chain_number, decision, audit = closings[owner.member]
    if chain_number:
        statement = "INSERT OR REPLACE INTO ledger_runs VALUES (?, ?, ?)"
        connection.execute(statement, [run, decision, audit])
    if owner.is_open:
        connection.execute("INSERT INTO ledger_open VALUES (?)", [run])


_MEMBER_OF = "SELECT member FROM ledger_chains WHERE chain = ?"


def _digest_of(connection: sqlite3.Connection, number: int) -> str:
    query = "SELECT digest FROM ledger_lines WHERE number = ?"
    return str(connection.execute(query, [number]).fetchone()[0])


def _read_choices(connection: sqlite3.Connection, run: str) -> list[Row]:
    """Return the rows that choose a closing of a run, of all members, the newest first."""
    query = f"""
        SELECT digest, line, member FROM ledger_lines JOIN ledger_chains ON chain = {CHAIN_OF}
        WHERE run = ? AND kind = '{CHOICE}'
    """
    rows = []
    for digest, line, member in connection.execute(query, [run]):
        row = read_row(digest, line)
        rows.append((row["recorded_at"], member, row["number"], row))
    rows.sort(key=itemgetter(0, 1, 2), reverse=True)
    return [row for *_, row in rows]


def _add_lines(
    connection: sqlite3.Connection,
    lines: Iterable[bytes],
    chain_number: int = 0,
) -> None:
    """Add lines that follow on what the part has of their chain."""
    add = _add
    if chain_number:
        add = partial(_add, chain_number=chain_number)
    for line in lines:
        add(connection, line.removesuffix(b"\n"))


def place(chain_number: int, number: int) -> int:
    """Return the number that a row of a chain has in the index."""
    return number - chain_number * _CHAIN


def chain_of(number: int) -> int:
    """Return which chain a line of the index is of; 0 is the own."""
    return -(number >> _BITS)


def is_shared(connection: sqlite3.Connection) -> bool:
    """Return whether there are chains of other members."""
    return connection.execute("SELECT 1 FROM ledger_chains LIMIT 1").fetchone() is not None


# The decisions of all chains in an order that does not depend on who pulled when.
DECISIONS_IN_ORDER = f"""
ledger_view JOIN ledger_chains ON chain = {CHAIN_OF} ORDER BY recorded_at, member, number
"""


def number_in_chain(number: int) -> int:
    """Return the number that a line of the index has in its own chain."""
    return number % _CHAIN


def _add(
    connection: sqlite3.Connection,
    whole_line: bytes,
    chain_number: int = 0,
) -> None:
    """Add one line, and note what is wrong with it."""
    start = place(chain_number, 0)
    last = connection.execute(_LAST_LINE, [start, start + _CHAIN]).fetchone()
    before, digest_before = last or (start, None)
    stored = before + 1
    number = stored - start
    line = whole_line.removesuffix(b"\r")
    digest = disk.content_digest(line)
    row: Row | None = None
    problem = ""
    try:
        row = json_files.parse(line, f":{number}", "stage_ledger").value
    except Invalid as error:
        # It begins with the line's number; the file's path comes before it.
        problem = str(error)
    # Of another's copy nothing is ever written again.
    has_return = line != whole_line and not chain_number
    values: list[Any] = [stored, digest, None, None, has_return, line]
    if row is not None:
        values[2:4] = kind(row), run_of(row)
    connection.execute("INSERT INTO ledger_lines VALUES (?, ?, ?, ?, ?, ?)", values)
    if row is None:
        _note_fault(connection, problem, chain_number, is_unreadable=True)
        return
    _note(connection, row, stored, chain_number)
    stated = row["previous_sha256"]
    if stated != digest_before:
        expected = f"expected {digest_before} as digest of the row before"
        problem = f"row {number}: {expected}, found {stated}"
        _note_fault(connection, problem, chain_number)
    if row["number"] != number:
        expected = f"expected the number {number}"
        problem = f"row {number}: {expected}, found {row['number']}"
        _note_fault(connection, problem, chain_number)


_LAST_LINE = """
SELECT number, digest FROM ledger_lines WHERE number > ? AND number < ?
ORDER BY number DESC LIMIT 1
"""


def _note_fault(
    connection: sqlite3.Connection,
    problem: str,
    chain_number: int,
    is_unreadable: bool = False,
) -> None:
    member = ""
    if chain_number:
        (member,) = connection.execute(_MEMBER_OF, [chain_number]).fetchone()
    statement = "INSERT INTO ledger_faults VALUES (?, ?, ?)"
    connection.execute(statement, [problem, is_unreadable, member])


def _note(
    connection: sqlite3.Connection,
    row: Row,
    number: int,
    chain_number: int,
) -> None:
    """Note what a decision or an audit says of its run, and of a decision."""
    if kind(row) not in (DECISION, AUDIT):
        return
    _note_run(connection, row, number, chain_number)
    if kind(row) == AUDIT:
        _answer(connection, row.get("decision_row"), "audit", number, chain_number)
        return
    stated = _number(row["number"], chain_number)
    values = [number, stated, row["recorded_at"]]
    connection.execute("INSERT INTO ledger_view VALUES (?, ?, ?, NULL)", values)
    _answer(connection, row.get("corrects"), "corrected_by", stated, chain_number)


# By table: the statements of a decision, and of an audit.
_OF_RUN = {
    DECISION: """
        INSERT INTO ledger_runs VALUES (?, ?, NULL)
        ON CONFLICT (run) DO UPDATE SET decision = excluded.decision, audit = NULL
    """,
    AUDIT: """
        INSERT INTO ledger_runs VALUES (?, NULL, ?)
        ON CONFLICT (run) DO UPDATE SET audit = excluded.audit
    """,
}
_OF_CLOSING = {
    DECISION: """
        INSERT INTO ledger_closings (run, decision, chain, first) VALUES (?1, ?2, ?3, ?2)
        ON CONFLICT (run, chain) DO UPDATE SET decision = excluded.decision, audit = NULL
    """,
    AUDIT: "UPDATE ledger_closings SET audit = ?2 WHERE run = ?1 AND chain = ?3",
}


def _note_run(
    connection: sqlite3.Connection,
    row: Row,
    number: int,
    chain_number: int,
) -> None:
    """Note the newest decision on a run, or its newest audit, in the place of its chain."""
    values: list[object] = [run_of(row), number]
    statement = _OF_RUN[kind(row)]
    if chain_number:
        statement = _OF_CLOSING[kind(row)]
        values.append(chain_number)
    connection.execute(statement, values)


def _answer(
    connection: sqlite3.Connection,
    decision: Any,
    column: str,
    number: int | None,
    chain_number: int,
) -> None:
    """Note the row that audits or corrects a decision: its line in the view is another now."""
    decision = _number(decision, chain_number)
    if decision is None:
        return
    statement = f"INSERT INTO ledger_answers (decision, {column}) VALUES (?, ?)"
    statement += f" ON CONFLICT (decision) DO UPDATE SET {column} = excluded.{column}"
    connection.execute(statement, [decision, number])
    connection.execute("UPDATE ledger_view SET text = NULL WHERE stated = ?", [decision])


def _number(value: Any, chain_number: int) -> int | None:
    """Return the place of a row's number. What else a forged row may have names none."""
    if isinstance(value, int) and 0 < value < _CHAIN:
        return place(chain_number, value)
    return None
