"""What ledger, audit and remediation plan come to when they are read together."""

from postrun.core.values import Json
from postrun.decide import check_results, verdicts

APPROVE, REPAIR, REJECT = "approve", "repair_first", "do_not_promote"
_PASSED = "the exit code is zero, every gate passes when worked out again, and nothing was skipped"


def decision(row: Json, audit: Json, plan: Json, luck: Json) -> Json:
    """Return the ledger's result with its reasons, and what is recommended.

    A pass is for approval only once the audit has passed, too, and when luck does not explain it.
    """
    # Only a pass can be recommended, and only with a record that can be trusted.
    recommendation = REJECT
    if row["result"] == "pass" and luck["verdict"] == verdicts.SURVIVES:
        recommendation = APPROVE if audit["passed"] else REPAIR
    reasons = row["reasons"] or [_PASSED]
    # Gates come first: no repair of the record makes them pass.
    gates = map(_failed_gate, plan["failed_gates"])
    checks = map(_failed_check, plan["items"])
    return {
        "result": row["result"],
        "recommendation": recommendation,
        "reasons": [
            *reasons,
            f"audit: {check_results.summary(audit['checks'])}",
            f"could it be luck: {luck['sentence']}",
        ],
        "blocking": [*gates, *checks],
    }


def _failed_gate(gate: Json) -> Json:
    return {
        "kind": "gate",
        "about": gate["gate"],
        "severity": None,
        "words": gate["metric"],
        "observed": gate["observed"],
        "comparison": gate["comparison"],
        "threshold": gate["threshold"],
    }


def _failed_check(item: Json) -> Json:
    return {
        "kind": "check",
        "about": item["check"],
        "severity": item["severity"],
        "words": item["question"],
        "observed": item["observed"],
        "comparison": None,
        "threshold": None,
    }


def governance(audit: Json, plan: Json) -> Json:
    """Return the checks that did not pass, each with its remedy.

    A skipped check has none: it is asked again once the check that it requires is repaired.
    """
    remedies = {item["check"]: item["remedy"] for item in plan["items"]}
    not_passed = []
    for row in check_results.not_passed(audit["checks"]):
        remedy = remedies.get(row["id"])
        not_passed.append({**row, "remedy": remedy})
    # An audit of an earlier release does not say what stood there.
    not_finite = [{"value": None, **place} for place in audit["not_finite"]]
    return {
        "passed": audit["passed"],
        "checks": len(audit["checks"]),
        "not_passed": not_passed,
        "not_finite": not_finite,
    }


def follow_ups(plan: Json, hypotheses: list[Json]) -> list[Json]:
    """Return what to do next: repairs, most severe first, then what to try for each failed gate."""
    hypothesis_of = {row["gate"]: row["hypothesis"] for row in hypotheses}
    todo = []
    for item in plan["items"]:
        repair = {
            "kind": "repair",
            "about": item["check"],
            "severity": item["severity"],
            "words": item["remedy"],
        }
        todo.append(repair)
    # The catalogue of hypotheses may not know a gate that a newer gate program has.
    for gate in plan["failed_gates"]:
        name = gate["gate"]
        hypothesis = {
            "kind": "hypothesis",
            "about": name,
            "severity": None,
            "words": hypothesis_of.get(name),
        }
        todo.append(hypothesis)
    return todo
