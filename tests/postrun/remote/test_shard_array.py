"""Shards as an array of jobs of a real Slurm: all at once, killed, started again, cancelled."""

import shutil
from pathlib import Path

import pytest

from harness.programs import Program, run_script
from harness.slurm import Slurm
from harness.verified import ClosedRuns
from postrun.store import shard_files

REBUILD, VERIFY = "rebuild_on_slurm", "verify_on_slurm"
TABLES = ("update_factor_experiment_registry", "update_failure_pattern_db")


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of a workspace but locks and caches, by its path from the root."""
    files = {}
    for path in root.rglob("*"):
        if path.is_file() and not {".locks", ".cache"} & {*path.parts}:
            files[str(path.relative_to(root))] = path.read_bytes()
    return files


def local_rebuild(closed: ClosedRuns) -> dict[str, bytes]:
    """Return the files of the workspace after a rebuild without shards; spoil a table."""
    for script in TABLES:
        assert run_script(script, "--rebuild", "--local-root", str(closed.root)).code == 0
    wanted = contents(closed.root)
    (closed.root / closed.path("trial_statistics")).unlink()
    return wanted


def flags(closed: ClosedRuns, number: int = 3) -> list[str]:
    return ["--local-root", str(closed.root), "--shards", str(number)]


@pytest.mark.usefixtures("slurm")
def test_a_rebuild_on_slurm_gives_the_bytes_of_a_local_one(closed: ClosedRuns) -> None:
    wanted = local_rebuild(closed)
    done = run_script(REBUILD, *flags(closed))
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert lines[:2] == ["0 of 3 shards are done", "Slurm job 1: 3 shards submitted"]
    assert "Slurm job 1: 3 COMPLETED" in lines
    assert lines[-2].startswith("factor-registry: 3 runs, from the run folders alone")
    assert lines[-1].startswith("failure-patterns: ")
    assert contents(closed.root) == wanted


@pytest.mark.nightly
@pytest.mark.usefixtures("slurm")
def test_a_verification_on_slurm_prints_what_a_local_one_does(closed: ClosedRuns) -> None:
    whole = run_script("verify_workspace", "--local-root", str(closed.root))
    done = run_script(VERIFY, *flags(closed))
    assert (done.code, done.out) == (whole.code, whole.out) == (0, "")
    assert done.err.splitlines()[-1:] == whole.err.splitlines()
    path = closed.path("governance_audit_check")
    closed.edit(path, lambda content: content.replace(b'"passed": true', b'"passed": false', 1))
    broken = run_script("verify_workspace", "--local-root", str(closed.root))
    done = run_script(VERIFY, *flags(closed))
    assert (done.code, done.out) == (broken.code, broken.out)
    assert done.code == 4
    assert done.err.splitlines()[-1:] == broken.err.splitlines()


# A job of this shard stops before it reads anything, as long as there is a file.
SLOW = """\
import os, time
while os.environ.get("SLURM_ARRAY_TASK_ID") == "2" and os.path.exists({flag!r}):
    time.sleep(0.1)
"""


@pytest.mark.nightly
def test_a_killed_shard_is_started_again_alone(
    slurm: Slurm, closed: ClosedRuns, tmp_path: Path
) -> None:
    wanted = local_rebuild(closed)
    slow = tmp_path / "slow"
    slow.mkdir()
    flag = slow / "flag"
    flag.touch()
    (slow / "sitecustomize.py").write_text(SLOW.format(flag=str(flag)))
    program = Program(f"{REBUILD}.py", flags(closed), PYTHONPATH=str(slow))
    try:
        program.await_line("Slurm job 1: 2 COMPLETED, 1 RUNNING", 90)
        # As the kernel does when memory is short: nothing is told to the process.
        slurm.cancel("1_2", "--signal=KILL", "--full")
        assert program.end(60) == 3
    finally:
        program.stop()
    folder = shard_files.own_folder(closed.root) / "rebuild-jobs-3"
    for name in ("factor-registry", "failure-patterns"):
        assert f"shard 2/3 of {name} " in program.talk
    assert "found none; run it again; its job is " in program.talk
    assert f", see {folder}/slurm-1_2.out" in program.talk
    assert program.lines[-1] == (
        "shards: expected all 3 of them done, found 1 that cannot be joined;"
        " the same command again does only this\n"
    )
    assert contents(closed.root) != wanted
    flag.unlink()
    done = run_script(REBUILD, *flags(closed))
    assert done.code == 0, done.err
    assert "2 of 3 shards are done" in done.err
    assert ": 1 shard submitted" in done.err
    assert contents(closed.root) == wanted


@pytest.mark.nightly
def test_who_asks_again_waits_for_the_same_jobs(slurm: Slurm, closed: ClosedRuns) -> None:
    wanted = local_rebuild(closed)
    slurm.control("update", "PartitionName=main", "State=DOWN")
    first = Program(f"{REBUILD}.py", flags(closed))
    try:
        first.await_line("Slurm job 1: 3 PENDING", 90)
        first.interrupt()
        assert first.end() == 130
    finally:
        first.stop()
    assert (
        "Slurm job 1 goes on: the same command waits for it again, and `scancel 1` ends it\n"
        in (first.lines)
    )
    second = Program(f"{REBUILD}.py", flags(closed))
    try:
        second.await_line("Slurm job 1: 3 PENDING", 90)
        slurm.stop_controller()
        second.await_line("Slurm job 1: squeue does not answer", 90)
        slurm.start_controller()
        slurm.control("update", "PartitionName=main", "State=UP")
        assert second.end(90) == 0
    finally:
        second.stop()
    assert "submitted" not in second.talk
    assert "3 of 3 shards are done" in second.talk
    assert contents(closed.root) == wanted


def test_there_is_no_slurm(
    closed: ClosedRuns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "cat", "git", "ps"):
        found = shutil.which(name)
        if found:
            (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    for script in (REBUILD, VERIFY):
        done = run_script(script, *flags(closed))
        assert done.code == 3
        line = done.err.splitlines()[-1]
        assert line.startswith("sbatch: expected the number of a job, found ")
        assert line.endswith("without Slurm, run each shard by hand: see docs/RUNBOOK.md")
