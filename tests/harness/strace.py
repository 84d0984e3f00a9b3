"""File operations of a program: listed, and disturbed one at a time, with strace.

operations = read_trace(trace, root)     after a program ran behind strace.command(trace)
strace.command(trace, operations[6], "KILL")     kills it as it begins the seventh operation

An operation is a system call that changes something below `root`. In the next run it is found again
by its number among the process's calls of that name, so the program must do the same every time.
"""

import functools
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

KILL = "KILL"
ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS")

_CALLS = (
    "open openat creat write pwrite64 copy_file_range sendfile fsync fdatasync truncate ftruncate "
    "fallocate rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir "
    "mkdirat rmdir chmod fchmod fchmodat chown fchown lchown fchownat utimensat"
)
# Not every machine has every call: one with `?` may be unknown there.
_TRACED = "trace=?" + ",?".join(_CALLS.split())
_OPENS = ("open", "openat")
_WRITES = re.compile("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
# A process's number (with -f), and the call; neither begins the line of a call that goes on, or of
# how a process ended.
_LINE = re.compile(r"^(?:(\d+) +)?(?:(\w+)\()?(.*)")
# The path behind a file descriptor (with -y), or an argument that is text.
_PATH = re.compile(r'<(/[^>]*)>|"([^"]+)"')
# Names of unfinished files hold something random: a process's number and more, or rsync's letters.
_RANDOM = re.compile(r"(?<=\.)\d+\.[0-9a-f]{8}(?=\.tmp$)|(?<=\.)[A-Za-z0-9]{6}$")


@dataclass(frozen=True)
class Operation:
    """One file operation of a program."""

    call: str
    ordinal: int  # among the process's calls of this name, from 1
    path: str  # from the root, without what is random

    def __str__(self) -> str:
        return f"{self.call} {self.path}"


class _Line(NamedTuple):
    """One line of a trace."""

    process: str
    is_call: bool
    operation: Operation | None  # when the call is one below the root
    text: str


@functools.cache
def why_not() -> str:
    """Return why this machine traces no program; empty when it does."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = ["strace", "-o", "/dev/null", "true"]
    done = subprocess.run(tried, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def command(trace: Path, operation: Operation | None = None, fault: str = "") -> list[str]:
    """Return what stands before a program to trace it and to disturb one of its operations."""
    words = ["strace", "-y", "-s", "0", "-e", _TRACED]
    if operation is not None:
        kind = f"signal={fault}" if fault == KILL else f"error={fault}"
        words += ["-e", f"inject={operation.call}:{kind}:when={operation.ordinal}"]
    return [*words, "-o", str(trace)]


def read_trace(trace: Path, root: Path) -> list[Operation]:
    """Return the file operations below a folder, in the order of a trace."""
    return [line.operation for line in _lines(trace, root) if line.operation is not None]


def find_disturbed(trace: Path, root: Path) -> Operation | None:
    """Return the operation that was disturbed; None when none was."""
    last: dict[str, Operation | None] = {}  # what each process does
    for line in _lines(trace, root):
        if line.is_call:
            last[line.process] = line.operation
        # The line after the call, when another process wrote one between.
        if line.text.endswith(("(INJECTED)", f"killed by SIG{KILL} +++")):
            return last.get(line.process)
    return None


def stable_name(path: str) -> str:
    """Return a path without the random part of an unfinished file's name."""
    name = path.rpartition("/")[2]
    return _RANDOM.sub("*", path) if name.startswith(".") else path


def _lines(trace: Path, root: Path) -> Iterator[_Line]:
    counts: Counter[tuple[str, str]] = Counter()  # of each process, by the name of the call
    for text in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        process, call, arguments = _LINE.findall(text)[0]
        counts[process, call] += 1
        operation = None
        path = _path(arguments.partition(") = ")[0])
        is_read = call in _OPENS and not _WRITES.search(arguments)
        if call and path is not None and not is_read:
            path = root / path  # rsync may name a path from the folder that it is in
            if path.is_relative_to(root):
                name = stable_name(path.relative_to(root).as_posix())
                operation = Operation(call, counts[process, call], name)
        yield _Line(process, bool(call), operation, text)


def _path(arguments: str) -> Path | None:
    """Return the last path among a call's arguments; a name belongs to the folder before it."""
    path = None
    folder = Path()
    for descriptor, name in _PATH.findall(arguments):
        if descriptor:
            folder = Path(descriptor)
        path = folder / name
    return path
