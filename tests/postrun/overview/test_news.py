"""The news: decisions with the answers to them, and failures over time."""

from pathlib import Path
from typing import Any

from postrun.overview import news
from postrun.store import tables
from postrun.store.json_files import columns


def row(number: int, day: str, kind: str, run: str, **more: Any) -> dict[str, Any]:
    return {"number": number, "recorded_at": f"{day}T10:00:00Z", "kind": kind, "run": run, **more}


ROWS = [
    row(1, "2026-02-20", "decision", "a", result="pass"),
    row(2, "2026-02-20", "audit", "a", decision_row=1, passed=False),
    row(3, "2026-02-21", "decision", "b", result="fail"),
    row(4, "2026-02-21", "decision", "b", result="pass", corrects=3),
    row(5, "2026-02-21", "audit", "b", decision_row=4, passed=True),
    row(6, "2026-02-21", "audit", "a", decision_row=1, passed=True),
    row(7, "2026-02-21", "approval", "a", decision_row=1, principal="mei", keyid="k"),
]


def test_a_decision_has_its_newest_answer() -> None:
    decisions = [ROWS[0], ROWS[2], ROWS[3]]
    first, replaced, second = news.with_answers(decisions, ROWS)
    assert first["audit"]["number"] == 6
    assert [approval["principal"] for approval in first["approvals"]] == ["mei"]
    assert (replaced["audit"], replaced["approvals"]) == (None, [])
    assert second["audit"]["passed"] is True


def failure(run: str, month: str, check: str, factor: str | None, state: str) -> dict[str, Any]:
    started = f"{month}-01_031500"
    facts = {"run": run, "started": started, "check": check, "factor": factor, "state": state}
    failure = {**facts, "severity": "High", "family": "Runtime"}
    return {**dict.fromkeys(columns("failure_patterns")), **failure}


def test_failures_are_counted_by_month_and_state(tmp_path: Path) -> None:
    rows = [
        failure("a", "2026-01", "x", "value", "resolved"),
        failure("b", "2026-02", "x", "value", "resolved"),
        failure("c", "2026-02", "x", None, "open"),
        failure("d", "2026-01", "y", "size", "regressed"),
    ]
    first, second = news.failing(tables.of_rows(tmp_path, "failure_patterns", rows))
    assert (first["check"], first["runs"]) == ("x", 3)
    assert first["states"] == {"open": 1, "resolved": 1}
    assert first["months"] == {"2026-01": 1, "2026-02": 2}
    assert (second["check"], second["last_seen"]) == ("y", "2026-01-01_031500")
