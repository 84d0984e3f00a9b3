"""List the run folders of a workspace: which there are, and which files each has."""

import os
import time
from pathlib import Path

from postrun.core import locations, run_names
from postrun.core.locations import RunPaths

# A folder that is made within one tick of the file system's clock may leave the times of its parent as they were.
_CLOCK_TICK = 50_000_000  # nanoseconds

# The last listing of each workspace, with what identifies its state: device, inode and times of the parent folder.
_LISTED: dict[Path, tuple[tuple[int, ...], tuple[str, ...]]] = {}


def list_folders(root: Path) -> tuple[str, ...]:
    """Return the names of everything below the home of run folders, in order; none when there is no such home.

    The home is listed again only when a folder was added, renamed or removed since.
    """
    home = root / locations.RUNS
    if not home.is_dir():
        return ()
    status = home.stat()
    state = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    listed_state, names = _LISTED.get(home, ((), ()))
    if listed_state != state:
        names = tuple(sorted(os.listdir(home)))  # noqa: PTH208  (names, and no path for each)
        if time.time_ns() - status.st_mtime_ns > _CLOCK_TICK:
            _LISTED[home] = (state, names)
    return names


def list_files(root: Path, folder: str) -> frozenset[str]:
    """Return the names of what is directly in a run folder; none when it is no folder."""
    try:
        return frozenset(os.listdir(root / locations.RUNS / folder))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def list_closed(root: Path) -> list[str]:
    """Return the run folders that were closed as far as the remediation plan, oldest first."""
    closed = []
    for folder in list_folders(root):
        is_run = run_names.parse_run_name(folder) is not None
        if is_run and RunPaths(root, folder, None).path("governance_remediation_plan").exists():
            closed.append(folder)
    return closed
