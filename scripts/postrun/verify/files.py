"""Files as they are on disk: what cannot be read is named, and nothing is waited for.

A FIFO or a device in place of a file would keep a reader waiting for ever.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}
NOTHING = "nothing there"
_SHOWN_DIGITS = 16  # of a digest in a message


class Unreadable(Exception):
    """A file cannot be read. `str()` says why."""


@dataclass(frozen=True)
class Digest:
    """The SHA-256 of a file, or why there is none."""

    sha256: str | None
    problem: str = ""

    def __str__(self) -> str:
        """Return it as messages have it."""
        return shown(self.sha256) if self.sha256 else self.problem


def shown(sha256: str | None) -> str:
    """Return a digest as messages have it."""
    if sha256 is None:
        return "no digest"
    return f"SHA-256 {sha256[:_SHOWN_DIGITS]}..."


def of_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def digest(path: Path) -> Digest:
    """Return the digest of a regular file, also of one behind a symbolic link."""
    try:
        with _open(path) as source:
            sha256 = hashlib.file_digest(source, "sha256")
    except Unreadable as error:
        return Digest(None, str(error))
    except OSError as error:
        return Digest(None, _reason(error))
    return Digest(sha256.hexdigest())


def read(path: Path) -> bytes:
    """Return the bytes of a regular file. Raises Unreadable."""
    try:
        with _open(path) as source:
            return source.read()
    except OSError as error:
        raise Unreadable(_reason(error)) from error


def _open(path: Path) -> BufferedReader:
    """Return a regular file, open to be read. Raises Unreadable for anything else, OSError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise Unreadable(NOTHING) from None
    if not stat.S_ISREG(mode):
        raise Unreadable(_KINDS.get(stat.S_IFMT(mode), "no file"))
    return path.open("rb")


def _reason(error: OSError) -> str:
    return str(error.strerror or error)


def is_file(path: Path) -> bool:
    """Return whether a regular file can be seen at a path; links are followed.

    Nothing is seen in a folder that cannot be read, which is a finding itself.
    """
    return os.path.isfile(path)  # noqa: PTH113  (of a `Path`, it may be an error)


def is_link(path: Path) -> bool:
    """Return whether a symbolic link can be seen at a path."""
    return os.path.islink(path)  # noqa: PTH114


def is_there(path: Path) -> bool:
    """Return whether something can be seen at a path; links are followed."""
    return os.path.exists(path)  # noqa: PTH110


def kind_of(path: Path) -> str:
    """Return what is at a path, in words; links are not followed."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return NOTHING
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def walk(root: Path, folder: str, unreadable: dict[str, str]) -> Iterator[str]:
    """Yield the path of everything below a folder but the folders, relative to the root.

    A link to a folder is a link. A folder that cannot be read is added to `unreadable`.
    """
    for entry in _scan(root, folder, unreadable):
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from walk(root, path, unreadable)
        else:
            yield path


def list_files(root: Path, folder: str, unreadable: dict[str, str]) -> Iterator[str]:
    """Yield the path of everything that is directly in a folder but the folders, as `walk` does."""
    for entry in _scan(root, folder, unreadable):
        # `entry.is_dir` raises for a link to itself.
        if not os.path.isdir(entry.path):  # noqa: PTH112
            yield f"{folder}/{entry.name}"


def _scan(root: Path, folder: str, unreadable: dict[str, str]) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        unreadable[folder] = _reason(error)
        return []
