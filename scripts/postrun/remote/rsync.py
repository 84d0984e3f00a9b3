"""Copy files from a workstation with rsync, and say in rsync's own words why it failed."""

import os
import posixpath
import re
import shutil
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.errors import HostRejected, Invalid, Missing, PostRunError, Unreachable
from postrun.remote import commands, ssh_errors

# rsync's exit codes (its manual, "EXIT VALUES").
_REFUSED = (1, 2, 3, 4, 5, 6)  # usage, protocol, file selection, not supported
_FILE_ERROR = 11
_STREAM = 12
_PARTIAL = 23
_NO_PROGRAM = 127
_SEVERAL_LINES = 3
_SPOKEN = re.compile(r"rsync|ssh|is your shell clean", re.IGNORECASE)
_LOCAL_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|File too large"
    r"|\[(?:[Rr]eceiver|generator)\].*Permission denied|\bmkdir .*Permission denied"
)
# sh and bash, csh, fish; a login profile may miss other programs.
_NOT_FOUND = re.compile(r"rsync: (?:command )?not found|Unknown command: .?rsync", re.IGNORECASE)


def copy(
    host: Any,
    names: Mapping[str, Sequence[str]],
    destination: Path,
    timeout: float,
    show_progress: bool,
) -> None:
    """Copy files of some folders of a host. Links are skipped, nothing is deleted.

    `names` has, by absolute folder, files named from there; a folder keeps its own name, without
    those above it. Raises Missing for an rsync that is not there and for a disk that is full
    here, Invalid for a file that may not be read there, Unreachable for an outage, HostRejected for
    what no waiting mends.
    """
    if shutil.which("rsync") is None:
        raise Missing("rsync", "a program on this machine", "nothing on PATH", "install it")
    # All names begin at its root: one that began with # would be a comment.
    source, connection = host.rsync_source("/")
    listed = destination.with_name(f"{destination.name}.names")
    content = b""
    for folder in names:
        come = destination / posixpath.basename(folder)
        _remove_unready(come)
        with disk.report_write_errors(come):
            disk.make_folder(come)
        content += _list(folder, names[folder])
    with disk.report_write_errors(listed):
        listed.write_bytes(content)
    command = ["rsync", "-t", "--from0", f"--files-from={listed.absolute()}"]
    command += [f"--timeout={max(1, int(timeout))}", *connection]
    progress = None
    if show_progress:
        command.append(_progress_flag())
        progress = sys.stderr
    command += [source, f"{destination.absolute()}/"]
    result = commands.run(command, timeout=None, stdout=progress)
    if result.code != 0:
        raise _error(", ".join(names), host.name, result.code, result.stderr)


def add(
    host: Any,
    source: Path,
    destination: str,
    timeout: float,
) -> None:
    """Add the files below a folder here to a folder of a host, what links lead to in their place.

    A file that is there is not touched. Raises what `copy` raises.
    """
    if shutil.which("rsync") is None:
        raise Missing("rsync", "a program on this machine", "nothing on PATH", "install it")
    target, connection = host.rsync_source(destination)
    command = ["rsync", "-rL", "--ignore-existing"]
    command += [f"--timeout={max(1, int(timeout))}", *connection]
    command += [f"{source.absolute()}/", target]
    result = commands.run(command, timeout=None)
    if result.code != 0:
        raise _error(str(source), host.name, result.code, result.stderr)


def _list(folder: str, names: Sequence[str]) -> bytes:
    """Return the names of files as rsync reads them: what comes before `/./` stays there."""
    above, name = posixpath.split(folder)
    start = os.fsencode(f"{above}/./{name}/")
    return b"".join(start + os.fsencode(file) + b"\0" for file in names)


def _remove_unready(destination: Path) -> None:
    """Remove what an earlier copy did not give its mode: this one would take it for whole.

    Until rsync sets the mode of a file or folder, it lets nobody else read it.
    """
    for path in list(destination.rglob("*")):
        with suppress(OSError):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if mode == 0o600:
                path.unlink()
            elif mode == 0o700:
                shutil.rmtree(path)


def _error(folders: str, name: str, code: int, message: str) -> PostRunError:
    """Return the error for an rsync that failed, with its own words."""
    if code == _NO_PROGRAM or _NOT_FOUND.search(message):
        return missing_program(name)
    thing = f"rsync of {folders} from workstation {name}"
    expected = "a whole copy"
    said = f"exit code {code} ({_lines(message)})"
    if code == _FILE_ERROR or _LOCAL_DISK.search(message):
        hint = "make room on this machine, or see who may write there; then run the same again"
        return Missing(thing, "a copy that can be written here", said, hint)
    if code == _PARTIAL and "Permission denied" in message:
        hint = "let this account read the file there; then run the same again"
        return Invalid(thing, expected, said, hint)
    unclean = code == _STREAM and "is your shell clean" in message
    if unclean or code in _REFUSED or ssh_errors.is_refused(message):
        return HostRejected(thing, expected, said)
    return Unreachable(thing, expected, said, "the next sync goes on from here")


def missing_program(name: str) -> Missing:
    """Return the error for a workstation without rsync."""
    return Missing(
        f"rsync on workstation {name}",
        "a program",
        "nothing on its PATH",
        "install it there",
    )


def _lines(message: str) -> str:
    """Return the first lines of rsync or ssh, which say why.

    The last one has only the exit code and a source line.
    """
    lines = [line for line in message.splitlines() if line.strip()]
    spoken = [line for line in lines if _SPOKEN.search(line)]
    return " / ".join((spoken or lines or ["no message"])[:_SEVERAL_LINES])[:400]


def _progress_flag() -> str:
    """Return rsync's flag for progress in one line; old ones, macOS' too, have it only by file."""
    if commands.run(["rsync", "--info=help"], timeout=None).code == 0:
        return "--info=progress2"
    return "--progress"
