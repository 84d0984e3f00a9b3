"""What became of a closed run, in a few words: the result in the ledger and the audit's answer, read together."""

from dataclasses import dataclass
from pathlib import Path

from postrun.core.locations import RunPaths
from postrun.store import json_files, ledger

_AUDIT = {True: "passed", False: "failed", None: "not made"}


@dataclass(frozen=True)
class Verdict:
    """What a run came to. `result` and `next_action` stand in the ledger row that holds, `audited` in the audit.

    None is what nobody has said yet.
    """

    result: str | None
    next_action: str | None
    audited: bool | None
    number: int | None = None  # of that row

    @property
    def clean(self) -> bool:
        """Say whether there is nothing to look into."""
        return self.result == "pass" and self.audited is True

    def __str__(self) -> str:
        """Give it as one reads it: `fail, audit passed`."""
        return f"{self.result or 'no result'}, audit {_AUDIT[self.audited]}"


def of_run(root: Path, run: str) -> Verdict:
    """Read what ledger and audit of this workspace say of a run folder. Raises Invalid."""
    row = ledger.latest(ledger.rows(root), run) or {}
    audit = json_files.read_optional(RunPaths(root, run, None), "governance_audit_check") or {}
    return Verdict(
        row.get("result"), row.get("next_action"), audit.get("passed"), row.get("number")
    )
