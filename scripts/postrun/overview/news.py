"""The news: what the ledger holds of its newest day, and what waits for whom. Pure functions."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from postrun.store import ledger

_EARLIER_DAYS = 10

Row = dict[str, Any]
Rows = list[Row]


def by_day(ledger_rows: Iterable[Row]) -> dict[str, Rows]:
    """Return the rows of each day (UTC), the newest day first, each in the ledger's order."""
    days: dict[str, Rows] = {}
    for row in ledger_rows:
        day = row["recorded_at"][:10]
        days.setdefault(day, []).append(row)
    newest_first = sorted(days, reverse=True)
    return {day: days[day] for day in newest_first}


def describe(ledger_rows: Iterable[Row]) -> Row:
    """Return the newest day with what happened, and how much did on the days before."""
    days = by_day(ledger_rows)
    if not days:
        return {
            "day": None,
            "closed": [],
            "audited": [],
            "others": [],
            "earlier": [],
        }
    newest, *earlier = days
    rows = days[newest]
    closed = _runs_of(rows, ledger.DECISION)
    audited = []
    for run in _runs_of(rows, ledger.AUDIT):
        if run not in closed:
            audited.append(run)
    others = []
    for row in reversed(rows):
        kind = ledger.kind(row)
        if kind not in (ledger.DECISION, ledger.AUDIT):
            others.append({**row, "kind": kind})
    return {
        "day": newest,
        "closed": closed,
        "audited": audited,
        "others": others,
        "earlier": [_count(day, days[day]) for day in earlier[:_EARLIER_DAYS]],
    }


def _runs_of(rows: Rows, kind: str) -> list[str]:
    """Return the runs that rows of a kind are about, each once, the newest row first."""
    runs: dict[str, None] = {}
    for row in reversed(rows):
        if ledger.kind(row) == kind:
            runs[row["run"]] = None
    return list(runs)


def _count(day: str, rows: Rows) -> Row:
    """Return how many runs a day closed, and how many of them with which result."""
    results = {}
    for row in rows:
        if ledger.kind(row) == ledger.DECISION:
            results[row["run"]] = row["result"]
    values = list(results.values())
    return {
        "day": day,
        "closed": len(values),
        "passed": values.count("pass"),
        "failed": values.count("fail"),
    }


def with_answers(
    decisions: Iterable[Row],
    ledger_rows: Iterable[Row],
) -> Rows:
    """Return decisions with the newest answer of their audit, and who approved them."""
    audits: dict[int, Row] = {}
    approvals: dict[int, Rows] = {}
    for row in ledger_rows:
        number = row.get("decision_row")
        if number is None:
            continue
        kind = ledger.kind(row)
        if kind == ledger.AUDIT:
            audits[number] = row
        elif kind == ledger.APPROVAL:
            approvals.setdefault(number, []).append(row)
    answered = []
    for decision in decisions:
        number = decision["number"]
        row = {
            **decision,
            "audit": audits.get(number),
            "approvals": approvals.get(number, []),
        }
        answered.append(row)
    return answered


def used_by(decisions: Iterable[Row], ledger_rows: Iterable[Row]) -> Rows:
    """Return the rows of the ledger that a page on these decisions shows."""
    numbers = {row["number"] for row in decisions}
    used = []
    for row in ledger_rows:
        if row["number"] in numbers or row.get("decision_row") in numbers:
            used.append(row)
    return used


def failing(patterns: Iterable[Mapping[str, Any]]) -> Rows:
    """Return one line for each check that failed: how it stands, and in which months it did.

    What failed last is first.
    """
    by_check: dict[str, Rows] = {}
    for row in patterns:
        of_check = by_check.setdefault(row["check"], [])
        of_check.append(dict(row))
    lines = list(map(_describe_check, by_check.values()))
    newest_first = itemgetter("last_seen", "check")
    return sorted(lines, key=newest_first, reverse=True)


def _describe_check(rows: Rows) -> Row:
    newest = max(rows, key=itemgetter("run"))
    times = [row["started"] for row in rows]
    months: dict[str, int] = {}
    states = {}
    for row in rows:
        month = row["started"][:7]
        months[month] = months.get(month, 0) + 1
        # One state for each factor; a run without a factor counts by itself.
        states[row["factor"] or row["run"]] = row["state"]
    values = list(states.values())
    counts = {}
    for state in sorted(set(values)):
        counts[state] = values.count(state)
    return {
        "check": newest["check"],
        "severity": newest["severity"],
        "family": newest["family"],
        "runs": len(rows),
        "first_seen": min(times),
        "last_seen": max(times),
        "states": counts,
        "months": months,
    }
