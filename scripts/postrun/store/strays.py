"""Unfinished files of ours that killed processes left behind."""

import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from postrun.core import disk, locations, terminal
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.locations import RunPaths

# Of a file that is kept beside another, between stem and suffix.
_KEPT = r"(\.(edited|foreign)-[0-9a-f]+|\.v[0-9]+)?"
# No write takes as long: the process of this number is another one.
_LONGEST_WRITE = 60.0  # seconds


def clear(run_paths: RunPaths) -> None:
    """Remove what no process is writing any more, in the folders of a run and of the workspace.

    The caller holds a lock. Nothing of a user's has such a name: it holds that of an artifact, and
    the number of a process.
    """
    if disk.writes_nothing():
        return
    for path, process in _find(run_paths):
        if _is_at_work(path, process):
            continue
        # What may not be removed does no harm.
        with suppress(OSError):
            path.unlink()
            terminal.detail(f"removed {path}, which a killed process had not finished")


def _find(run_paths: RunPaths) -> Iterator[tuple[Path, int]]:
    """Yield each unfinished file and the number of the process that began it."""
    for folder, patterns in _names(run_paths).items():
        names: list[str] = []
        with suppress(OSError):
            names = os.listdir(folder)  # noqa: PTH208
        expression = "|".join(patterns)
        for name in names:
            unfinished = disk.UNFINISHED.fullmatch(name)
            if unfinished is None:
                continue
            if re.fullmatch(expression, unfinished["name"]):
                process = int(unfinished["process"])
                yield folder / name, process


def _names(run_paths: RunPaths) -> dict[Path, list[str]]:
    """Return for each folder the names of our files in it, as regular expressions."""
    names = defaultdict(list)
    homes = [Home.WORKSPACE]
    if run_paths.run:
        homes += [Home.RUN, Home.GATE]
    for artifact in ARTIFACTS.values():
        if not artifact.generated or artifact.home not in homes:
            continue
        folder = run_paths.folder(artifact.home)
        for file in artifact.files:
            path = folder / file
            # The file behind a link is written where it is.
            behind = Path(os.path.realpath(path))
            for place in {path, behind}:
                expression = _expression(place.name)
                names[place.parent].append(expression)
    caches = run_paths.root / locations.CACHES
    names[caches].append(".*")
    return names


def _expression(name: str) -> str:
    stem, dot, suffix = name.partition(".")
    start = re.escape(stem).replace(r"\*", ".*")
    return start + _KEPT + re.escape(dot + suffix)


def _is_at_work(path: Path, process: int) -> bool:
    """Return whether the process that began a file may still be writing it."""
    try:
        age = time.time() - path.lstat().st_mtime
        os.kill(process, 0)
    except (ProcessLookupError, FileNotFoundError, OverflowError):
        return False
    except PermissionError:
        pass  # another account's
    return age < _LONGEST_WRITE
