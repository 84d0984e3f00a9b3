"""The workspace's tables by their artifact's name: where each is, and which columns it has."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from postrun.core import disk, locations, step_notes, terminal
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import csv_files, json_files, known_files, records
from postrun.store.records import Output
from postrun.store.table_index import IndexedTable

Row = csv_files.Row
Rows = list[Row]

# What a closing changes in the rows of other runs.
_STANDING = (
    *("state", "recurrence", "first_seen", "last_seen"),
    *("trials_now", "rank_now", "p_family_now"),
)
_CLOSE_FIRST = "close a run first: make finalize TAG=..."


# The tables that this process has read, each with its bytes and their digest.
_indexed: dict[Path, IndexedTable] = {}


def read_table(root: Path, name: str) -> Rows:
    """Return the rows of a table; none when there is no such file, or another program's.

    Raises Missing for a file that cannot be read, Invalid for one that is not as it was recorded.
    """
    return open_table(root, name).select()


def open_table(root: Path, name: str) -> IndexedTable:
    """Return a table to be asked for its rows. It has none, and raises, as `read_table` does."""
    table = _open(root, name)
    if table is None:
        return of_rows(root, name, [])
    workspace = RunPaths.of_workspace(root)
    records.check_digest(
        workspace,
        name,
        table.path,
        table.digest,
    )
    return table


def _open(root: Path, name: str) -> IndexedTable | None:
    """Return a table as it is on disk; None without one, and for another program's.

    Raises Missing.
    """
    path = locations.workspace_path(root, name)
    while disk.is_present(path):
        digest = known_files.digest(root, path)
        known = _indexed.get(path)
        if known is not None and known.digest == digest:
            return known
        content = disk.read(path)
        # Another process may have written it in between.
        if known_files.digest(root, path) != digest:
            continue
        if not content or _is_foreign(content, name):
            return None
        _indexed[path] = _index(root, name, content, digest)
    return None


def of_rows(root: Path, name: str, rows: Rows) -> IndexedTable:
    """Return rows that are not written yet as a table to be asked."""
    path = locations.workspace_path(root, name)
    columns = json_files.columns(name)
    content = csv_files.encode_rows(
        path,
        rows,
        columns,
        check=lambda row: row,
    )
    digest = disk.content_digest(content)
    return _index(root, name, content, digest)


def _index(
    root: Path,
    name: str,
    content: bytes,
    digest: str,
) -> IndexedTable:
    return IndexedTable(
        root,
        name,
        locations.workspace_path(root, name),
        content,
        digest,
        json_files.columns(name),
        json_files.later_columns(name),
        _STANDING,
    )


def open_recorded(root: Path, name: str) -> IndexedTable | None:
    """Return a table that is what its record says, to be asked; None for any other."""
    workspace = RunPaths.of_workspace(root)
    if not _is_recorded(workspace, name):
        return None
    path = workspace.path(name)
    with suppress(Invalid, Missing):
        if disk.is_file(path):
            table = open_table(root, name)
            # One that cannot be read is none.
            table.count()
            return table
    return None


def read_recorded(root: Path, name: str) -> Rows | None:
    """Return the rows of a table that is what its record says; None for any other."""
    table = open_recorded(root, name)
    if table is None:
        return None
    return table.select()


def is_made_from(root: Path, name: str, source: str) -> bool:
    """Return whether a table was made from another one as that is recorded now."""
    workspace = RunPaths.of_workspace(root)
    made = _recorded(workspace, name)
    recorded = _recorded(workspace, source)
    if made is None or recorded is None:
        return False
    digests = set()
    for used in made["inputs"]:
        if used["path"] == recorded["path"]:
            digests.add(used["sha256"])
    return recorded["sha256"] in digests


def _is_recorded(workspace: RunPaths, name: str) -> bool:
    return _recorded(workspace, name) is not None


def _recorded(workspace: RunPaths, name: str) -> Row | None:
    """Return what is recorded of a table; None when nothing is."""
    record = records.load_for(workspace, name)
    if record is None:
        return None
    path = workspace.path(name)
    file = workspace.relative(path)
    return record.file(file)


def read_unproven(root: Path, name: str) -> Rows:
    """Return the rows of a table, whoever changed it; none when it cannot be read."""
    path = locations.workspace_path(root, name)
    with suppress(Invalid, Missing):
        return _read_rows(path, name)
    return []


def _read_rows(path: Path, name: str) -> Rows:
    columns = json_files.columns(name)
    later = json_files.later_columns(name)
    return csv_files.read_rows(path, columns, later)


def keep_earlier(root: Path, name: str) -> None:
    """Keep a table with the columns of an earlier release beside, as `<name>.v<version>.csv`."""
    workspace = RunPaths.of_workspace(root)
    path = workspace.path(name)
    content = disk.read_optional(path) or b""
    if not csv_files.is_ours(content, json_files.columns(name)):
        return
    header, _, _ = content.partition(b"\n")
    columns = header.decode("utf-8-sig", errors="replace").strip().split(",")
    version = json_files.table_version(name, columns)
    if version is None or disk.writes_nothing():
        return
    kept = path.with_name(f"{path.stem}.v{version}{path.suffix}")
    # The first one is the one that this program met.
    if disk.is_present(kept):
        return
    disk.replace(kept, content)
    records.note_copy(workspace, kept)
    terminal.error(f"{path}: the columns of an earlier release; kept as {kept.name}, made again")


def note_rows(root: Path, name: str, rows: Rows) -> None:
    """Note rows of a table as an input of the running step."""
    used = input_of_rows(root, name, rows)
    step_notes.note(**used)


def note_written(root: Path, name: str) -> None:
    """Note a table that the running step has written as an input of what it writes next."""
    workspace = RunPaths.of_workspace(root)
    path = workspace.path(name)
    if disk.is_file(path):
        file = workspace.relative(path)
        digest = known_files.digest(root, path)
        step_notes.note(file, digest)


def note(table: IndexedTable) -> None:
    """Note a whole table as an input of the running step."""
    workspace = RunPaths.of_workspace(table.root)
    file = workspace.relative(table.path)
    step_notes.note(file, table.digest)


def input_of_rows(root: Path, name: str, rows: Rows) -> Row:
    """Return rows of a table as what a file is made from."""
    workspace = RunPaths.of_workspace(root)
    path = workspace.path(name)
    content = json_files.encode(rows, indent=None)
    digest = disk.content_digest(content)
    return {
        "path": workspace.relative(path),
        "sha256": digest,
        "rows": len(rows),
    }


def read_existing(
    root: Path,
    name: str,
    hint: str = _CLOSE_FIRST,
) -> Rows:
    """Return the rows of a table that must be there. Raises Missing with the hint, Invalid."""
    return open_existing(root, name, hint).select()


def open_existing(
    root: Path,
    name: str,
    hint: str = _CLOSE_FIRST,
) -> IndexedTable:
    """Return a table that must be there, to be asked. Raises Missing with the hint, Invalid."""
    path = locations.workspace_path(root, name)
    if not disk.is_present(path):
        expected = "a table"
        raise Missing(path, expected, "nothing there", hint)
    if _open(root, name) is None and _is_foreign(disk.read(path), name):
        expected = "a table of this project"
        found = "another program's"
        raise Invalid(path, expected, found, hint)
    return open_table(root, name)


def check_rows(table: IndexedTable) -> None:
    """Raise Invalid when a row of a table does not fit its schema.

    Each row is checked once, when it is written or when the table is read for the first time.
    """
    thing = str(table.path)

    def check(row: Row) -> None:
        json_files.check(row, table.name, thing)

    table.check(check)


def _is_foreign(content: bytes, name: str) -> bool:
    """Return whether another program wrote these bytes, which lie where a table is."""
    if not content or content.isspace():
        return False
    columns = json_files.columns(name)
    return not csv_files.is_ours(content, columns)


def write_table(
    root: Path,
    name: str,
    rows: Iterable[Row],
    known: Iterable[Row] = (),
    own_run: str = "",
) -> Path:
    """Write a table of rows that have exactly its columns. Return its path. Raises Invalid.

    Each row is checked against the table's schema, except those that are among the `known`: they
    were checked when they were written. Show which rows had been changed by others; those of
    `own_run` change with its closing.
    """
    workspace = RunPaths.of_workspace(root)
    path = workspace.path(name)
    columns = json_files.columns(name)
    all_rows = list(rows)
    # A table grows with the archive; one more run must not check all the others again.
    checked = set()
    for row in known:
        cells = tuple(row.values())
        checked.add(cells)

    def check(row: Row) -> None:
        cells = tuple(row.values())
        if cells not in checked:
            thing = f"{path}: {_subject(row)}"
            json_files.check(row, name, thing)

    _report_changed_rows(workspace, name, all_rows, own_run)
    content = csv_files.encode_rows(path, all_rows, columns, check)
    is_ours = partial(csv_files.is_ours, columns=columns)
    output = Output(path, content, is_ours)
    records.write(workspace, name, [output])
    return path


def update_rows(
    table: IndexedTable,
    rows: Rows,
    key: str,
) -> Path:
    """Write rows into a table that is as recorded: each in place of the one with the same key, or
    last. Return its path. Raises Invalid.
    """
    if not rows:
        return table.path
    lines = [_checked_line(table, row) for row in rows]
    keys = [row[key] for row in rows]
    places = table.places(key, keys)

    changed = dict(zip(places, lines, strict=True))
    number = table.count()
    content = csv_files.replace_lines(
        table.content,
        changed,
        number,
    )
    if content is None:
        by_place = dict(zip(places, rows, strict=True))
        return _update_whole(table, by_place)
    is_ours = partial(csv_files.is_ours, columns=table.columns)
    output = Output(table.path, content, is_ours)
    workspace = RunPaths.of_workspace(table.root)
    records.write(workspace, table.name, [output])
    if not disk.writes_nothing():
        read_back = csv_files.parse_lines(lines, table.path, table.columns)
        by_place = dict(zip(places, read_back, strict=True))
        table.put(by_place, content, output.digest)
    return table.path


def _checked_line(table: IndexedTable, row: Row) -> bytes:
    """Return a row as a line of the table. Raises Invalid."""
    thing = f"{table.path}: {_subject(row)}"
    json_files.check(row, table.name, thing)
    return csv_files.encode_row(table.path, row, table.columns)


def _update_whole(
    table: IndexedTable,
    rows: Mapping[int, Row],
) -> Path:
    """Write the whole table with these rows, by number: of one whose cells have line breaks."""
    known = table.select()
    by_place = dict(enumerate(known, 1))
    by_place.update(rows)
    return write_table(
        table.root,
        table.name,
        by_place.values(),
        known,
    )


def _report_changed_rows(
    workspace: RunPaths,
    name: str,
    rows: Rows,
    own_run: str,
) -> None:
    """Show which rows of a table on disk were changed since it was written."""
    path = workspace.path(name)
    if not _is_recorded(workspace, name):
        return
    if not disk.is_file(path):
        return
    content = disk.read(path)
    if records.is_as_written(workspace, name, path, content):
        return
    found = read_unproven(workspace.root, name)
    present = _without_standing(found)
    expected = _without_standing(rows)
    changed = set()
    for row in present + expected:
        # A row that was changed is in one of the two only.
        if row not in present or row not in expected:
            subject = _subject(row)
            changed.add(subject)
    changed.discard(own_run)
    if not changed:
        return
    subjects = ", ".join(sorted(changed))
    terminal.error(f"{path}: rows that had been changed: {subjects}")


def _subject(row: Row) -> str:
    """Return what a row is about: a run, or a family."""
    subject = row.get("run") or row["family"]
    return str(subject)


def _without_standing(rows: Rows) -> Rows:
    """Return the rows without the columns that the closing of another run changes."""
    remaining = []
    for row in rows:
        kept = row.copy()
        for name in _STANDING:
            kept.pop(name, None)
        remaining.append(kept)
    return remaining


def select(rows: Iterable[Row], columns: Iterable[str]) -> Rows:
    """Return the rows with only these columns, in this order."""
    names = list(columns)
    selected = []
    for row in rows:
        cells = {name: row[name] for name in names}
        selected.append(cells)
    return selected
