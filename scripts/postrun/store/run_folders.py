"""List the run folders of a workspace: which there are, and which files each has."""

import os
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from postrun.core import disk, locations, run_names
from postrun.core.locations import RunPaths

# A folder that is made within one tick of the file system's clock may leave its parent's time as it
# was.
_CLOCK_TICK = 50_000_000  # nanoseconds
_LISTED = "a folder that can be listed"


def list_folders(root: Path) -> tuple[str, ...]:
    """Return the names of all that is where run folders are, in order. Raises Missing.

    It is listed again only when a folder was added, renamed or removed since.
    """
    parent = root / locations.RUNS
    with disk.report_read_errors(parent, _LISTED):
        if not parent.is_dir():
            return ()
        now = time.time_ns()
        changed = parent.stat().st_mtime_ns
        if now - changed <= _CLOCK_TICK:
            changed = now
        return _list(parent, changed)


@lru_cache(maxsize=8)
def _list(parent: Path, _changed: int) -> tuple[str, ...]:
    names = os.listdir(parent)  # noqa: PTH208  (names, not a path for each)
    return tuple(sorted(names))


def list_files(root: Path, folder: str) -> frozenset[str]:
    """Return the names of what is directly in a run folder; none when it is no folder.

    Raises Missing for a folder that cannot be listed.
    """
    path = root / locations.RUNS / folder
    names = []
    no_folder = suppress(FileNotFoundError, NotADirectoryError)
    with disk.report_read_errors(path, _LISTED), no_folder:
        names = os.listdir(path)  # noqa: PTH208
    return frozenset(names)


def list_closed(root: Path) -> list[str]:
    """Return the run folders that were closed as far as the remediation plan, oldest first."""
    closed = []
    for folder in list_folders(root):
        run_paths = RunPaths(root, folder, None)
        plan = run_paths.path("governance_remediation_plan")
        if not run_names.parse_run_name(folder):
            continue
        if plan.name in list_files(root, folder):
            closed.append(folder)
    return closed
