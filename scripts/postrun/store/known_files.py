"""The digests of files as they are now: only one that may have changed is read again.

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

# Within one tick of the clock of the coarsest file system, a file may change and keep its times.
_CLOCK_TICK = 2_000_000_000  # nanoseconds
# To digest a file of fewer bytes costs less than to ask the index.
SMALL = 1 << 14
_PART = "known_files"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_PART} (path TEXT PRIMARY KEY, facts TEXT, digest TEXT)"
_PUT = f"INSERT OR REPLACE INTO {_PART} VALUES (?, ?, ?)"


def facts(file: Path | str | int) -> str:
    """Return what changes with whatever is written to a file; empty when that is not certain.

    The file is given by its path or, when it is open, by its number.
    """
    try:
        entry = os.stat(file)  # noqa: PTH116  (called for every page)
    except OSError:
        return ""
    # To write sets both times to that of the tick. `disk` sets the first to one between two ticks.
    is_of_tick = entry.st_mtime_ns == entry.st_ctime_ns
    if is_of_tick and time.time_ns() - entry.st_ctime_ns <= _CLOCK_TICK:
        return ""
    return f"{entry.st_dev} {entry.st_ino} {entry.st_size} {entry.st_mtime_ns} {entry.st_ctime_ns}"


def digest(root: Path, path: Path) -> str:
    """Return the SHA-256 digest of a file of a workspace, in hex. Raises Missing."""
    known, found = _find(root, path)
    if known:
        return known
    digest = disk.sha256(path)
    if found:
        _note(root, [(str(path), found, digest)])
    return digest


def remember(
    root: Path,
    path: Path,
    content: bytes,
    digest: str,
) -> None:
    """Note the digest of a file that was written just now, if it still is as it was written."""
    if len(content) < SMALL:
        return
    found = facts(path)
    # To compare the bytes takes a tenth of the time of a digest.
    with suppress(OSError):
        if found and disk.read_bytes(path) == content:
            _note(root, [(str(path), found, digest)])


def _find(root: Path, path: Path) -> tuple[str, str]:
    """Return the digest that is known of a file, and its facts; each may be empty."""
    with suppress(OSError):
        if path.stat().st_size >= SMALL:
            found = facts(path)
            known = index.use(root, partial(_read_one, path=str(path)))
            if found and known is not None and known[0] == found:
                return known[1], found
            return "", found
    return "", ""


def find_same(root: Path, digests: Mapping[str, str]) -> set[str]:
    """Return those of some files that have these digests, by path from the root."""
    known = index.use(root, _read)
    same = set()
    noted = []
    for path, digest in digests.items():
        place = f"{root}/{path}"
        file_facts = facts(place)
        if file_facts and known.get(place) == (file_facts, digest):
            same.add(path)
            continue
        with suppress(OSError):
            if disk.digest(root / path) == digest:
                same.add(path)
                noted.append((place, file_facts, digest))
    if noted:
        _note(root, noted)
    return same


def _read(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    connection.execute(_CREATE)
    rows = connection.execute(f"SELECT path, facts, digest FROM {_PART}")
    return {path: (facts, digest) for path, facts, digest in rows}


def _read_one(connection: sqlite3.Connection, path: str) -> tuple[str, str] | None:
    connection.execute(_CREATE)
    query = f"SELECT facts, digest FROM {_PART} WHERE path = ?"
    found: tuple[str, str] | None = connection.execute(query, [path]).fetchone()
    return found


def _note(root: Path, noted: list[tuple[str, str, str]]) -> None:
    if disk.writes_nothing():
        return

    def note(connection: sqlite3.Connection) -> None:
        with index.changing(connection):
            connection.execute(_CREATE)
            connection.executemany(_PUT, noted)

    index.use(root, note)
