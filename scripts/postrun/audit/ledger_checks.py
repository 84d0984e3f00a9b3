"""Ledger: is the decision recorded, and can the record be trusted?"""

from postrun.audit.answers import Answer
from postrun.audit.facts import Facts
from postrun.decide import gates


def ledger_chain_intact(facts: Facts) -> Answer:
    """Return whether no row of the ledger was changed, removed or inserted."""
    problem = facts.ledger.problem
    expected = "an unbroken chain of rows"
    return Answer(not problem, expected, problem or "unbroken", facts.ledger.path)


def ledger_row_present(facts: Facts) -> Answer:
    """Return whether the run's last row rests on this evidence and claims no pass it denies."""
    expected = "a final row that rests on this evidence"
    path = facts.ledger.path
    rows = facts.ledger.value
    if not rows:
        return Answer(False, expected, "no row", path)
    # The last row is the one that holds: a later row corrects the one before.
    row = rows[-1]
    fault = ""
    if row["evidence_sha256"] != facts.evidence.digest:
        fault = "rests on other evidence than the manifest's"
    elif row["result"] == "pass" and not _supports_pass(facts):
        fault = "says pass, which exit code and gates do not support"
    observed = f"{row['result']}: {fault or 'rests on this evidence'}"
    return Answer(not fault, expected, observed, path)


def _supports_pass(facts: Facts) -> bool:
    report = facts.report.value
    if gates.overall(report) is not True or gates.disagreements(report):
        return False
    return gates.exit_code(facts.result.value) == 0


CHECKS = (
    ledger_chain_intact,
    ledger_row_present,
)
