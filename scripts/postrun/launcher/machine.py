"""What the machine and the checkout are, as far as a run must record or demand it."""

import os
import socket
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postrun.core import clock
from postrun.launcher.policy import Policy

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
GIB = 2**30


def preflight(root: Path, policy: Policy, require_clean: bool) -> dict[str, Any]:
    """Measure the machine and judge it; `reasons` names everything that is wrong, not only the first."""
    found = {"cores": os.cpu_count() or 0, "memory_gb": memory_gb()}
    checkout = git(root)
    reasons = [
        f"{what}: expected {least} or more, found {found[what]}"
        for what, least in (("cores", policy.min_cores), ("memory_gb", policy.min_memory_gb))
        if found[what] < least
    ]
    if require_clean and checkout["git_dirty_count"] != 0:
        count = checkout["git_dirty_count"]
        seen = "no repository" if count is None else f"{count} changed files"
        reasons.append(f"git: expected a clean tree, found {seen}")
    return {
        "timestamp": datetime.now().astimezone().strftime("%Y-%m-%dT%H:%M:%S%z"),
        "hostname": socket.gethostname(),
        "root_dir": str(root),
        **checkout,
        **found,
        "min_cores": policy.min_cores,
        "min_memory_gb": policy.min_memory_gb,
        "require_clean": int(require_clean),
        "status": "fail" if reasons else "pass",
        "reasons": reasons,
    }


def memory_gb() -> int:
    """Give the machine's memory in whole GiB, rounded down."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // GIB


def git(root: Path) -> dict[str, Any]:
    """Give branch, commit and number of changed files; None each where the root is in no repository.

    A repository that ignores the root is not the root's own: so lies the sample workstation in this project.
    """
    here = ["git", "-C", str(root)]
    if _ask([*here, "check-ignore", "-q", "."]) is not None:
        return dict.fromkeys(("git_branch", "git_commit", "git_dirty_count"))
    changed = _ask([*here, "status", "--porcelain"])
    return {
        "git_branch": _ask([*here, "symbolic-ref", "--short", "HEAD"]),
        "git_commit": _ask([*here, "rev-parse", "HEAD"]),
        "git_dirty_count": None if changed is None else len(changed.splitlines()),
    }


def boot_id() -> str | None:
    """Give what changes with every start of the machine; None where the system has no such thing."""
    if BOOT_ID.is_file():
        return BOOT_ID.read_text(encoding="ascii").strip()
    return _ask(["sysctl", "-n", "kern.bootsessionuuid"]) or None


def start_time(pid: int) -> str:
    """Give when a process started, as `ps` tells it: UTC, to the second.

    A process number is used again one day; with its start it names one process.
    """
    plain = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    asked = ["ps", "-o", "lstart=", "-p", str(pid)]
    told = subprocess.run(asked, env=plain, capture_output=True, text=True, check=True)
    moment = datetime.strptime(" ".join(told.stdout.split()), "%a %b %d %H:%M:%S %Y")
    return clock.stamp(moment.replace(tzinfo=UTC))


def group_lives(group: int) -> bool:
    """Say whether a process group has a member that is more than a zombie; those may wait long for a parent."""
    table = _ask(["ps", "-A", "-o", "pgid=", "-o", "stat="]) or ""
    members = (line.split() for line in table.splitlines())
    return any(int(member) == group and not state.startswith("Z") for member, state in members)


def _ask(command: Sequence[str]) -> str | None:
    """Run a small command; None when it cannot be run or says no."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
