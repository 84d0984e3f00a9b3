"""List the run folders of a workspace and the files in each of them, and read them all."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

from postrun.core import all_cores, disk, locations, run_names, terminal
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import index, ledger

Value = TypeVar("Value")

# A folder that is made within one tick of the file system's clock may leave its parent's time as it
# was.
_CLOCK_TICK = 50_000_000  # nanoseconds
_LISTED = "a folder that can be listed"
_PART = "run_folders"
_CREATE = f"""
    CREATE TABLE IF NOT EXISTS {_PART} (folder TEXT PRIMARY KEY, changed INTEGER, files TEXT)
"""
# For fewer runs than this, other processes cost more than they save.
_RUNS_FOR_A_POOL = 32


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
    names = disk.list_names(root / locations.RUNS / folder)
    return frozenset(names)


def find_files(
    root: Path,
    folders: Sequence[str],
    file_names: Collection[str],
) -> dict[str, list[str]]:
    """Return for each of these run folders which of these files it has, in order.

    A folder is listed again only when something was added, renamed or removed since. Raises Missing
    for a folder that cannot be listed.
    """
    names = sorted(file_names)
    find_known = partial(_known_files, stamp=";".join(names), folders=folders)
    known = index.use(root, find_known)
    files = {}
    listed = {}
    for folder in folders:
        changed, of_folder = known.get(folder, (0, ""))
        present = _time_of_change(root, folder)
        if present is None or present != changed:
            of_folder = _find_in_folder(root, folder, names)
        if present is not None and present != changed:
            listed[folder] = present, of_folder
        files[folder] = list(filter(None, of_folder.split(";")))
    if listed and not disk.writes_nothing():
        index.use(root, partial(_note_files, listed=listed))
    return files


def _find_in_folder(
    root: Path,
    folder: str,
    names: Sequence[str],
) -> str:
    """Return which of these files a run folder has, joined by semicolons."""
    present = list_files(root, folder)
    return ";".join(name for name in names if name in present)


def _time_of_change(root: Path, folder: str) -> int | None:
    """Return when a folder was changed last; None when it may be changing still."""
    path = f"{root}/{locations.RUNS}/{folder}"
    try:
        changed = os.stat(path).st_ctime_ns  # noqa: PTH116  (called for every run)
    except OSError:
        return None
    if time.time_ns() - changed <= _CLOCK_TICK:
        return None
    return changed


def _known_files(
    connection: sqlite3.Connection,
    stamp: str,
    folders: Sequence[str],
) -> dict[str, tuple[int, str]]:
    """Return what is known of run folders: when each was changed last, and its files."""
    with index.changing(connection):
        connection.execute(_CREATE)
        if not index.is_made_of(connection, _PART, stamp):
            connection.execute(f"DELETE FROM {_PART}")
            index.note(connection, _PART, stamp)
        query = f"""
            SELECT folder, changed, files FROM {_PART}
            WHERE folder IN (SELECT value FROM json_each(?))
        """
        rows = connection.execute(query, [json.dumps(folders)])
        known = {}
        for folder, changed, files in rows:
            known[folder] = changed, files
        return known


def _note_files(
    connection: sqlite3.Connection,
    listed: Mapping[str, tuple[int, str]],
) -> None:
    rows = [(folder, *known) for folder, known in listed.items()]
    with index.changing(connection):
        connection.execute(_CREATE)
        connection.executemany(f"INSERT OR REPLACE INTO {_PART} VALUES (?, ?, ?)", rows)


def list_closed(root: Path) -> list[str]:
    """Return the runs that were closed as far as the remediation plan, oldest first.

    A run whose audit is in the ledger is one of them, whatever its folder has lost since: it counts
    as a trial. Raises Missing, Invalid.
    """
    plan = RunPaths.of_workspace(root).path("governance_remediation_plan")
    closed = ledger.audited_runs(root)
    for folder in list_folders(root):
        if not run_names.parse_run_name(folder):
            continue
        files = list_files(root, folder)
        if plan.name in files:
            closed.add(folder)
    return sorted(closed)


def read_all(
    root: Path,
    runs: Sequence[str],
    read: Callable[[str], Value],
) -> tuple[dict[str, Value], dict[str, str]]:
    """Return what a function reads of each run, and the error of each run that it refuses.

    Many runs are read on all cores.
    """
    attempt = partial(_attempt, read)
    if len(runs) < _RUNS_FOR_A_POOL:
        results = list(map(attempt, runs))
    else:
        # The ledger is read once here, and not once in each process.
        ledger.head(root)
        with index.handed_over():
            answers = all_cores.call(attempt, runs, chunk=64)
            results = list(answers)
    values = {}
    errors = {}
    for run, (value, error) in zip(runs, results, strict=True):
        if value is None:
            errors[run] = error
        else:
            values[run] = value
    return values, errors


def _attempt(
    read: Callable[[str], Value],
    run: str,
) -> tuple[Value | None, str]:
    try:
        return read(run), ""
    except PostRunError as error:
        return None, str(error)


def check_all_read(errors: dict[str, str]) -> None:
    """Show which runs could not be read as they were recorded. Raises Invalid for any."""
    if not errors:
        return
    for error in errors.values():
        terminal.error(error)
    runs = terminal.counted(len(errors), "run")
    expected = "every closed run as it was recorded"
    found = f"{runs} that cannot be read so"
    hint = "nothing was written; mend them as said above, then rebuild again"
    raise Invalid("run folders", expected, found, hint)
