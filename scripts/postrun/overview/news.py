"""What happened to runs: decisions with the answers to them, and which checks fail how often."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from postrun.store import ledger
from postrun.store.table_index import IndexedTable

# In SQL. The newest run that failed a check says its severity and family of today.
_CHECKS = """
SELECT "check", severity, family, number, first, last FROM (
    SELECT "check", count(*) AS number, min(started) AS first, max(started) AS last,
        max(run) AS newest
    FROM {patterns} GROUP BY "check"
) AS counted JOIN {patterns} USING ("check") WHERE run = newest
"""
# One state for each factor; a run without a factor counts by itself. Beside a maximum, SQLite gives
# the values of the row that has it.
_STATES = """
SELECT "check", state, count(*) FROM (
    SELECT "check", state, max(place) FROM {patterns} GROUP BY "check", coalesce(factor, run)
) GROUP BY "check", state ORDER BY "check", state
"""
_MONTHS = """
SELECT "check", substr(started, 1, 7), count(*) FROM {patterns} GROUP BY 1, 2 ORDER BY 1, 2
"""

Row = dict[str, Any]
Rows = list[Row]


def with_answers(
    decisions: Iterable[Row],
    ledger_rows: Iterable[Row],
) -> Rows:
    """Return decisions with the newest answer of their audit, and who approved them."""
    # Chains of several members have the same numbers.
    audits: dict[tuple[str, int], Row] = {}
    approvals: dict[tuple[str, int], Rows] = {}
    for row in ledger_rows:
        if row.get("decision_row") is None:
            continue
        number = row["run"], row["decision_row"]
        kind = ledger.kind(row)
        if kind == ledger.AUDIT:
            audits[number] = row
        elif kind == ledger.APPROVAL:
            approvals.setdefault(number, []).append(row)
    answered = []
    for decision in decisions:
        number = decision["run"], decision["number"]
        row = {
            **decision,
            "audit": audits.get(number),
            "approvals": approvals.get(number, []),
        }
        answered.append(row)
    return answered


def failing(patterns: IndexedTable) -> Rows:
    """Return one line for each check that failed: how it stands, and in which months it did.

    What failed last is first. Raises Invalid.
    """
    lines: dict[str, Row] = {}
    for check, severity, family, runs, first, last in _ask(patterns, _CHECKS):
        lines[check] = {
            "check": check,
            "severity": severity,
            "family": family,
            "runs": runs,
            "first_seen": first,
            "last_seen": last,
            "states": {},
            "months": {},
        }
    for check, state, number in _ask(patterns, _STATES):
        lines[check]["states"][state] = number
    for check, month, number in _ask(patterns, _MONTHS):
        lines[check]["months"][month] = number
    newest_first = itemgetter("last_seen", "check")
    return sorted(lines.values(), key=newest_first, reverse=True)


def _ask(patterns: IndexedTable, query: str) -> list[tuple[Any, ...]]:
    return patterns.ask(query.format(patterns=patterns.name))
