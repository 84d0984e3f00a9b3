"""Kernel locks: they end with the process that holds them."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postrun.core import terminal
from postrun.core.disk import report_write_errors
from postrun.core.errors import Locked

_PAUSE = 0.05  # seconds between two attempts


@contextmanager
def hold(path: Path, wait: float, purpose: str) -> Iterator[None]:
    """Hold the lock at `path`; wait up to `wait` seconds for another holder. Raises Locked, Missing.

    `purpose` tells those who wait what holds it. The file stays on purpose: a lock file that is
    removed can be held twice.
    """
    with report_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_file = path.open("ab", buffering=0)
    with lock_file:
        _acquire(lock_file.fileno(), path, wait)
        holder = f"{purpose}, process {os.getpid()} on {socket.gethostname()}"
        with report_write_errors(path):
            lock_file.truncate(0)
            lock_file.write(holder.encode())
        yield


def _acquire(handle: int, path: Path, wait: float) -> None:
    """Wait for the lock; name its holder once when it is not free at once."""
    deadline = time.monotonic() + wait
    reported = False
    while not _try(handle):
        holder = path.read_text(encoding="utf-8", errors="replace")
        holder = holder or "a process that just started"
        if time.monotonic() >= deadline:
            expected, actual = f"it free within {wait:g} s", f"it held by {holder}"
            raise Locked(path.name, expected, actual, "try again when that ends")
        if not reported:
            terminal.say(f"waiting for {holder}")
            reported = True
        time.sleep(_PAUSE)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
