"""What the launcher says of machine, checkout and processes, against the machine itself."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postrun.launcher import machine, records


def test_start_time_is_when_the_process_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    before = datetime.now(UTC)
    child = subprocess.Popen(["sleep", "30"])
    told = datetime.fromisoformat(machine.start_time(child.pid))
    child.kill()
    child.wait()
    assert abs(told - before) < timedelta(seconds=3)
    assert told.tzinfo is not None


def test_a_group_of_zombies_does_not_live() -> None:
    child = subprocess.Popen(["sleep", "30"], start_new_session=True)
    assert machine.group_is_alive(child.pid)
    child.kill()
    time.sleep(0.2)  # not waited for: a zombie
    assert not machine.group_is_alive(child.pid)
    child.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pid_namespace_is_the_kernels() -> None:
    assert machine.pid_namespace() == str(Path("/proc/self/ns/pid").readlink())


def test_boot_id_is_the_kernels() -> None:
    assert machine.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_no_git_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"git_branch": None, "git_commit": None, "git_dirty_count": None}
    assert machine.git_state(tmp_path) == unknown
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.git_state(tmp_path) == unknown


def test_memory_is_in_gib() -> None:
    assert (
        0
        <= machine.memory_gb() * machine.GIB
        <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    )


@pytest.mark.parametrize(
    "word", ["plain", "", "two words", "it's", "a\nb", "tab\t'\\", "\x1b[31m", "é\u2028x", "\udcff"]
)
def test_bash_reads_every_word_back(word: str, tmp_path: Path) -> None:
    records.write_command(tmp_path / "command.sh", ["printf", "%s", word])
    line = (tmp_path / "command.sh").read_bytes()
    assert line.count(b"\n") == 1
    said = subprocess.run(
        ["bash", str(tmp_path / "command.sh")], capture_output=True, check=True
    ).stdout
    assert said == word.encode("utf-8", "surrogateescape")


def test_the_job_of_slurm_is_as_its_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "CLUSTER_NAME", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    assert machine.scheduler_job() is None
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    job = {"kind": "slurm", "cluster": None, "job_id": "12", "restart_count": 0}
    assert machine.scheduler_job() == job
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "main")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "11")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert machine.scheduler_job() == {
        "kind": "slurm",
        "cluster": "main",
        "job_id": "11_3",
        "restart_count": 2,
    }
