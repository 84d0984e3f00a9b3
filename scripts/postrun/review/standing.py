"""How the run stands: what ledger, audit and remediation plan come to when they are read together."""

from collections.abc import Mapping
from typing import Any

APPROVE, REPAIR, REJECT = "approve", "repair_first", "do_not_promote"
_PASSED = "the exit code is zero, every gate passes when worked out again, and nothing was skipped"

Facts = Mapping[str, Any]


def decision(row: Facts, audit: Facts, plan: Facts) -> dict[str, Any]:
    """Give the ledger's decision with its reasons; a pass is for approval once the audit has passed, too."""
    passed = row["result"] == "pass"
    return {
        "result": row["result"],
        "recommendation": (APPROVE if audit["passed"] else REPAIR) if passed else REJECT,
        "reasons": [*(row["reasons"] or [_PASSED]), _record(audit)],
        "blocking": [*map(_gate, plan["failed_gates"]), *map(_check, plan["items"])],
    }


def _record(audit: Facts) -> str:
    faults, asked = (
        sum(check["answer"] != "pass" for check in audit["checks"]),
        len(audit["checks"]),
    )
    if audit["passed"]:
        return f"the audit passed: all {asked} checks"
    return f"the audit did not pass: {faults} of {asked} checks without a yes"


def _gate(gate: Facts) -> dict[str, Any]:
    seen = {name: gate[name] for name in ("observed", "comparison", "threshold")}
    return {
        "kind": "gate",
        "about": gate["gate"],
        "severity": None,
        "words": gate["metric"],
        **seen,
    }


def _check(item: Facts) -> dict[str, Any]:
    seen = {"observed": item["observed"], "comparison": None, "threshold": None}
    return {
        "kind": "check",
        "about": item["check"],
        "severity": item["severity"],
        "words": item["question"],
        **seen,
    }


def governance(audit: Facts, plan: Facts) -> dict[str, Any]:
    """Give every audit answer that is no pass, with its remedy; what was skipped waits for another and has none."""
    remedies = {item["check"]: item["remedy"] for item in plan["items"]}
    rows = [row for row in audit["checks"] if row["answer"] != "pass"]
    return {
        "passed": audit["passed"],
        "checks": len(audit["checks"]),
        "not_passed": [{**row, "remedy": remedies.get(row["id"])} for row in rows],
        "not_finite": audit["not_finite"],
    }


def follow_ups(plan: Facts, hypotheses: Mapping[str, str]) -> list[dict[str, Any]]:
    """List what to do next: repairs of the record, most severe first, then what to try after each failed gate."""
    repairs = [
        {
            "kind": "repair",
            "about": item["check"],
            "severity": item["severity"],
            "words": item["remedy"],
        }
        for item in plan["items"]
    ]
    failed = [gate["gate"] for gate in plan["failed_gates"]]
    tries = [
        {"kind": "hypothesis", "about": gate, "severity": None, "words": hypotheses.get(gate)}
        for gate in failed
    ]
    return repairs + tries
