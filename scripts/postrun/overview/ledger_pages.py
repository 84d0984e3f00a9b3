"""What pages show of the ledger, asked of the index: its days, and the decisions of one page.

A ledger only grows, and each line holds the digest of the line before: the digest of a line stands
for all lines up to it. Days are noted beside the ledger's lines, as far as these were there.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postrun.core import disk
from postrun.overview import news
from postrun.store import index, ledger, ledger_index, site_files
from postrun.store.tables import Row, Rows

_EARLIER_DAYS = 10
LISTED = 50  # runs of one table of the first page
_PART = "ledger_days"
# By day and run: the newest rows that decide on it and that audit it; all other rows.
_TABLES = {
    "ledger_days": "day, run, closed, audited, result, PRIMARY KEY (day, run)",
    "ledger_others": "day, number, kind, PRIMARY KEY (day, number)",
}
_DAYS = """
SELECT day FROM ledger_days UNION SELECT day FROM ledger_others ORDER BY day DESC LIMIT ?
"""
_CLOSED = "closed IS NOT NULL ORDER BY closed DESC"
_AUDITED = "closed IS NULL AND audited IS NOT NULL ORDER BY audited DESC"
_COUNTS = """
SELECT count(closed), count(closed IS NULL OR NULL), sum(result = 'pass'), sum(result = 'fail')
FROM ledger_days WHERE day = ?
"""
_NEWEST_AUDIT = "SELECT max(audit) FROM ledger_answers WHERE decision BETWEEN ? AND ?"
_DECISIONS = """
SELECT ledger_runs.run, digest, line FROM ledger_runs JOIN ledger_lines ON number = decision
WHERE ledger_runs.run IN (SELECT value FROM json_each(?))
"""
_UNAUDITED = "SELECT run FROM ledger_runs WHERE audit IS NULL"
_ALL_DECISIONS = "SELECT number FROM ledger_view ORDER BY number"
_DECISIONS_OF_TEAM = f"SELECT number FROM {ledger_index.DECISIONS_IN_ORDER}"
_LINE = "SELECT digest FROM ledger_lines WHERE number = ?"


@dataclass(frozen=True)
class LedgerPage:
    """Some decisions by their numbers, and the digest of the last line that speaks of them."""

    decisions: Sequence[int]
    stamp: str


@dataclass(frozen=True)
class LedgerRows:
    """The ledger of a workspace, to be asked for what pages show. Raises Missing, Invalid."""

    root: Path

    def pages(self) -> list[LedgerPage]:
        """Return the decisions in pages, oldest first; one page without any."""
        approvals = ledger.rows_of_kind(self.root, ledger.APPROVAL)
        answers = [(row["decision_row"], row["number"]) for row in approvals]

        # Of several chains no line stands for all the others.
        heads = ledger.head(self.root), ledger.heads_of_others(self.root)
        of_team = disk.content_digest(repr(heads).encode())

        def find(connection: sqlite3.Connection) -> list[LedgerPage]:
            is_shared = ledger_index.is_shared(connection)
            source = _DECISIONS_OF_TEAM if is_shared else _ALL_DECISIONS
            numbers = [number for (number,) in connection.execute(source)]
            pages = []
            for decisions in site_files.cut(numbers):
                stamp = of_team
                if not is_shared:
                    stamp = _stamp(connection, decisions, answers)
                pages.append(LedgerPage(decisions, stamp))
            return pages

        return ledger.ask(self.root, find)

    def rows(self, page: LedgerPage) -> Rows:
        """Return the decisions of a page, each with its newest audit and its approvals."""

        def find(connection: sqlite3.Connection) -> tuple[Rows, Rows]:
            decisions = []
            audits = []
            for number in page.decisions:
                row = ledger_index.read_line(connection, number)
                decisions.append(row)
                query = "SELECT audit FROM ledger_answers WHERE decision = ? AND audit IS NOT NULL"
                stated = ledger_index.place(ledger_index.chain_of(number), row["number"])
                for (audit,) in connection.execute(query, [stated]):
                    audits.append(ledger_index.read_line(connection, audit))
            return decisions, audits

        decisions, audits = ledger.ask(self.root, find)
        approvals = ledger.rows_of_kind(self.root, ledger.APPROVAL)
        return news.with_answers(decisions, [*audits, *approvals])

    def decisions(self, runs: Iterable[str]) -> dict[str, Row]:
        """Return the decision that holds for each of these runs that has one."""
        names = json.dumps(list(runs))

        def find(connection: sqlite3.Connection) -> dict[str, Row]:
            found = connection.execute(_DECISIONS, [names])
            return {run: ledger_index.read_row(*line) for run, *line in found}

        return ledger.ask(self.root, find)

    def unaudited(self) -> list[str]:
        """Return the runs with a decision that has no audit after it."""
        found = ledger.ask(
            self.root,
            lambda connection: connection.execute(_UNAUDITED).fetchall(),
        )
        return [run for (run,) in found]

    def news(self) -> Row:
        """Return the newest day with what happened, and how much did on the days before."""
        return ledger.ask(self.root, _describe, changes=True)


def _stamp(
    connection: sqlite3.Connection,
    decisions: Sequence[int],
    answers: Iterable[tuple[int, int]],
) -> str:
    """Return the digest of the last line that speaks of some decisions; empty without any."""
    if not decisions:
        return ""
    first, last = decisions[0], decisions[-1]
    ((audit,),) = connection.execute(_NEWEST_AUDIT, [first, last])
    newest = max(last, audit or 0)
    for decision, number in answers:
        if first <= decision <= last:
            newest = max(newest, number)
    (digest,) = connection.execute(_LINE, [newest]).fetchone()
    return str(digest)


def _describe(connection: sqlite3.Connection) -> Row:
    _bring_up_to_date(connection)
    days = connection.execute(_DAYS, [_EARLIER_DAYS + 1]).fetchall()
    if not days:
        return {
            "day": None,
            "closed": [],
            "closed_number": 0,
            "audited": [],
            "audited_number": 0,
            "others": [],
            "earlier": [],
        }
    (newest,), *earlier = days
    counts = _count(connection, newest)
    return {
        "day": newest,
        "closed": _runs(connection, newest, _CLOSED),
        "closed_number": counts["closed"],
        "audited": _runs(connection, newest, _AUDITED),
        "audited_number": counts["audited"],
        "others": _others(connection, newest),
        "earlier": [_count(connection, day) for (day,) in earlier],
    }


def _runs(
    connection: sqlite3.Connection,
    day: str,
    which: str,
) -> list[str]:
    """Return the runs of a day, those with the newest rows first: as many as are listed."""
    query = f"SELECT run FROM ledger_days WHERE day = ? AND {which} LIMIT {LISTED}"
    return [run for (run,) in connection.execute(query, [day])]


def _count(connection: sqlite3.Connection, day: str) -> Row:
    """Return how many runs a day closed, with which results; how many it only audited again."""
    ((closed, audited, passed, failed),) = connection.execute(_COUNTS, [day])
    return {
        "day": day,
        "closed": closed,
        "audited": audited,
        "passed": passed or 0,
        "failed": failed or 0,
    }


def _others(connection: sqlite3.Connection, day: str) -> Rows:
    """Return the rows of a day that are neither decision nor audit, the newest first."""
    query = "SELECT number, kind FROM ledger_others WHERE day = ? ORDER BY number DESC"
    others = []
    for number, kind in connection.execute(query, [day]).fetchall():
        row = ledger_index.read_line(connection, number)
        others.append({**row, "kind": kind})
    return others


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Note the days of the lines that were added; of all of them in another ledger."""
    known, _, digest = index.read_stamp(connection, _PART).partition(" ")
    line = connection.execute(_LINE, [int(known or 0)]).fetchone()
    if line is None or line[0] != digest:
        known = "0"
        for name, columns in _TABLES.items():
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"CREATE TABLE {name} ({columns}) WITHOUT ROWID")
    query = "SELECT number, digest, line FROM ledger_lines WHERE number > ? ORDER BY number"
    stamp = ""
    # The lines of other chains have numbers below zero. What is made of them is made anew.
    first = int(known) or ledger_index.FIRST
    for number, digest, content in connection.execute(query, [first]):
        row = ledger_index.read_row(digest, content)
        _note(connection, row, number)
        stamp = f"{number} {digest}"
    if stamp:
        index.note(connection, _PART, stamp)


def _note(
    connection: sqlite3.Connection,
    row: Row,
    number: int,
) -> None:
    """Note on which day a row was recorded.

    A seal says nothing about a run, and an archive nothing about its result: neither must make the
    pages out of date.
    """
    kind = ledger.kind(row)
    day = row["recorded_at"][:10]
    if kind in (ledger.SEAL, ledger.RETENTION):
        return
    if kind not in (ledger.DECISION, ledger.AUDIT):
        connection.execute(
            "INSERT INTO ledger_others VALUES (?, ?, ?)",
            [day, number, kind],
        )
        return
    run = str(row.get("run", ""))
    if kind == ledger.DECISION:
        values: list[object] = [day, run, number, None, row.get("result")]
        changes = "closed = excluded.closed, result = excluded.result"
    else:
        values = [day, run, None, number, None]
        changes = "audited = excluded.audited"
    statement = "INSERT INTO ledger_days VALUES (?, ?, ?, ?, ?)"
    statement += f" ON CONFLICT (day, run) DO UPDATE SET {changes}"
    connection.execute(statement, values)
