"""Which files are still those whose digest is known: only one that may have changed is read again.

The index holds the digest of a file with what the file system says of it: whatever is written to it
changes its time of change.
"""

import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from postrun.core import disk
from postrun.store import index

# Two changes within one tick of the file system's clock may leave the same time.
_CLOCK_TICK = 50_000_000  # nanoseconds
_PART = "known_files"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_PART} (path TEXT PRIMARY KEY, facts TEXT, digest TEXT)"


def find_same(root: Path, digests: Mapping[str, str]) -> set[str]:
    """Return those of some files that have these digests, by path from the root."""
    known = index.use(root, _read)
    same = set()
    noted = []
    for path, digest in digests.items():
        facts = _facts(f"{root}/{path}")
        if facts and known.get(path) == (facts, digest):
            same.add(path)
            continue
        with suppress(OSError):
            if disk.digest(root / path) == digest:
                same.add(path)
                noted.append((path, facts, digest))
    if noted and not disk.writes_nothing():
        index.use(root, partial(_note, noted=noted))
    return same


def _facts(path: str) -> str:
    """Return what changes with whatever is written to a file; empty when that is not certain."""
    try:
        found = os.stat(path)  # noqa: PTH116  (called for every page)
    except OSError:
        return ""
    if time.time_ns() - found.st_ctime_ns <= _CLOCK_TICK:
        return ""
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _read(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    connection.execute(_CREATE)
    rows = connection.execute(f"SELECT path, facts, digest FROM {_PART}")
    return {path: (facts, digest) for path, facts, digest in rows}


def _note(
    connection: sqlite3.Connection,
    noted: list[tuple[str, str, str]],
) -> None:
    with index.changing(connection):
        connection.execute(_CREATE)
        connection.executemany(f"INSERT OR REPLACE INTO {_PART} VALUES (?, ?, ?)", noted)
