"""What is to be done after a decision: one set of words for every page and message."""

from collections.abc import Mapping
from typing import Any

REPAIR = "repair what the remediation plan lists, then close the run again"
REVIEW = "committee review"
START_AGAIN = "start the run again under a new tag"
NEXT_RUN = "next run, as the next-run plan proposes"

# How a reason that a person gave begins in the ledger.
ABANDONED = "abandoned: "

Row = dict[str, Any]


def is_abandoned(row: Row) -> bool:
    """Return whether a person gave a run up; `row` is a decision of the ledger."""
    return any(reason.startswith(ABANDONED) for reason in row["reasons"])


def abandoned_runs(decisions: Mapping[str, Row]) -> set[str]:
    """Return the runs that were given up, of the decision that holds for each run."""
    return {run for run, decision in decisions.items() if is_abandoned(decision)}


def after(row: Row, audit_passed: bool | None) -> str:
    """Return what is to be done; before the audit (None) what the ledger's row says."""
    if audit_passed is None:
        return str(row["next_action"])
    # Nothing can be repaired in the record of a run that left none.
    if is_abandoned(row):
        return START_AGAIN
    if not audit_passed:
        return REPAIR
    if row["result"] == "pass":
        return REVIEW
    return NEXT_RUN
