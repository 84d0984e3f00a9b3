"""A closed run that is good enough to be promoted, a policy that asks for approvals, and two people
with throw-away keys: the owner, hui, and mei.

committee.approve(committee.mei).code, committee.decision(), committee.findings()
"""

import copy
import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import signers
from harness.factory import TAG, make_run
from harness.programs import Ended, run_script
from harness.signers import Signer
from harness.workspace import Workspace
from postrun.core import locations
from postrun.core.locations import RunPaths
from postrun.store import approvals, configuration, documents, ledger, signed_files

OWNER = "hui"  # of the factory's runs
FIRST = "1.dsse.json"

Rules = dict[str, Any]


@dataclass
class Committee:
    """A closed run that is good enough to be promoted, and two people with keys."""

    workspace: Workspace
    run_paths: RunPaths
    hui: Signer
    mei: Signer
    rules: Rules  # the scoring policy: a test may change it

    def approve(self, signer: Signer, *flags: str) -> Ended:
        where = self.workspace.flags(TAG, "--key", str(signer.key))
        return run_script("approve_run", *where, *flags)

    def run(self, script: str, *flags: str) -> int:
        return self.workspace.run(script, TAG, *flags)

    def rows(self) -> list[dict[str, Any]]:
        return ledger.read_rows(self.workspace.local)

    def decision(self) -> tuple[str, str]:
        """Return the run's decision in the registry, and what is said of its approvals."""
        path = locations.workspace_path(self.workspace.local, "factor_experiment_registry")
        with path.open(newline="", encoding="utf-8") as table:
            (row,) = csv.DictReader(table)
        return row["decision"], row["approval"]

    def decision_now(self) -> tuple[str, str]:
        assert self.run("update_factor_experiment_registry") == 0
        return self.decision()

    @property
    def folder(self) -> Path:
        return self.run_paths.path("context").parent / "approvals"

    @property
    def statement(self) -> Any:
        return signed_files.read(self.folder / FIRST, "approval").statement

    def findings(self) -> list[tuple[str, bool]]:
        found = approvals.verify(self.run_paths)
        return [(finding.summary, finding.is_broken) for finding in found]


def ask_for_approvals(monkeypatch: pytest.MonkeyPatch) -> Rules:
    """Put a scoring policy into force that asks for approvals; return it, to be changed."""
    load = configuration.load
    asking: Rules = copy.deepcopy(load("scoring_policy"))
    asking["approval"]["asked"] = True
    monkeypatch.setattr(
        configuration, "load", lambda name: asking if name == "scoring_policy" else load(name)
    )
    return asking


@pytest.fixture(scope="session")
def approvable_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Close a run once; each test has a copy."""
    folder = tmp_path_factory.mktemp("committee")
    signer = Signer.make(folder / "keys", OWNER)
    Signer.make(folder / "keys", "mei")
    make_run(folder / "remote")
    with pytest.MonkeyPatch.context() as monkeypatch:
        ask_for_approvals(monkeypatch)
        signers.allow(monkeypatch, folder, signer.line())
        assert Workspace(folder / "remote", folder / "local").close() == 0
    return folder


@pytest.fixture
def committee(approvable_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Committee:
    folder = tmp_path / "committee"
    shutil.copytree(approvable_run, folder)
    hui, mei = (Signer(name, folder / "keys" / f"{name}_key") for name in (OWNER, "mei"))
    signers.allow(monkeypatch, folder, hui.line(), mei.line())
    rules = ask_for_approvals(monkeypatch)
    workspace = Workspace(folder / "remote", folder / "local")
    (run,) = ledger.decisions(workspace.local)
    detection = documents.read(RunPaths(workspace.local, run, None), "run_detection")
    run_paths = RunPaths(workspace.local, run, detection["gate_folder"])
    return Committee(workspace, run_paths, hui, mei, rules)
