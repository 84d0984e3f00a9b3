"""What a killed process had not finished is removed, and nothing that looks like it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.factory import put
from postrun.core import disk
from postrun.core.locations import PROJECT, RunPaths
from postrun.store import evidence, strays

RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"
RUN_PATH, GATE_PATH = f"audit/workstation_runs/{RUN}", f"gate_results/{GATE}"
KILL = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from postrun.core import disk
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
disk.replace(Path(sys.argv[2]), b"half")
"""
# Each in its folder of a workspace: what this project writes, keeps beside, and signs.
OURS = [
    f"{RUN_PATH}/governance_audit_check.json",
    f"{RUN_PATH}/notifications.json",
    f"{RUN_PATH}/governance_audit_check.edited-0a1b2c3d.md",
    f"{RUN_PATH}/approvals/1.dsse.json",
    f"{GATE_PATH}/production_gates_run_review.html",
    f"{GATE_PATH}/production_gates_final_summary.foreign-0a1b2c3d.md",
    "audit/stage_ledger.jsonl",
    "audit/factor_registry/factor_experiment_registry.v1.csv",
    "audit/seals/1.dsse.json",
    "audit/.cache/closed_runs.json",
    "docs/production_research/STAGE_AUDIT_LOG.md",
]


@pytest.fixture
def dead() -> int:
    """Return the number of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def stray(root: Path, name: str, process: int) -> Path:
    path = root / name
    unfinished = path.with_name(f".{path.name}.{process}.0123abcd.tmp")
    put(unfinished, b"half")
    return unfinished


def test_what_a_killed_process_left_is_removed(local: Path) -> None:
    run_paths = RunPaths(local, RUN, GATE)
    for name in OURS:
        command = [sys.executable, "-S", "-c", KILL, f"{PROJECT}/scripts", str(local / name)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = [path for path in local.rglob("*") if path.is_file()]
    assert len(left) == len(OURS)
    assert evidence.digest_local(run_paths).files == {}, "it is no evidence either"
    disk.DRY_RUN.set(True)
    strays.clear(run_paths)
    assert all(path.exists() for path in left)
    disk.DRY_RUN.set(False)
    strays.clear(run_paths)
    assert [path for path in local.rglob("*") if path.is_file()] == []


def test_a_file_behind_a_link_is_unfinished_beside_it(local: Path, tmp_path: Path) -> None:
    log = local / "docs/production_research/STAGE_AUDIT_LOG.md"
    put(tmp_path / "vault/log.md", b"the user's")
    log.parent.mkdir(parents=True)
    log.symlink_to(tmp_path / "vault/log.md")
    command = [sys.executable, "-S", "-c", KILL, f"{PROJECT}/scripts", str(log)]
    subprocess.run(command, check=False)
    assert len(list((tmp_path / "vault").iterdir())) == 2
    strays.clear(RunPaths.of_workspace(local))
    assert list((tmp_path / "vault").iterdir()) == [tmp_path / "vault/log.md"]


def test_what_is_being_written_stays(local: Path, dead: int) -> None:
    run_paths = RunPaths(local, RUN, GATE)
    ours = stray(local, OURS[0], os.getpid())
    old = stray(local, OURS[1], os.getpid())
    os.utime(old, (1, 1))
    others = stray(local, f"audit/workstation_runs/{RUN}_2/run_detection.json", dead)
    strays.clear(run_paths)
    assert (ours.exists(), old.exists(), others.exists()) == (True, False, True)


@pytest.mark.parametrize(
    "name",
    [
        ".governance_audit_check.json.{}.tmp",
        ".governance_audit_check.json.{}.0123abcd.tmp~",
        ".governance_audit_check.json.{}.0123ABCD.tmp",
        "governance_audit_check.json.{}.0123abcd.tmp",
        ".my_governance_audit_check.json.{}.0123abcd.tmp",
        ".governance_audit_check.json.bak.{}.0123abcd.tmp",
        ".notes.md.{}.0123abcd.tmp",
        "sub/.governance_audit_check.json.{}.0123abcd.tmp",
    ],
)
def test_what_only_looks_like_it_is_a_users(local: Path, dead: int, name: str) -> None:
    users = local / RUN_PATH / name.format(dead)
    put(users, b"a user's")
    strays.clear(RunPaths(local, RUN, GATE))
    assert users.exists()


def test_a_folder_of_that_name_stays(local: Path, dead: int) -> None:
    folder = local / RUN_PATH / f".run_detection.json.{dead}.0123abcd.tmp"
    folder.mkdir(parents=True)
    strays.clear(RunPaths(local, RUN, None))
    assert folder.exists()
