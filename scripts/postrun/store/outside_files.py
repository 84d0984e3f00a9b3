"""Files that a person asks for: where they may be written, and what they may take the place of."""

import os
from pathlib import Path

from postrun.core import disk, locations
from postrun.core.errors import Missing, Usage


def check_place(root: Path, path: Path, flag: str) -> None:
    """Raise Missing without a folder to write into, Usage for one of a workspace's own."""
    folder = path.parent
    if not disk.is_folder(folder):
        hint = "make it first"
        raise Missing(folder, "a folder", "none", hint)
    # What no step wrote there, `make verify` would name. A link may lead there, too.
    audit = (root / locations.RUNS).parent
    gates = root / locations.GATES
    closed = [audit.resolve(), gates.resolve()]
    folders = [folder.resolve(), path.resolve().parent]
    for place in folders:
        if any(map(place.is_relative_to, closed)):
            expected = "a file outside of audit/ and gate_results/"
            raise Usage(flag, expected, str(path))


def check_new(root: Path, path: Path, flag: str) -> None:
    """Raise Usage or Missing for a file that may not be made."""
    check_place(root, path, flag)
    # A link that leads nowhere is something, too.
    if os.path.lexists(path):
        found = f"{path}, which is there already"
        raise Usage(flag, "a new file", found)


def check_replaced(
    root: Path,
    path: Path,
    flag: str,
    beginning: bytes,
) -> None:
    """Raise Usage or Missing for a file that may not be written again.

    One that begins like this was written by the same command, and an empty one is nobody's.
    """
    check_place(root, path, flag)
    if not disk.is_present(path):
        return
    content = disk.read(path)
    if content and not content.startswith(beginning):
        expected = "a new file, or one that this command wrote"
        found = f"{path}, which is another"
        raise Usage(flag, expected, found)
