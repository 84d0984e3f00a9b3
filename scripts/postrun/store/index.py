"""The index of a workspace: what its tables and its ledger say, in SQLite, to be asked in parts.

It is a cache of this account, a file in its own folder (`$XDG_CACHE_HOME/postrun`), and may be
deleted at any time. Whatever is in it says of which bytes it was made; of any other bytes it is
made again. So nobody need trust it to be there, to be whole, or to be of today. Where the file
cannot be used, and for whoever only checks a workspace, it is made in memory.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TypeVar

from postrun.core import disk

Value = TypeVar("Value")
Work = Callable[[sqlite3.Connection], Value]

_DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WAIT = 5.0  # seconds for another process that writes
_VERSION = 4  # of the tables: with another number, all are made again
_MADE_OF = "CREATE TABLE IF NOT EXISTS made_of (name TEXT PRIMARY KEY, stamp TEXT)"


class Damaged(sqlite3.DatabaseError):
    """What the index has is not what was written into it."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


# What is open, by process and file; None for memory. A forked process opens its own.
_connections: dict[tuple[int, Path | None], sqlite3.Connection] = {}
# One thread at a time, in each process.
_locks: dict[int, threading.RLock] = {}
_IN_MEMORY: ContextVar[bool] = ContextVar("in_memory", default=False)
# What a process had in memory when it was forked, as SQLite writes it into a file.
_HANDED_OVER: ContextVar[bytes] = ContextVar("handed_over", default=b"")


@contextmanager
def in_memory() -> Iterator[None]:
    """Make the index in memory inside the block: whoever checks a workspace believes no cache."""
    token = _IN_MEMORY.set(True)
    try:
        yield
    finally:
        _IN_MEMORY.reset(token)


@contextmanager
def handed_over() -> Iterator[None]:
    """Pass what is in memory to the processes that are forked inside the block.

    None of them need make it again. An SQLite of before 3.36 may lack this: then each does.
    """
    content = b""
    connection = _connections.get((os.getpid(), None))
    if connection is not None:
        with suppress(AttributeError):
            content = connection.serialize()
    token = _HANDED_OVER.set(content)
    try:
        yield
    finally:
        _HANDED_OVER.reset(token)


def use(root: Path, work: Work[Value]) -> Value:
    """Return what some work with the index gives.

    The work brings up to date what it asks: when the file turns out to be damaged, or is held by
    somebody for long, it is done again with an empty index in memory.
    """
    with _locks.setdefault(os.getpid(), threading.RLock()):
        return _use(root, work)


def _use(root: Path, work: Work[Value]) -> Value:
    # Nor is what lies beside a workspace believed where files are only computed again.
    if not _IN_MEMORY.get() and not disk.is_captured():
        try:
            return work(_open(root))
        except OSError:
            pass  # there is no folder for it
        except sqlite3.DatabaseError as error:
            # Others are for now: no room, not ours to write, held for too long.
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF in _DAMAGED:
                _discard(root)
    return work(_open_in_memory())


@contextmanager
def changing(connection: sqlite3.Connection) -> Iterator[None]:
    """Change the index in one transaction, which no other process is in."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def is_made_of(
    index: sqlite3.Connection,
    name: str,
    stamp: str,
) -> bool:
    """Return whether a part of the index was made of what a stamp names."""
    return read_stamp(index, name) == stamp


def read_stamp(index: sqlite3.Connection, name: str) -> str:
    """Return of what a part of the index was made; empty when it was not made."""
    query = "SELECT stamp FROM made_of WHERE name = ?"
    found = index.execute(query, [name]).fetchone()
    if found is None:
        return ""
    return str(found[0])


def note(
    index: sqlite3.Connection,
    name: str,
    stamp: str,
) -> None:
    """Note of what a part of the index was made, in the transaction that made it."""
    statement = "INSERT OR REPLACE INTO made_of VALUES (?, ?)"
    index.execute(statement, [name, stamp])


def _path(root: Path) -> Path:
    """Return the file of a workspace's index."""
    caches = os.environ.get("XDG_CACHE_HOME")
    if not caches:
        caches = str(Path.home() / ".cache")
    return _path_below(caches, root)


@cache
def _path_below(caches: str, root: Path) -> Path:
    workspace = os.fsencode(root.resolve())
    digest = disk.content_digest(workspace)
    name = f"{digest[:16]}.v{_VERSION}.sqlite"
    return Path(caches, "postrun", name)


def _open(root: Path) -> sqlite3.Connection:
    """Return the index of a workspace. Raises OSError, sqlite3.DatabaseError."""
    path = _path(root)
    key = (os.getpid(), path)
    if key not in _connections:
        _close_files()
        folder = path.parent
        folder.mkdir(
            mode=0o700,
            parents=True,
            exist_ok=True,
        )
        _connections[key] = _connect(str(path))
    return _connections[key]


def _close_files() -> None:
    """Close what this process has open: it works on one workspace at a time."""
    process = os.getpid()
    for key in list(_connections):
        if key[0] == process and key[1] is not None:
            _connections.pop(key).close()


def _open_in_memory() -> sqlite3.Connection:
    key = (os.getpid(), None)
    if key not in _connections:
        connection = _connect(":memory:")
        content = _HANDED_OVER.get()
        if content:
            connection.deserialize(content)
        _connections[key] = connection
    return _connections[key]


def _connect(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file,
        timeout=_WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    # After a power cut the file holds an earlier state, and never half of one.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_MADE_OF)
    return connection


def _discard(root: Path) -> None:
    """Remove a file that is damaged: the next process makes it again."""
    path = _path(root)
    key = (os.getpid(), path)
    connection = _connections.pop(key, None)
    if connection is not None:
        connection.close()
    for end in ("", "-wal", "-shm"):
        file = path.with_name(path.name + end)
        with suppress(OSError):
            file.unlink()
