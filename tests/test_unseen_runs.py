"""Runs whose processes cannot be seen from where they are looked for: they are never dead.

With a real /proc mounted with hidepid, in a real other PID namespace, and with the records of a run
that was started on another host.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import monitor_then_finalize
import watch_runs
from harness import factory
from harness.factory import Documents
from harness.programs import SCRIPTS, run_script
from harness.workspace import location_flags
from postrun.core.request import RunRequest
from postrun.launcher import machine
from postrun.remote.workstation import open_workstation

TAG = f"unseen_{os.getpid()}"
FAST = ["--interval", "0.1", "--grace", "0.1", "--stall-after", "60"]

# Processes of others are hidden from an account that may trace none, and is not in the group of the
# mount: root without that one right.
HIDDEN = [
    *("unshare", "--mount", "sh", "-c"),
    "mount -t proc -o hidepid=2,gid=65533 proc /proc && "
    'exec setpriv --bounding-set=-sys_ptrace "$@"',
    "sh",
]
ELSEWHERE = ["unshare", "--pid", "--fork", "--mount-proc"]


def wrapped(wrapper: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, *command], capture_output=True, text=True, timeout=60, check=False
    )


def needs(wrapper: list[str]) -> None:
    """Skip the test where this machine does not let one do so."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux")
    # Before Linux 5.8 the option held for every /proc of the machine.
    major, minor = os.uname().release.split(".")[:2]
    if (int(major), int(minor)) < (5, 8):
        pytest.skip("a /proc with options of its own needs Linux 5.8")
    for program in ("unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not there")
    tried = wrapped(wrapper, "true")
    if tried.returncode != 0:
        pytest.skip(tried.stderr.strip())


@pytest.fixture
def going(remote: Path) -> Documents:
    """Return a run that goes on, as far as its files say."""
    made = factory.documents(tag=TAG)
    made.result = made.report = None
    return made.write(remote)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import time; time.sleep(120)", "--decision-tag", TAG]
    process = subprocess.Popen(command, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def put_pid_file(made: Documents, remote: Path, pid: int, **changes: Any) -> None:
    record = {
        "pid": pid,
        "start_time": machine.start_time(pid),
        "boot_id": machine.boot_id(),
        "pid_namespace": machine.pid_namespace(),
    }
    factory.put(made.run_dir(remote) / "run.pid", {**record, **changes})


def monitor(remote: Path, local: Path, *more: str) -> list[str]:
    return ["--tag", TAG, *location_flags(remote, local), *FAST, *more]


def state(local: Path, made: Documents) -> str:
    lines = (made.run_dir(local) / "monitor_events.jsonl").read_text().splitlines()
    return " ".join(json.loads(line)["state"] for line in lines)


def wait_elsewhere(wrapper: list[str], remote: Path, local: Path) -> str:
    """Monitor through a wrapper until the deadline; return what was said."""
    script = str(SCRIPTS / "monitor_then_finalize.py")
    flags = monitor(remote, local, "--deadline", "2.5")
    done = wrapped(wrapper, sys.executable, script, *flags)
    assert done.returncode == 8, done.stderr
    return done.stderr


def test_a_run_of_another_account_is_not_dead_under_hidepid(
    remote: Path, local: Path, going: Documents, worker: subprocess.Popen[bytes]
) -> None:
    needs(HIDDEN)
    assert str(worker.pid) not in wrapped(HIDDEN, "ps", "-A", "-o", "pid=").stdout.split()
    said = wait_elsewhere(HIDDEN, remote, local)
    assert "running: its processes cannot be seen from there (the list of processes lacks" in said
    assert "--abandoned" not in said
    assert state(local, going) == "running"


def test_a_run_in_another_pid_namespace_is_not_dead(
    remote: Path, local: Path, going: Documents, worker: subprocess.Popen[bytes]
) -> None:
    needs(ELSEWHERE)
    put_pid_file(going, remote, worker.pid)
    said = wait_elsewhere(ELSEWHERE, remote, local)
    assert "running: its processes cannot be seen from there (the run may be in another" in said
    assert state(local, going) == "running"


def test_a_number_of_another_pid_namespace_is_no_process_of_the_run(
    remote: Path, local: Path, going: Documents
) -> None:
    """From the first namespace all are seen, under other numbers."""
    if machine.pid_namespace() != "pid:[4026531836]":
        pytest.skip("this is not the first PID namespace of the machine")
    put_pid_file(going, remote, os.getpid(), pid_namespace="pid:[1]")
    assert monitor_then_finalize.main(monitor(remote, local)) == 7


@pytest.mark.parametrize(
    ("host", "boot_id"),
    [("node7.cluster", None), ("node7.cluster", "other"), (socket.gethostname(), "other")],
    ids=["another host", "another host with its boot id", "an earlier start"],
)
def test_a_run_of_another_host_waits_and_completes_by_its_files(
    remote: Path, local: Path, going: Documents, host: str, boot_id: str | None
) -> None:
    going.preflight["hostname"] = going.context["hostname"] = host
    going.write(remote)
    if boot_id:
        put_pid_file(going, remote, os.getpid(), boot_id=boot_id)
    assert monitor_then_finalize.main(monitor(remote, local, "--deadline", "1.5")) == 8
    watch = [*location_flags(remote, local), *FAST, "--all", "--deadline", "1.5"]
    assert watch_runs.main(watch) == 8
    assert state(local, going) == "running"

    whole = factory.documents(tag=TAG)
    whole.write(remote)
    assert monitor_then_finalize.main(monitor(remote, local)) == 0
    assert state(local, going).endswith("settling complete")


def test_what_is_quiet_where_nothing_can_be_seen_is_stalled(
    remote: Path, local: Path, going: Documents
) -> None:
    going.context["hostname"] = going.preflight["hostname"] = "node7"
    going.write(remote)
    flags = monitor(remote, local, "--stall-after", "0.5", "--deadline", "2")
    done = run_script("monitor_then_finalize", *flags)
    assert done.code == 8
    assert "stalled: its processes cannot be seen from there (the run was started on" in done.err


def test_the_name_of_the_host_counts_short_and_in_any_case(
    remote: Path, local: Path, going: Documents
) -> None:
    going.context["hostname"] = f"{socket.gethostname().upper()}.example.org"
    going.write(remote)
    assert monitor_then_finalize.main(monitor(remote, local)) == 7


def test_only_a_person_gives_up_a_run_that_cannot_be_seen(
    remote: Path, local: Path, going: Documents
) -> None:
    going.context["hostname"] = "node7"
    going.write(remote)
    flags = ["--tag", TAG, *location_flags(remote, local), "--abandoned", "node7 burnt down"]
    assert run_script("post_run_sync_and_finalize", *flags).code == 1


def test_a_snapshot_says_from_where_it_was_taken(
    remote: Path, local: Path, going: Documents
) -> None:
    request = RunRequest(local, host="local", remote_root=str(remote))
    snapshot = open_workstation(request).take_run_snapshot(TAG)
    assert snapshot.view.host_name == socket.gethostname()
    assert snapshot.view.pid_namespace == machine.pid_namespace()
    assert snapshot.view.lists_process_1
    assert snapshot.started_on == socket.gethostname()
    assert snapshot.raw_tags == {going.run_folder: TAG}
