"""What nothing accounts for, in run folders and in our own below audit/."""

import os
from pathlib import Path

import pytest

from harness.verified import ClosedRuns
from postrun.core import locations
from postrun.verify import strays
from postrun.verify.findings import Finding, Kind

REGISTRY = "audit/factor_registry"


def in_run(closed: ClosedRuns) -> list[Finding]:
    return list(strays.check_run(closed.run()))


def in_workspace(closed: ClosedRuns) -> list[Finding]:
    return list(strays.check_workspace(closed.root, None))


def run_folder(closed: ClosedRuns) -> str:
    return f"{locations.RUNS}/{closed.run_paths().run}"


def test_a_closed_workspace_has_none(closed: ClosedRuns) -> None:
    assert (in_run(closed), in_workspace(closed)) == ([], [])


@pytest.mark.parametrize(
    "name",
    [
        "superseded_evidence/1/run.log",
        ".governance_audit_check.json.77.0123abcd.tmp",
        "governance_audit_check.edited-0123.json",
        "approvals/notes.txt",
        "approvals/1.dsse.json.bak",
        "approvals/01.dsse.json",
    ],
)
def test_a_stray_in_a_run_folder_is_named(closed: ClosedRuns, name: str) -> None:
    path = closed.root / run_folder(closed) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    [finding] = in_run(closed)
    assert (finding.kind, finding.file) == (Kind.BROKEN, f"{run_folder(closed)}/{name}")


def test_a_fifo_is_no_evidence(closed: ClosedRuns) -> None:
    os.mkfifo(closed.root / run_folder(closed) / "pipe")
    [finding] = in_run(closed)
    assert finding.actual == "a FIFO"


@pytest.mark.parametrize("name", [".DS_Store", "context.json~", ".nfs0001"])
def test_litter_is_no_stray(closed: ClosedRuns, name: str) -> None:
    for folder in (run_folder(closed), REGISTRY, "audit"):
        (closed.root / folder / name).touch()
    assert (in_run(closed), in_workspace(closed)) == ([], [])


def test_what_is_beside_our_folders_is_the_users_own(closed: ClosedRuns) -> None:
    for name in ("audit/ours/notes.md", "docs/production_research/page.md", "gate_results/x.csv"):
        path = closed.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert in_workspace(closed) == []


@pytest.mark.parametrize(
    "name",
    [
        "audit/ledger_copy.jsonl",
        "audit/workstation_runs/notes.txt",
        f"{REGISTRY}/deep/table.csv",
        f"{REGISTRY}/factor_experiment_registry.v1.csv",
        "audit/seals/one.json",
        "audit/seals/0.dsse.json",
    ],
)
def test_a_stray_in_our_folders_is_named(closed: ClosedRuns, name: str) -> None:
    path = closed.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    [finding] = in_workspace(closed)
    assert (finding.kind, finding.file) == (Kind.BROKEN, name)


def test_a_run_that_is_not_closed_may_hold_anything(closed: ClosedRuns) -> None:
    folder = closed.root / locations.RUNS / "2026-03-01_031500_production_gates_open"
    (folder / "superseded_evidence").mkdir(parents=True)
    (folder / "superseded_evidence/x").touch()
    # The handoff's page was written before that run began.
    kinds = {finding.kind for finding in closed.findings()}
    assert kinds == {Kind.LISTED, Kind.STALE}


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit/seals").touch()
    named = {finding.file for finding in strays.check_workspace(tmp_path, None)}
    assert named == {"audit/seals"}


def test_a_gate_folder_of_ours_belongs_to_a_run(closed: ClosedRuns) -> None:
    gates = {made.gate_folder for made in closed.made}
    assert list(strays.check_gates(closed.root, gates)) == []
    (closed.root / "gate_results/not_ours").mkdir()
    [finding] = strays.check_gates(closed.root, gates - {closed.made[0].gate_folder})
    assert finding.file == f"gate_results/{closed.made[0].gate_folder}"
