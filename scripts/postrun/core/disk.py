"""Files that are written whole or not at all, and their digests.

Every file that this project reads is opened here, so that nothing waits for a FIFO.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import BufferedReader, BufferedWriter, FileIO
from pathlib import Path

from postrun.core import terminal
from postrun.core.errors import Missing

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What file systems answer that cannot write a folder's names through to the disk.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
_SYNCED_AT_ONCE = 8
# The name of a file that is not finished yet: in it, that of the file it will be.
UNFINISHED = re.compile(r"\.(?P<name>.+)\.(?P<process>[0-9]+)\.[0-9a-f]{8}\.tmp")
# --dry-run: everything is computed, nothing is written.
DRY_RUN: ContextVar[bool] = ContextVar("dry_run", default=False)
_COPIED_AT_ONCE = 1 << 20  # bytes
# What would be written, by path, while somebody only wants to know that.
_CAPTURED: ContextVar[dict[Path, bytes] | None] = ContextVar("captured", default=None)


@contextmanager
def captured() -> Iterator[dict[Path, bytes]]:
    """Write nothing inside the block: what would be written is in the dictionary."""
    contents: dict[Path, bytes] = {}
    token = _CAPTURED.set(contents)
    try:
        yield contents
    finally:
        _CAPTURED.reset(token)


def is_captured() -> bool:
    """Return whether somebody only wants to know what would be written."""
    return _CAPTURED.get() is not None


def writes_nothing() -> bool:
    """Return whether nothing is to be written."""
    return DRY_RUN.get() or is_captured()


@contextmanager
def report_read_errors(path: Path, expected: str = "a file that can be read") -> Iterator[None]:
    """Raise Missing in place of OSError: what is not there, or cannot be read."""
    try:
        yield
    except OSError as error:
        raise Missing(path, expected, str(error.strerror)) from None


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
    contents = _CAPTURED.get()
    if contents is not None:
        contents[path] = content
        return True
    with report_write_errors(path), suppress(FileNotFoundError):
        if read_bytes(behind_links(path)) == content:
            return False
    overwrite(path, content)
    return True


def overwrite(path: Path, content: bytes) -> None:
    """Write a file in one move as `replace` does, where it is known to differ. Raises Missing."""
    contents = _CAPTURED.get()
    if contents is not None:
        contents[path] = content
        return
    path = behind_links(path)
    if DRY_RUN.get():
        terminal.error(f"would write {path}")
        return
    with _replaced(path) as out:
        out.write(content)


def extend(path: Path, added: bytes) -> None:
    """Write a file again with more at its end, in one move, as `replace` does. Raises Missing."""
    contents = _CAPTURED.get()
    if contents is not None:
        before = read_optional(path) or b""
        contents[path] = before + added
        return
    path = behind_links(path)
    if DRY_RUN.get():
        terminal.error(f"would write {path}")
        return
    with _replaced(path) as out:
        with suppress(FileNotFoundError), open_to_read(path) as source:
            shutil.copyfileobj(source, out, _COPIED_AT_ONCE)
        out.write(added)


@contextmanager
def _replaced(path: Path) -> Iterator[BufferedWriter]:
    """Yield a new file that takes the place of another after the block. Raises Missing."""
    unfinished = unfinished_name(path)
    with report_write_errors(path):
        make_folder(path.parent)
        try:
            with unfinished.open("xb") as out:
                yield out
                out.flush()
                _copy_permissions(path, unfinished)
                _mark_time(unfinished)
                # A power cut after the move must not leave an empty file.
                os.fsync(out.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync(path.parent)
    terminal.detail(f"wrote {path}")


def keep_beside(path: Path, content: bytes, mark: str, reason: str) -> Path:
    """Copy a file to `<name>.<mark>-<start of its SHA-256>`, and say why; return the copy's path.

    The same content is copied once.
    """
    digest = content_digest(content)
    for digits in (8, 16, 32, 64):
        kept = path.with_name(f"{path.stem}.{mark}-{digest[:digits]}{path.suffix}")
        # Somebody may have changed the copy.
        if read_optional(kept) in (None, content):
            break
    if writes_nothing():
        terminal.error(f"{path}: {reason}; would keep it as {kept.name}")
        return kept
    if replace(kept, content):
        with suppress(OSError):
            shutil.copystat(path, kept)
    terminal.error(f"{path}: {reason}; kept as {kept.name}")
    return kept


def unfinished_name(path: Path) -> Path:
    """Return a new name for a file as long as it is not finished."""
    # Names may have 255 bytes; the suffix needs some of them.
    return path.with_name(f".{path.name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


def behind_links(path: Path) -> Path:
    """Return the file behind a symbolic link, else the path itself.

    Raises Missing for a link that leads nowhere.
    """
    if not os.path.islink(path):  # noqa: PTH114  (`is_symlink` may raise PermissionError)
        return path
    try:
        target = os.path.realpath(path, strict=True)
    except OSError as error:
        expected = "a symbolic link to a file"
        found = f"a link to {path.readlink()} ({error.strerror})"
        hint = "restore that file, or remove the link"
        raise Missing(path, expected, found, hint) from None
    return Path(target)


def open_to_read(path: Path) -> BufferedReader:
    """Return a regular file, open. Raises OSError for any other.

    To open a FIFO would wait for another program, and to open a device may set it off.
    """
    return open(path, "rb", opener=_open)


def open_to_append(path: Path) -> FileIO:
    """Return a regular file, open at its end; made when it is not there. Raises OSError."""
    return open(path, "ab", buffering=0, opener=_open)


def _open(path: str, flags: int) -> int:
    with suppress(FileNotFoundError):
        kind = stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if kind != stat.S_IFREG:
            found = f"{_KINDS.get(kind, 'something else')}, not a regular file"
            raise OSError(errno.EINVAL, found, path)
    # Whoever puts a FIFO there meanwhile does not make us wait either.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY, 0o666)


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file. Raises OSError."""
    with open_to_read(path) as source:
        return source.read()


def read(path: Path) -> bytes:
    """Return the bytes of a file that must be there. Raises Missing."""
    with report_read_errors(path):
        return read_bytes(path)


def read_optional(path: Path) -> bytes | None:
    """Return the bytes of a file; None when there is none.

    Raises Missing for a file that cannot be read, and for a link that leads nowhere.
    """
    if is_present(path):
        return read(path)
    return None


def is_present(path: Path) -> bool:
    """Return whether there is something at a path. Raises Missing when that cannot be known."""
    with report_read_errors(path):
        try:
            path.stat()
        except NotADirectoryError:
            return False
        except FileNotFoundError:
            for place in (path, *path.parents):
                behind_links(place)
            return False
        return True


def list_names(folder: Path) -> list[str]:
    """Return the names of what is directly in a folder; none when it is no folder.

    Raises Missing for a folder that cannot be listed.
    """
    no_folder = suppress(FileNotFoundError, NotADirectoryError)
    with report_read_errors(folder, "a folder that can be listed"), no_folder:
        return os.listdir(folder)  # noqa: PTH208  (names, not a path for each)
    return []


def kind(path: Path) -> str:
    """Return what is at a path, in words; links are followed."""
    with suppress(OSError):
        return _KINDS.get(stat.S_IFMT(path.stat().st_mode), "a file")
    return "a link that leads nowhere"


def is_file(path: Path) -> bool:
    """Return whether a regular file is at a path. Raises Missing when that cannot be known."""
    with report_read_errors(path):
        return path.is_file()


def is_folder(path: Path) -> bool:
    """Return whether a folder is at a path. Raises Missing when that cannot be known."""
    with report_read_errors(path):
        return path.is_dir()


def nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists. Raises OSError."""
    while not path.exists():
        path = path.parent
    return path


def device_of(path: Path) -> int:
    """Return the device that a path is on, or would be on. Raises Missing."""
    with report_read_errors(path):
        return nearest(path).stat().st_dev


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, through to the disk. Raises OSError."""
    if os.path.isdir(folder):  # noqa: PTH112  (`is_dir` may raise PermissionError)
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # names may be added here that this account may not list
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Write files, or the names in folders, through to the disk. Raises Missing.

    Several at once: a disk writes many through in little more than the time of one.
    """
    from concurrent.futures import ThreadPoolExecutor  # here: most scripts copy nothing

    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as threads:
        for _ in threads.map(_sync_one, paths):
            pass


def _sync_one(path: Path) -> None:
    with report_write_errors(path):
        sync(path)


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


def _mark_time(path: Path) -> None:
    """Set a file's time to now.

    The system's own times are those of its last tick: by this one, the file is told from any that
    is written within the same tick.
    """
    now = time.time_ns()
    # Some file systems do not let it be set.
    with suppress(OSError):
        os.utime(path, ns=(now, now))


def content_digest(content: bytes) -> str:
    """Return the SHA-256 digest of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest(path: Path) -> str:
    """Return the SHA-256 digest of a file of any size, in hex. Raises OSError."""
    with open_to_read(path) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def sha256(path: Path) -> str:
    """Return what `digest` does. Raises Missing."""
    with report_read_errors(path):
        return digest(path)


def digest_with_end(path: Path, size: int) -> tuple[str, bytes]:
    """Return the SHA-256 digest of a file of any size, in hex, and its last bytes.

    Raises Missing.
    """
    with report_read_errors(path), open_to_read(path) as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        end = source.seek(0, os.SEEK_END)
        source.seek(max(end - size, 0))
        return digest, source.read(size)
