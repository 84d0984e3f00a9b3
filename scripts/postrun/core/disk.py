"""Files that are written whole or not at all, and their digests."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from postrun.core import terminal
from postrun.core.errors import Missing

# --dry-run: everything is computed, nothing is written.
DRY_RUN: ContextVar[bool] = ContextVar("dry_run", default=False)


@contextmanager
def report_write_errors(path: Path) -> Iterator[None]:
    """Raise Missing in place of OSError: the disk is full or read-only, or not ours to write."""
    try:
        yield
    except OSError as error:
        raise Missing(path, "a place that can be written to", str(error.strerror)) from error


def replace(path: Path, content: bytes) -> bool:
    """Write a file in one move; return whether that changed it. Raises Missing.

    A file that holds this content already is not touched. A symbolic link stays: the file behind it
    is written. Mode, group and extended attributes stay as they are, too, and the owner where this
    account may set it.
    """
    path = behind_links(path)
    if path.is_file() and read(path) == content:
        return False
    if DRY_RUN.get():
        terminal.error(f"would write {path}")
        return True
    # Names may have 255 bytes; the suffix needs some of them.
    unfinished = path.with_name(f".{path.name[:200]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with report_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as out:
                out.write(content)
                out.flush()
                _copy_permissions(path, unfinished)
                # A power cut after the move must not leave an empty file.
                os.fsync(out.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    terminal.detail(f"wrote {path}")
    return True


def replace_own(path: Path, content: bytes, is_ours: Callable[[bytes], bool]) -> bool:
    """Write a file as `replace` does, but keep beside it what another program had put there."""
    if path.is_file():
        before = read(path)
        if before.strip() and not is_ours(before):
            _keep_foreign(path, before)
    return replace(path, content)


def _keep_foreign(path: Path, content: bytes) -> None:
    """Copy a file to `<name>.foreign-<start of its SHA-256>`; the same content is copied once."""
    digest = hashlib.sha256(content).hexdigest()
    for digits in (8, 16, 32, 64):
        kept = path.with_name(f"{path.stem}.foreign-{digest[:digits]}{path.suffix}")
        # Somebody may have changed the copy.
        if not kept.exists() or read(kept) == content:
            break
    if DRY_RUN.get():
        terminal.error(f"{path}: another program wrote it; would keep it as {kept.name}")
        return
    if replace(kept, content):
        with suppress(OSError):
            shutil.copystat(path, kept)
    terminal.error(f"{path}: another program wrote it; kept as {kept.name}")


def behind_links(path: Path) -> Path:
    """Return the file behind a symbolic link, else the path itself.

    Raises Missing for a link that leads nowhere.
    """
    if not path.is_symlink():
        return path
    try:
        target = os.path.realpath(path, strict=True)
    except OSError as error:
        expected = "a symbolic link to a file"
        found = f"a link to {path.readlink()} ({error.strerror})"
        hint = "restore that file, or remove the link"
        raise Missing(path, expected, found, hint) from None
    return Path(target)


def read(path: Path) -> bytes:
    """Return the bytes of a file that is to be written again. Raises Missing."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None


def _copy_permissions(path: Path, unfinished: Path) -> None:
    """Copy owner, group, mode and attributes to the file that will take the place of another."""
    if not path.exists():
        return
    before = path.stat()
    # Most accounts may keep the group only. It comes before the mode, which a new group changes.
    for owner in (before.st_uid, -1):
        with suppress(OSError):
            os.chown(unfinished, owner, before.st_gid)
            break
    # Some file systems have the same mode for every file, and do not let it be set.
    with suppress(OSError):
        shutil.copystat(path, unfinished)
        os.utime(unfinished)


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file of any size, in hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
