"""Copies that this project kept beside its files: what was edited, foreign or of an old version."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from postrun.verify import files
from postrun.verify.findings import Finding, broken, listed

# As core/disk.py names them. Two files of one start have longer digests in their names.
_NAME = re.compile(r"(?P<stem>.+)\.(edited|foreign)-(?P<digits>[0-9a-f]{8,64})(?P<suffix>\.\w+)")
_VERSION = re.compile(r"(?P<stem>.+)\.v\d+(?P<suffix>\.\w+)")


def original(path: str) -> str | None:
    """Return the path of the file that a copy was kept of; None for any other file."""
    folder, _, name = path.rpartition("/")
    match = _NAME.fullmatch(name) or _VERSION.fullmatch(name)
    if match is None:
        return None
    return f"{folder}/{match['stem']}{match['suffix']}"


def check(root: Path, path: str, recorded: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a copy, as broken when it is not what its name or the workspace's record says.

    `recorded` holds the digests of copies whose names have none.
    """
    digest = files.digest(root / path)
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is not None:
        expected = f"SHA-256 {match['digits']}..., as in its name"
        is_right = digest.sha256 is not None and digest.sha256.startswith(match["digits"])
    elif path in recorded:
        expected = files.shown(recorded[path])
        is_right = digest.sha256 == recorded[path]
    else:
        yield broken(
            path,
            "a copy that workspace_record.json lists",
            str(digest),
            "move it away",
        )
        return
    if is_right:
        yield listed(
            path,
            expected,
            "a kept copy, unchanged",
            "nothing depends on it",
        )
    else:
        yield broken(
            path,
            expected,
            str(digest),
            "restore it from a backup, or move it away",
        )
