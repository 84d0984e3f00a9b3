"""Kernel locks: they end with the process that holds them."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from postrun.core import disk, terminal
from postrun.core.disk import report_write_errors
from postrun.core.errors import Locked, Missing

_PAUSE = 0.05  # seconds between two attempts
_OPEN_ATTEMPTS = 20


@contextmanager
def hold(path: Path, wait: float, purpose: str) -> Iterator[None]:
    """Lock the file at `path`; wait up to `wait` seconds for each other holder.

    Raises Locked, Missing.

    `purpose` tells those who wait what holds it. The file stays, but for folders that were made for
    it and that nothing else was written into: a step that was refused leaves nothing behind.
    """
    with report_write_errors(path):
        new_folders = [folder for folder in path.parents if not folder.exists()]
    with _acquire(path, wait) as lock_file:
        holder = f"{purpose}, process {os.getpid()} on {socket.gethostname()}"
        with report_write_errors(path):
            lock_file.truncate(0)
            lock_file.write(holder.encode())
        try:
            yield
        finally:
            _remove_unused(path, new_folders)


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock. Nothing is written: no file is made to find out."""
    try:
        with disk.open_to_read(path) as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # whoever needs the lock will say what is wrong with it
    return False


def _acquire(path: Path, wait: float) -> FileIO:
    """Return the locked file; name its holder once when it is not free at once.

    Nobody knows who is next. So the time begins again with every holder: with many in the line, one
    that waits long is refused only when nothing moves.
    """
    deadline = 0.0
    taken_at: int | None = None
    reported = False
    while True:
        with report_write_errors(path):
            lock_file = _open(path)
        is_free = _try(path, lock_file)
        # Its holder may have removed the file: who locks that one does not meet who makes another.
        if is_free and _is_at(path, lock_file):
            return lock_file
        lock_file.close()
        if is_free:
            continue
        last_taken_at, taken_at = taken_at, _taken_at(path)
        if taken_at != last_taken_at:
            deadline = time.monotonic() + wait
        holder = _holder(path)
        if time.monotonic() >= deadline:
            expected, actual = f"it free within {wait:g} s", f"it held by {holder}"
            raise Locked(path.name, expected, actual, "try again when that ends")
        if not reported:
            terminal.say(f"waiting for {holder}")
            reported = True
        time.sleep(_PAUSE)


def _open(path: Path, attempts: int = _OPEN_ATTEMPTS) -> FileIO:
    # A link would lock, and write, a file that may be another's.
    if path.is_symlink():
        raise OSError(errno.EINVAL, "a symbolic link, not a regular file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return disk.open_to_append(path)
    except (FileNotFoundError, FileExistsError):
        # Another process has just removed its unused folder, between two of these calls.
        if attempts == 1:
            raise
        return _open(path, attempts - 1)


def _taken_at(path: Path) -> int:
    """Return when the lock was taken: its holder writes its name into the file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _holder(path: Path) -> str:
    holder = ""
    with suppress(OSError):
        holder = disk.read_bytes(path).decode(errors="replace")
    return holder or "a process that just started"


def _is_at(path: Path, lock_file: FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(lock_file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove_unused(path: Path, new_folders: list[Path]) -> None:
    """Remove a lock file together with the folders that were made for it alone, nearest first."""
    if not new_folders:
        return
    try:
        present = set(new_folders[-1].rglob("*"))
    except OSError:
        # A folder has just gone: another process works in there.
        return
    if present <= {path, *new_folders}:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # another process has just put its own lock there
            for folder in new_folders:
                folder.rmdir()


def _try(path: Path, lock_file: FileIO) -> bool:
    """Return whether the lock is ours now. Raises Missing where there are no kernel locks.

    That is no lock that another process holds (exit code 9): to try again later would not help. It
    is a place where nothing can safely be written.
    """
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        expected = "a file system with kernel locks (flock)"
        hint = "move the workspace to another file system, or mount this one with locks"
        raise Missing(path, expected, str(error.strerror), hint) from None
    return True
