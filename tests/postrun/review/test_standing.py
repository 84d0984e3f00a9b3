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
GATE = {"gate": "wf_gate", "metric": "mean", "observed": -1, "comparison": ">", "threshold": 0}


@pytest.mark.parametrize(
    ("result", "audit_passed", "recommendation"),
    [
        ("pass", True, standing.APPROVE),
        ("pass", False, standing.REPAIR),
        ("fail", True, standing.REJECT),
        ("fail", False, standing.REJECT),
    ],
)
def test_a_pass_is_for_approval_once_the_audit_has_passed(
    result: str, audit_passed: bool, recommendation: str
) -> None:
    row = {"result": result, "reasons": []}
    audit = {"passed": audit_passed, "checks": CHECKS[:1]}
    decision = standing.decision(row, audit, {"failed_gates": [], "items": []})
    assert (decision["result"], decision["recommendation"]) == (result, recommendation)
    assert len(decision["reasons"]) == 2
    assert decision["blocking"] == []


def test_failed_gates_and_checks_block() -> None:
    plan: dict[str, Any] = {"failed_gates": [GATE], "items": [ITEM]}
    audit = {"passed": False, "checks": CHECKS}
    decision = standing.decision({"result": "fail", "reasons": ["x"]}, audit, plan)
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
