"""Archives of closed runs: which files of a run are in one, as the ledger says.

`audit/archive/<run>-<first 8 of its SHA-256>.tar.xz` holds files that were moved away, each under
its path from the root; the index beside it lists them with size and digest. A row of kind retention
names both by their digests. As long as the newest such row of a run says `archived`, these files
count as if they were in their places.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import json_files, ledger

Json = dict[str, Any]

INDEX = "archive"  # schema of the index
ARCHIVED, RESTORED = "archived", "restored"
RESTORE = "bring its files back first: make retention-restore TAG=..."
_BACKUP = "restore it from a backup"


@dataclass(frozen=True)
class Archived:
    """What of a run is archived now: the row of the ledger, and the files by path."""

    row: Json
    files: dict[str, Json]


def newest_row(root: Path, run: str) -> Json | None:
    """Return the newest row of kind retention about a run. Raises Missing, Invalid."""
    for row in reversed(ledger.rows_of(root, run)):
        if ledger.kind(row) == ledger.RETENTION:
            return row
    return None


def row_in_force(root: Path, run: str) -> Json | None:
    """Return the row that says which archive holds files of a run; None when none does."""
    row = newest_row(root, run)
    if row is None or row["action"] != ARCHIVED:
        return None
    return row


def find(run_paths: RunPaths) -> Archived | None:
    """Return what of a run is archived; None when nothing is.

    Raises Missing, Invalid for an archive or an index other than the ledger names.
    """
    row = row_in_force(run_paths.root, run_paths.run)
    if row is None:
        return None
    check_archive(run_paths.root, row)
    files = read_index(run_paths.root, row)
    return Archived(row, files)


def read_index(root: Path, row: Json) -> dict[str, Json]:
    """Return the files in the archive of a row, by path. Raises Missing, Invalid."""
    path = root / row["index"]
    _check_file(path, row["index_sha256"], row)
    content = disk.read(path)
    index = json_files.parse(content, path, INDEX).value
    return {file["path"]: file for file in index["files"]}


def check_archive(root: Path, row: Json) -> None:
    """Raise Missing, Invalid unless the archive is the one that a row names."""
    _check_file(root / row["archive"], row["archive_sha256"], row)


def _check_file(
    path: Path,
    sha256: str,
    row: Json,
) -> None:
    expected = f"the file that row {row['number']} of the ledger names ({sha256[:12]})"
    if not disk.is_present(path):
        raise Invalid(path, expected, "nothing there", _BACKUP)
    actual = disk.sha256(path)
    if actual != sha256:
        raise Invalid(path, expected, f"another ({actual[:12]})", _BACKUP)
