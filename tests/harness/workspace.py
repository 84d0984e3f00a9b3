"""A workstation beside a workspace, and runs that are closed between them.

workspace = Workspace(remote, local)
assert workspace.close(TAG) == 0
workspace.ledger(), workspace.audit(made), workspace.bytes()
"""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.factory import TAG, Documents

CLOSING = "post_run_sync_and_finalize"


def location_flags(remote: Path, local: Path, host: str = "local") -> list[str]:
    """Return the flags that name a workstation and a workspace."""
    return ["--host", host, "--remote-root", str(remote), "--local-root", str(local)]


def decisions(local: Path) -> list[dict[str, Any]]:
    """Return the decisions of a workspace's stage ledger, oldest first."""
    lines = (local / "audit/stage_ledger.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if row.get("kind", "decision") == "decision"]


@dataclass
class Workspace:
    """Two roots, and the host that the workstation's is on."""

    remote: Path
    local: Path
    host: str = "local"

    def flags(self, tag: str, *more: str) -> list[str]:
        """Return the flags that name a run of this workstation and this workspace."""
        where = location_flags(self.remote, self.local, self.host)
        return ["--tag", tag, *where, *more]

    def run(self, script: str, tag: str, *more: str) -> int:
        """Run a script about one run in this process; return its exit code."""
        code: int = importlib.import_module(script).main(self.flags(tag, *more))
        return code

    def close(self, tag: str = TAG, *more: str) -> int:
        """Close a run in this process; return the exit code."""
        return self.run(CLOSING, tag, *more)

    def ledger(self) -> list[dict[str, Any]]:
        """Return the decisions of the stage ledger."""
        return decisions(self.local)

    def audit(self, made: Documents) -> dict[str, Any]:
        """Return the answers of a run's audit by check."""
        path = made.run_dir(self.local) / "governance_audit_check.json"
        document = json.loads(path.read_text())
        return {row["id"]: row for row in document["checks"]}

    def bytes(self) -> dict[str, bytes]:
        """Return every file of the workspace but locks and caches, by its path from the root."""
        content = {}
        for path in self.local.rglob("*"):
            if path.is_file() and not {".locks", ".cache"} & set(path.parts):
                content[str(path.relative_to(self.local))] = path.read_bytes()
        return content
