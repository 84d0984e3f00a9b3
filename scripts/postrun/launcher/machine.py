"""Facts about the machine and the checkout that a run must record or demand."""

import os
import socket
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postrun.core import clock
from postrun.launcher.request import LaunchRequest

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
GIB = 2**30


def preflight(request: LaunchRequest) -> dict[str, Any]:
    """Return preflight.json: what the machine is, and in `reasons` everything that is wrong."""
    policy = request.policy
    checkout = git_state(request.root)
    cores = os.cpu_count() or 0
    memory = memory_gb()
    changed_files = checkout["git_dirty_count"]
    reasons = []
    if cores < policy.min_cores:
        reasons.append(f"cores: expected {policy.min_cores} or more, found {cores}")
    if memory < policy.min_memory_gb:
        reasons.append(f"memory_gb: expected {policy.min_memory_gb} or more, found {memory}")
    if request.require_clean and changed_files is None:
        reasons.append("git: expected a clean tree, found no repository")
    elif request.require_clean and changed_files > 0:
        reasons.append(f"git: expected a clean tree, found {changed_files} changed files")
    local_time = datetime.now().astimezone()
    return {
        "timestamp": local_time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "hostname": socket.gethostname(),
        "root_dir": str(request.root),
        **checkout,
        "cores": cores,
        "memory_gb": memory,
        "min_cores": policy.min_cores,
        "min_memory_gb": policy.min_memory_gb,
        "require_clean": int(request.require_clean),
        "status": "fail" if reasons else "pass",
        "reasons": reasons,
    }


def memory_gb() -> int:
    """Return the machine's memory in whole GiB, rounded down."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return size // GIB


def git_state(root: Path) -> dict[str, Any]:
    """Return branch, commit and number of changed files; each None without a repository.

    A repository that ignores the root is not the root's: the sample workstation is inside this
    project's.
    """
    git = ["git", "-C", str(root)]
    if _output([*git, "check-ignore", "-q", "."]) is not None:
        return dict.fromkeys(("git_branch", "git_commit", "git_dirty_count"))
    status = _output([*git, "status", "--porcelain"])
    changed_files = None
    if status is not None:
        changed_files = len(status.splitlines())
    return {
        "git_branch": _output([*git, "symbolic-ref", "--short", "HEAD"]),
        "git_commit": _output([*git, "rev-parse", "HEAD"]),
        "git_dirty_count": changed_files,
    }


def boot_id() -> str | None:
    """Return what changes with every start of the machine, or None where there is no such id."""
    if BOOT_ID.is_file():
        return BOOT_ID.read_text(encoding="ascii").strip()
    return _output(["sysctl", "-n", "kern.bootsessionuuid"]) or None


def pid_namespace() -> str | None:
    """Return in which PID namespace this process has its number; None where there are none."""
    try:
        return str(PID_NAMESPACE.readlink())
    except OSError:
        return None


def scheduler_job() -> dict[str, Any] | None:
    """Return the job of Slurm that this process is part of, as in run.pid; None outside of one.

    The number is the one that Slurm shows: `12_3` in an array.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number:
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        number = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    restarts = os.environ.get("SLURM_RESTART_COUNT", "")
    return {
        "kind": "slurm",
        "cluster": os.environ.get("SLURM_CLUSTER_NAME"),
        "job_id": number,
        "restart_count": int(restarts) if restarts.isdecimal() else 0,
    }


def start_time(pid: int) -> str:
    """Return when a process started, from `ps`: UTC, whole seconds.

    A process number is used again one day; together with its start it names one process.
    """
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    words = answer.stdout.split()
    moment = datetime.strptime(" ".join(words), "%a %b %d %H:%M:%S %Y")
    in_utc = moment.replace(tzinfo=UTC)
    return clock.stamp(in_utc)


def group_is_alive(group: int) -> bool:
    """Return whether a process group has a member that is not a zombie."""
    table = _output(["ps", "-A", "-o", "pgid=", "-o", "stat="]) or ""
    for line in table.splitlines():
        number, state = line.split()
        # A zombie has ended; it may wait long until its parent asks for its exit code.
        has_ended = state.startswith("Z")
        if int(number) == group and not has_ended:
            return True
    return False


def _output(command: Sequence[str]) -> str | None:
    """Return what a small command prints, or None when it cannot run or fails."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError:
        return None
    if answer.returncode != 0:
        return None
    return answer.stdout.strip()
