"""Three closed runs, made once: one that passes, one whose gates fail, one with an exit code.

def test_an_edited_audit_is_named(closed: ClosedRuns) -> None:
    closed.edit(closed.path("governance_audit_check"), bytes.upper)
    assert closed.broken() == {...}
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import verify_workspace
from harness import factory
from harness.factory import Documents
from harness.workspace import Workspace
from postrun.core.locations import RunPaths
from postrun.verify import closed_run, ledger_rows
from postrun.verify.closed_run import ClosedRun
from postrun.verify.findings import Finding, Kind
from postrun.verify.verification import verify

KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"passing": False},
    {"change": lambda made: made.result.update(exit_code=1)},
)


@dataclass(frozen=True)
class ClosedRuns:
    """A copy of the workspace with the closed runs, and what is found in it."""

    root: Path
    made: tuple[Documents, ...]

    def run_paths(self, number: int = 0) -> RunPaths:
        made = self.made[number]
        return RunPaths(self.root, made.run_folder, made.gate_folder)

    def path(self, artifact: str, number: int = 0, suffix: str = "") -> str:
        """Return the path of an artifact of a run, or of the workspace, from the root."""
        run_paths = self.run_paths(number)
        return run_paths.relative(run_paths.path(artifact, suffix))

    def run(self, number: int = 0) -> ClosedRun:
        folder = self.made[number].run_folder
        lines = ledger_rows.read(self.root).by_run()
        return closed_run.look(self.root, folder, lines.get(folder, ()))

    def edit(self, path: str, change: Callable[[bytes], bytes]) -> None:
        file = self.root / path
        file.write_bytes(change(file.read_bytes()))

    def findings(self, tag: str | None = None) -> tuple[Finding, ...]:
        computations = verify_workspace.COMPUTATIONS
        return verify(self.root, tag, computations, lambda *_: None).findings

    def broken(self) -> set[str]:
        return {finding.file for finding in self.findings() if finding.kind is Kind.BROKEN}


@pytest.fixture(scope="session")
def closed_once(tmp_path_factory: pytest.TempPathFactory) -> ClosedRuns:
    folder = tmp_path_factory.mktemp("closed")
    workspace = Workspace(folder / "remote", folder / "local")
    runs = []
    for number, kind in enumerate(KINDS):
        stamp = f"2026-02-2{number + 1}_031500"
        made = factory.make_run(workspace.remote, tag=f"run{number}", stamp=stamp, **kind)
        assert workspace.close(made.tag) == (number == 2)
        runs.append(made)
    return ClosedRuns(workspace.local, tuple(runs))


@pytest.fixture
def closed(closed_once: ClosedRuns, tmp_path: Path) -> ClosedRuns:
    root = tmp_path / "workspace"
    shutil.copytree(closed_once.root, root, symlinks=True)
    return ClosedRuns(root, closed_once.made)
