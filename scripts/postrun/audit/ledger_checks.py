"""Is the decision on record, and can the record be trusted?"""

from postrun.audit.facts import Answer, Facts
from postrun.decide import gates


def ledger_chain_intact(facts: Facts) -> Answer:
    """No row of the ledger was changed, taken away or put in between."""
    problem = facts.ledger.problem
    return Answer(
        not problem, "an unbroken chain of rows", problem or "unbroken", facts.ledger.path
    )


def ledger_row_present(facts: Facts) -> Answer:
    """The run's last row is final, rests on the evidence at hand, and claims no pass that the evidence denies."""
    expected = "a final row that rests on this evidence"
    if not facts.ledger.rows:
        return Answer(False, expected, "no row", facts.ledger.path)
    row = facts.ledger.rows[-1]
    wrong = ""
    if row["evidence_sha256"] != facts.evidence.digest:
        wrong = "rests on other evidence than the manifest's"
    elif row["result"] == "pass" and not _supports_pass(facts):
        wrong = "says pass, which exit code and gates do not support"
    return Answer(
        not wrong,
        expected,
        f"{row['result']}: {wrong or 'rests on this evidence'}",
        facts.ledger.path,
    )


def _supports_pass(facts: Facts) -> bool:
    report = facts.report.value
    passed = gates.gates(report).get(gates.OVERALL) is True and not gates.disagreements(report)
    return passed and facts.result.members.get("exit_code") == 0


CHECKS = (
    ledger_chain_intact,
    ledger_row_present,
)
