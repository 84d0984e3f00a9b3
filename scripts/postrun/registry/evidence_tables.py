"""Read tables of a run that the workstation wrote.

Only a file that the evidence manifest lists was compared with the workstation, and counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from postrun.core import disk
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.store import checked_files, csv_files
from postrun.store.tables import Rows


@dataclass(frozen=True)
class Table:
    """The rows of a table as they are; None when there are none to read."""

    path: str | None  # relative to the root
    rows: Rows | None
    problem: str | None = None  # why there are none


def read(
    run_paths: RunPaths,
    path: str | None,
    columns: Sequence[str],
    numbers: Sequence[str],
) -> Table:
    """Return a table with these columns, of which some hold numbers.

    Raises Invalid for one that was changed since it was fetched.
    """
    if path is None or not is_listed(run_paths, path):
        problem = "the table that the report names is not among the evidence"
        return Table(path, None, problem)
    table = run_paths.root / path
    if disk.is_file(table):
        checked_files.read_evidence(run_paths, table)
    try:
        rows = csv_files.read_external(table, columns, numbers)
    except PostRunError as error:
        problem = run_paths.without_root(error)
        return Table(path, None, problem)
    return Table(path, rows)


def is_listed(run_paths: RunPaths, path: str) -> bool:
    """Return whether the evidence manifest of a run lists a file."""
    listed = checked_files.manifest_digests(run_paths)
    if listed is None:
        return False
    return path in listed.files
