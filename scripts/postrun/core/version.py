"""Which program this is: the release, and the commit where the program runs from a git checkout."""

import os
from functools import cache

from postrun.core.locations import PROJECT

RELEASE = "0.1.0"
_TIMEOUT = 10.0  # seconds for git, which may have to read a slow network drive
# What changes what the program does. Artifacts below the same folder may be in git, too.
PROGRAM = ("scripts", "schemas", "templates", "configs")


@cache
def program_version() -> str:
    """Return the release, `+g` and the commit, and `.dirty` when the program differs from that
    commit.

    Without git, or outside a checkout, it is the release alone. The form is that of PEP 440.
    """
    # A copy without its own .git may lie in a repository of somebody else, whose commit says
    # nothing.
    status = _git_status() if (PROJECT / ".git").exists() else ""
    lines = status.splitlines()
    commits = [line.split()[-1] for line in lines if line.startswith("# branch.oid ")]
    if not commits or commits == ["(initial)"]:
        return RELEASE
    is_dirty = any(not line.startswith("#") for line in lines)
    return f"{RELEASE}+g{commits[0][:7]}{'.dirty' if is_dirty else ''}"


def is_dirty(version: str) -> bool:
    """Return whether a version is that of a program with changes that are not committed."""
    return version.endswith(".dirty")


def _git_status() -> str:
    """Return the commit and the changed files as git prints them.

    Nothing when git does not answer.
    """
    import subprocess  # here: `--help` needs no other program

    command = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"]
    command += ["--untracked-files=no", "--", *PROGRAM]
    # In a hook of another repository, git's variables point at that one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
