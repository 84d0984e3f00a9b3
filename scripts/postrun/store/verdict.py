"""The verdict on a closed run in a few words: the ledger's result and the audit's answer."""

from dataclasses import dataclass
from pathlib import Path

from postrun.core.locations import RunPaths
from postrun.store import documents, ledger, next_action

_AUDIT = {True: "passed", False: "failed", None: "not made"}


@dataclass(frozen=True)
class Verdict:
    """What was decided about a run: the ledger row that holds, and the audit.

    Anything that is not on record yet is None.
    """

    result: str | None
    next_action: str | None
    audited: bool | None  # whether the audit passed
    number: int | None = None  # of the ledger row

    @property
    def clean(self) -> bool:
        """Return whether there is nothing to look into."""
        return self.result == "pass" and self.audited is True

    def __str__(self) -> str:
        """Return it as one line: `fail, audit passed`."""
        result = self.result or "no result"
        return f"{result}, audit {_AUDIT[self.audited]}"


def of_run(root: Path, run: str) -> Verdict:
    """Return what ledger and audit of this workspace say about a run folder. Raises Invalid."""
    run_paths = RunPaths(root, run, None)
    row = ledger.decision(root, run) or {}
    audit = documents.read_optional(run_paths, "governance_audit_check") or {}
    audit_passed = audit.get("passed")
    action = None
    if row:
        action = next_action.after(row, audit_passed)
    return Verdict(
        row.get("result"),
        action,
        audit_passed,
        row.get("number"),
    )
