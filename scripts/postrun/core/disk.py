"""Writing files so that nothing is ever half there, digests, and locks that die with their process."""

import fcntl
import hashlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from postrun.core.errors import Locked, Missing

DRY_RUN: ContextVar[bool] = ContextVar(
    "rehearsal", default=False
)  # --dry-run: doors work, nothing is written


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a disk that is full, read-only or not ours into a refusal. Raises Missing."""
    try:
        yield
    except OSError as error:
        raise Missing(path, "a place that can be written to", str(error.strerror)) from error


def replace(path: Path, content: bytes) -> bool:
    """Put `content` at `path` in one move; True when that changes the file. Equal bytes are left as they lie.

    Raises Missing for a disk that does not take it.
    """
    if path.is_file() and path.read_bytes() == content:
        return False
    if DRY_RUN.get():
        print(f"would write {path}", file=sys.stderr)
        return True
    unfinished = path.with_name(f".{path.name[:200]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return True


def append(path: Path, line: bytes) -> None:
    """Add one whole line to an event log and see it onto the disk. Raises Missing for a disk that does not take it."""
    if DRY_RUN.get():
        return
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as out:
            before, rest = out.tell(), line
            try:
                while rest:
                    rest = rest[out.write(rest) :]
                os.fsync(out.fileno())
            except OSError:
                out.truncate(before)  # half a line would be in the way of every later one
                raise


def sha256(path: Path) -> str:
    """Digest a file of any size (hex); memory does not grow with it."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@contextmanager
def lock(path: Path, wait: float, purpose: str) -> Iterator[None]:
    """Hold the kernel lock at `path`; wait up to `wait` seconds for another holder, naming it once.

    Raises Locked, and Missing for a disk that does not take it. The file stays behind on purpose: a lock file that is
    removed can be held twice.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("ab", buffering=0)
    with held:
        _acquire(held.fileno(), path, wait)
        with _writing(path):
            held.truncate(0)
            held.write(f"{purpose}, process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def _acquire(handle: int, path: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = (
                path.read_text(encoding="utf-8", errors="replace") or "a process that just started"
            )
        if time.monotonic() >= deadline:
            raise Locked(
                path.name,
                f"it free within {wait:g} s",
                f"it held by {holder}",
                "try again when that ends",
            )
        if not told:
            print(f"waiting for {holder}", file=sys.stderr)
            told = True
        time.sleep(0.05)
