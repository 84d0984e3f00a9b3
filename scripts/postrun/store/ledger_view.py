"""The readable view of the ledger: one line a decision with its audit; what was settled below.

In a team it has the decisions of all members, by time, member and number: the same in every root.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from postrun.core import disk, version
from postrun.store import index, ledger, ledger_index, next_action, page_files
from postrun.store.ledger_index import Row

# The user's own columns, and then what the audit said.
COLUMNS = [*ledger.COLUMNS, "audit"]
_TEMPLATE = "stage_audit_log.md"
_PART = "ledger_view"
_PART_ROWS = 512
_CHANGED = """
SELECT number, audit, corrected_by
FROM ledger_view LEFT JOIN ledger_answers ON decision = stated
WHERE text IS NULL
ORDER BY number
"""
# The line below the heads of the columns: what decisions are listed in comes after it.
_RULE = "|" + "---|" * len(COLUMNS) + "\n"


def publish(root: Path) -> None:
    """Write the view into STAGE_AUDIT_LOG.md. It is a function of the ledger alone.

    Raises Missing, Invalid.
    """
    # Who computes many runs again compares the view once.
    if not disk.is_captured():
        ledger.publish(root, render(root))


def render(root: Path) -> str:
    """Return the table of decisions as it stands between the marks."""
    settlements = ledger.settlements(root)
    has_table = ledger.has_table(root)
    page = _page(settlements=settlements, heading=not has_table)
    before, rule, after = page.partition(_RULE)
    lines = ledger.ask(root, _render_lines, changes=True)
    return "".join((before, rule, *lines, after))


def _page(
    rows: Sequence[Row] = (),
    audits: Mapping[int, bool] | None = None,
    next_actions: Mapping[int, str] | None = None,
    settlements: Sequence[Row] = (),
    heading: bool = False,
) -> str:
    return page_files.page(
        _TEMPLATE,
        heading=heading,
        columns=COLUMNS,
        rows=rows,
        audits=audits or {},
        settlements=settlements,
        next_actions=next_actions,
    )


def _render_lines(connection: sqlite3.Connection) -> list[str]:
    """Return the lines of all decisions, many in one text.

    The index keeps them: only those are rendered whose row, audit or correction is new.
    """
    stamp = _program()
    if not index.is_made_of(connection, _PART, stamp):
        connection.execute("UPDATE ledger_view SET text = NULL")
        index.note(connection, _PART, stamp)
    changed = connection.execute(_CHANGED).fetchall()
    if changed:
        numbers = [number for number, *_ in changed]
        texts: list[str] = []
        # Rows of several chains have the same numbers.
        for _, of_chain in groupby(changed, key=_chain_of):
            texts += _render_changed(connection, list(of_chain))
        rendered = zip(texts, numbers, strict=True)
        connection.executemany("UPDATE ledger_view SET text = ? WHERE number = ?", rendered)
        for part in {number // _PART_ROWS for number in numbers}:
            _join_part(connection, part)
    if ledger_index.is_shared(connection):
        return _texts(connection, f"SELECT text FROM {ledger_index.DECISIONS_IN_ORDER}")
    return _texts(connection, "SELECT text FROM ledger_view_parts ORDER BY part")


def _chain_of(changed: tuple[int, int | None, int | None]) -> int:
    return ledger_index.chain_of(changed[0])


def _join_part(
    connection: sqlite3.Connection,
    part: int,
) -> None:
    """Join the lines of some decisions: to read them one by one would take longer."""
    first = part * _PART_ROWS
    lines = _texts(
        connection,
        "SELECT text FROM ledger_view WHERE number >= ? AND number < ? ORDER BY number",
        first,
        first + _PART_ROWS,
    )
    statement = "INSERT OR REPLACE INTO ledger_view_parts VALUES (?, ?)"
    connection.execute(statement, [part, "".join(lines)])


def _texts(
    connection: sqlite3.Connection,
    query: str,
    *values: object,
) -> list[str]:
    """Return the texts that SQL finds."""
    return [text for (text,) in connection.execute(query, values)]


def _render_changed(
    connection: sqlite3.Connection,
    changed: Sequence[tuple[int, int | None, int | None]],
) -> list[str]:
    """Return the lines of decisions, given by their numbers, those of audit and correction."""
    rows = []
    audits = {}
    # A row says what was next before its audit. The view says what is next now.
    next_actions = {}
    for line_number, audit, corrected_by in changed:
        row = ledger_index.read_line(connection, line_number)
        rows.append(row)
        number = row["number"]
        if audit is not None:
            audits[number] = ledger_index.read_line(connection, audit)["passed"]
        words = next_action.after(row, audits.get(number))
        if corrected_by is not None:
            number_in_chain = ledger_index.number_in_chain(corrected_by)
            words = f"none: row {number_in_chain} corrects this one"
        next_actions[number] = words
    page = _page(rows, audits, next_actions)
    _, _, lines = page.partition(_RULE)
    # No value of a row breaks a line.
    return [f"{line}\n" for line in lines.split("\n")[:-1]]


def _program() -> str:
    """Return what a line is rendered with: this program, and the template."""
    program = version.program_version()
    if version.is_dirty(program):
        # Nobody knows with which changes another process has rendered.
        program += f" {os.getpid()}"
    return f"{program} {page_files.template_digest(_TEMPLATE)}"
