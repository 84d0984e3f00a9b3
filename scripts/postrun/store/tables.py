"""The workspace's tables by their artifact's name: where each is, and which columns it has."""

from collections.abc import Iterable
from pathlib import Path

from postrun.core import disk, locations
from postrun.core.errors import Invalid, Missing
from postrun.store import csv_files, json_files

Row = csv_files.Row
Rows = list[Row]

_CLOSE_FIRST = "close a run first: make finalize TAG=..."


def read_table(root: Path, name: str) -> Rows:
    """Return the rows of a table; none when there is no such file, or another program's.

    Raises Missing for a file that cannot be read, Invalid.
    """
    path = locations.workspace_path(root, name)
    if _is_foreign(path, name):
        return []
    columns = json_files.columns(name)
    return csv_files.read_rows(path, columns)


def read_existing(root: Path, name: str, hint: str = _CLOSE_FIRST) -> Rows:
    """Return the rows of a table that must be there. Raises Missing with the hint, Invalid."""
    path = locations.workspace_path(root, name)
    if not disk.is_present(path):
        expected = "a table"
        raise Missing(path, expected, "nothing there", hint)
    if _is_foreign(path, name):
        expected = "a table of this project"
        found = "another program's"
        raise Invalid(path, expected, found, hint)
    return read_table(root, name)


def _is_foreign(path: Path, name: str) -> bool:
    """Return whether another program wrote what is at the path of a table."""
    if not disk.is_present(path):
        return False
    content = disk.read(path)
    if not content.strip():
        return False
    columns = json_files.columns(name)
    return not csv_files.is_ours(content, columns)


def write_table(
    root: Path,
    name: str,
    rows: Iterable[Row],
    known: Iterable[Row] = (),
) -> Path:
    """Write a table of rows that have exactly its columns. Return its path. Raises Invalid.

    Each row is checked against the table's schema, but for those that are among the `known`: they
    were checked when they were written.
    """
    path = locations.workspace_path(root, name)
    columns = json_files.columns(name)
    # A table grows with the archive; one more run must not check all the others again.
    checked = set()
    for row in known:
        cells = tuple(row.values())
        checked.add(cells)

    def check(row: Row) -> None:
        cells = tuple(row.values())
        if cells not in checked:
            thing = f"{path}: {row['run']}"
            json_files.check(row, name, thing)

    csv_files.write_rows(path, rows, columns, check)
    return path


def select(rows: Iterable[Row], columns: Iterable[str]) -> Rows:
    """Return the rows with only these columns, in this order."""
    names = list(columns)
    selected = []
    for row in rows:
        selected.append({name: row[name] for name in names})
    return selected
