"""The readable view of the ledger: one line a decision with its audit; what was settled below."""

from pathlib import Path

from postrun.core import disk
from postrun.store import ledger, next_action, page_files

# The user's own columns, and then what the audit said.
COLUMNS = [*ledger.COLUMNS, "audit"]


def publish(root: Path) -> None:
    """Write the view into STAGE_AUDIT_LOG.md. It is a function of the ledger alone.

    Raises Missing, Invalid.
    """
    # Who computes many runs again compares the view once.
    if not disk.is_captured():
        ledger.publish(root, render(root))


def render(root: Path) -> str:
    """Return the table of decisions as it stands between the marks."""
    audits = {}
    decisions = []
    corrected = {}
    for row in ledger.read_rows(root):
        if ledger.kind(row) == ledger.DECISION:
            decisions.append(row)
            corrected[row["corrects"]] = row["number"]
        elif ledger.kind(row) == ledger.AUDIT:
            audits[row["decision_row"]] = row["passed"]
    # A row says what was next before its audit. The view says what is next now.
    next_actions = {}
    for row in decisions:
        number = row["number"]
        words = next_action.after(row, audits.get(number))
        if number in corrected:
            words = f"none: row {corrected[number]} corrects this one"
        next_actions[number] = words
    return page_files.page(
        "stage_audit_log.md",
        heading=not ledger.has_table(root),
        columns=COLUMNS,
        rows=decisions,
        audits=audits,
        settlements=ledger.settlements(root),
        next_actions=next_actions,
    )
