"""What pages show of the ledger: its newest day, and decisions in pages that stay the same."""

from pathlib import Path
from typing import Any

import pytest

from postrun.overview.ledger_pages import LISTED, LedgerRows
from postrun.store import ledger, site_files

DIGEST = "ab" * 32


def name(tag: str) -> str:
    return f"2026-02-21_031500_production_gates_{tag}"


def decide(root: Path, tag: str, day: str, result: str = "pass", **changes: Any) -> int:
    run = name(tag)
    row = {
        "kind": ledger.DECISION,
        "run": run,
        "date": day,
        "stage": "production_gates",
        "decision_tag": tag,
        "owner": "hui",
        "objective": None,
        "command_ref": f"audit/workstation_runs/{run}/command.sh",
        "artifact_ref": f"gate_results/{run}/production_gates_report.json",
        "result": result,
        "next_action": "governance audit",
        "evidence_sha256": DIGEST,
        "reasons": [],
        "corrects": None,
        **changes,
    }
    return int(ledger.append(root, row, f"{day}T10:00:00Z")["number"])


def audit(root: Path, tag: str, day: str, decision: int, passed: bool = True) -> int:
    row = {
        "kind": ledger.AUDIT,
        "run": name(tag),
        "decision_row": decision,
        "passed": passed,
        "audit_sha256": DIGEST,
        "closing_record_sha256": DIGEST,
    }
    return int(ledger.append(root, row, f"{day}T10:00:00Z")["number"])


def settle(root: Path, tag: str, day: str) -> None:
    row = {
        "kind": ledger.SETTLEMENT,
        "run": name(tag),
        "check": "exit_code_zero",
        "reason": "the machine went away",
    }
    ledger.append(root, row, f"{day}T10:00:00Z")


def told(root: Path) -> dict[str, Any]:
    """Return the news, the same from the index and when all is read again."""
    news = LedgerRows(root).news()
    ledger.ask(root, lambda index: index.execute("DELETE FROM made_of WHERE name = 'ledger_days'"))
    assert LedgerRows(root).news() == news
    return news


def test_the_newest_day_is_told(local: Path) -> None:
    first = decide(local, "a", "2026-02-20")
    audit(local, "a", "2026-02-20", first)
    assert told(local)["closed"] == [name("a")]
    wrong = decide(local, "b", "2026-02-21", "fail")
    decide(local, "b", "2026-02-21", corrects=wrong)
    decide(local, "c", "2026-02-21", "fail")
    audit(local, "b", "2026-02-21", wrong + 1)
    audit(local, "a", "2026-02-21", first)
    news = told(local)
    assert news["day"] == "2026-02-21"
    assert (news["closed"], news["closed_number"]) == ([name("c"), name("b")], 2)
    assert (news["audited"], news["audited_number"]) == ([name("a")], 1)
    day = {"day": "2026-02-20", "closed": 1, "audited": 0, "passed": 1, "failed": 0}
    assert (news["earlier"], news["others"]) == ([day], [])
    settle(local, "b", "2026-02-22")
    news = told(local)
    assert (news["day"], news["closed"]) == ("2026-02-22", [])
    assert [row["kind"] for row in news["others"]] == [ledger.SETTLEMENT]
    yesterday = {"day": "2026-02-21", "closed": 2, "audited": 1, "passed": 1, "failed": 1}
    assert news["earlier"] == [yesterday, day]


def test_of_many_runs_and_days_some_are_listed(local: Path) -> None:
    for day in range(1, 15):
        decide(local, f"d{day}", f"2026-02-{day:02}")
    for number in range(LISTED + 2):
        decide(local, f"r{number}", "2026-02-15")
    news = told(local)
    assert (len(news["closed"]), news["closed_number"]) == (LISTED, LISTED + 2)
    assert news["closed"][0] == name(f"r{LISTED + 1}")
    days = [row["day"] for row in news["earlier"]]
    assert days == [f"2026-02-{day:02}" for day in range(14, 4, -1)]


def test_an_empty_ledger_has_no_news_and_one_page(local: Path) -> None:
    rows = LedgerRows(local)
    assert rows.news()["day"] is None
    (page,) = rows.pages()
    assert rows.rows(page) == []


def test_another_ledger_has_its_own_days(local: Path) -> None:
    decide(local, "a", "2026-02-20")
    decide(local, "b", "2026-02-21")
    assert LedgerRows(local).news()["day"] == "2026-02-21"
    (local / "audit/stage_ledger.jsonl").unlink()
    decide(local, "a", "2026-02-19")
    decide(local, "b", "2026-02-19")
    news = LedgerRows(local).news()
    assert (news["day"], news["closed_number"], news["earlier"]) == ("2026-02-19", 2, [])


def test_a_page_changes_when_a_row_speaks_of_its_decisions(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_files, "ROWS", 2)
    numbers = [decide(local, f"r{number}", "2026-02-20") for number in range(3)]
    rows = LedgerRows(local)
    first, second = rows.pages()
    assert [row["audit"] for row in rows.rows(first)] == [None, None]
    audit(local, "r0", "2026-02-21", numbers[0], passed=False)
    changed, same = rows.pages()
    assert (changed.stamp != first.stamp, same) == (True, second)
    audit(local, "r0", "2026-02-21", numbers[0])
    audited, *_ = rows.pages()
    assert audited.stamp != changed.stamp
    assert [bool(row["audit"]) for row in rows.rows(audited)] == [True, False]
    settle(local, "r0", "2026-02-22")
    assert rows.pages() == [audited, second]
    decide(local, "r3", "2026-02-22")
    assert rows.pages()[0] == audited
    assert rows.decisions([name("r3"), "none"]).keys() == {name("r3")}
