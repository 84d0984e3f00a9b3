"""The supervisor: the exit code in result.json, signals for the whole group, an end that comes
last.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.programs import wait_for
from postrun.core import run_names
from postrun.core.locations import PROJECT
from postrun.launcher import policy, supervisor
from postrun.launcher.request import LaunchRequest

POLICY = PROJECT / "configs/launcher_policy.json"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "audit/workstation_runs/2026-02-21_031500_production_gates_run1"
    folder.mkdir(parents=True)
    return folder


def supervise(root: Path, run: Path, *command: str, leftover_seconds: float = 5) -> int:
    rules = dataclasses.replace(policy.load(POLICY), leftover_seconds=leftover_seconds)
    workflow = run_names.WORKFLOW
    asked = LaunchRequest(root, workflow, "run1", "", "", 3, "", True, False, rules, command)
    return supervisor.supervise(asked, run)


def result(run: Path) -> int:
    document = json.loads((run / "result.json").read_text())
    assert document["audit_dir"] == f"audit/workstation_runs/{run.name}"
    code: int = document["exit_code"]
    return code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 128 + signal.SIGKILL),
        (["no-such-program-anywhere"], supervisor.NOT_FOUND),
        (["/"], supervisor.NOT_STARTED),
    ],
)
def test_the_result_has_the_exit_code_as_shells_have_it(
    tmp_path: Path, run: Path, command: list[str], code: int
) -> None:
    assert supervise(tmp_path, run, *command) == code
    assert result(run) == code


def test_every_numerical_library_gets_the_threads(tmp_path: Path, run: Path) -> None:
    names = " ".join(f"${name}" for name in supervisor.THREADS)
    assert supervise(tmp_path, run, "sh", "-c", f"echo {names}") == 0
    assert (run / "run.log").read_text().split() == ["3"] * len(supervisor.THREADS)


def test_what_the_workload_left_running_is_named_after_a_while(tmp_path: Path, run: Path) -> None:
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid)"
    assert supervise(tmp_path, run, sys.executable, "-c", script, leftover_seconds=0.2) == 0
    pid, _, message = (run / "run.log").read_text().partition("\n")
    os.kill(int(pid), signal.SIGKILL)
    assert "0.2 s after the workload, some of it still runs" in message


def test_a_signal_that_came_before_the_start_reaches_the_group() -> None:
    group = supervisor.ProcessGroup()
    with group.forwarding_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: group.received)
    workload = subprocess.Popen(["sleep", "60"], start_new_session=True)
    group.set_id(workload.pid)
    assert workload.wait(60) == -signal.SIGTERM
    group.send(signal.SIGTERM)  # to nobody: no error


def test_a_closed_terminal_does_not_end_the_block() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with supervisor.ignore_hangup():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
