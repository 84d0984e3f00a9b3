"""Ledger, audit and plan read together."""

from typing import Any

import pytest

from postrun.review import standing

CHECKS = [
    {"id": "exit_code_zero", "answer": "pass"},
    {"id": "context_readable", "answer": "fail"},
    {"id": "tags_agree", "answer": "skipped"},
]
ITEM = {
    "check": "context_readable",
    "severity": "High",
    "question": "Is the context readable?",
    "observed": "nothing there",
    "remedy": "write it",
}
LUCK = {"verdict": "survives", "sentence": "it is so"}
GATE = {"gate": "wf_gate", "metric": "mean", "observed": -1, "comparison": ">", "threshold": 0}


@pytest.mark.parametrize(
    ("result", "audit_passed", "verdict", "recommendation"),
    [
        ("pass", True, "survives", standing.APPROVE),
        ("pass", False, "survives", standing.REPAIR),
        ("pass", True, "does_not_survive", standing.REJECT),
        ("pass", True, "too_few_windows", standing.REJECT),
        ("fail", True, "survives", standing.REJECT),
        ("fail", False, "survives", standing.REJECT),
    ],
)
def test_a_pass_is_for_approval_once_the_audit_has_passed(
    result: str, audit_passed: bool, verdict: str, recommendation: str
) -> None:
    row = {"result": result, "reasons": []}
    audit = {"passed": audit_passed, "checks": CHECKS[:1]}
    luck = {"verdict": verdict, "sentence": "it is so"}
    decision = standing.decision(row, audit, {"failed_gates": [], "items": []}, luck)
    assert (decision["result"], decision["recommendation"]) == (result, recommendation)
    assert len(decision["reasons"]) == 3
    assert decision["reasons"][-1] == "could it be luck: it is so"
    assert decision["blocking"] == []


def test_failed_gates_and_checks_block() -> None:
    plan: dict[str, Any] = {"failed_gates": [GATE], "items": [ITEM]}
    audit = {"passed": False, "checks": CHECKS}
    decision = standing.decision({"result": "fail", "reasons": ["x"]}, audit, plan, LUCK)
    blocking = [(row["kind"], row["about"], row["severity"]) for row in decision["blocking"]]
    assert blocking == [("gate", "wf_gate", None), ("check", "context_readable", "High")]
    assert decision["reasons"][0] == "x"


def test_what_did_not_pass_has_its_remedy() -> None:
    audit = {"passed": False, "checks": CHECKS, "not_finite": []}
    governance = standing.governance(audit, {"items": [ITEM]})
    remedies = {row["id"]: row["remedy"] for row in governance["not_passed"]}
    assert remedies == {"context_readable": "write it", "tags_agree": None}
    assert (governance["passed"], governance["checks"]) == (False, 3)


def test_repairs_come_before_hypotheses() -> None:
    plan = {"items": [ITEM], "failed_gates": [GATE]}
    todo = standing.follow_ups(plan, [{"gate": "wf_gate", "hypothesis": "try a longer window"}])
    assert [row["kind"] for row in todo] == ["repair", "hypothesis"]
    assert [row["words"] for row in todo] == ["write it", "try a longer window"]
