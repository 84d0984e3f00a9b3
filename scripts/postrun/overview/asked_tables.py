"""The tables that SQL may name: where each comes from, its columns, and its rows as they are on
disk.

Names and types of columns are those of the schemas. Lists and objects are JSON.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk, locations, run_names
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import chains, csv_files, json_files, ledger, run_folders
from postrun.store.sql_engine import Database

Rows = Iterator[Json]

_AUDIT = "governance_audit_check"
_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "array": "JSON",
    "object": "JSON",
}
# What is asked where nothing is.
LIST = "tables"
_LIST_COLUMNS = (
    "table_name",
    "column_name",
    "type",
    "description",
)


@dataclass(frozen=True)
class AskedTable:
    """One table. `part` is the list in each document that has its rows; a row may have a run."""

    artifact: str
    read: Callable[[Path, "AskedTable"], Rows]
    part: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    has_run: bool = False
    has_member: bool = False

    def described(self) -> dict[str, json_files.Member]:
        """Return the columns as the schema describes them, in order."""
        members = json_files.members(self.artifact, *self.part)
        for name in self.without:
            del members[name]
        if self.has_run:
            run = json_files.members(_AUDIT)["run_folder"]
            members = {"run": run, **members}
        if self.has_member:
            members = {**members, "member": json_files.members(chains.TEAM)["member"]}
        return members

    def columns(self) -> dict[str, str]:
        """Return the type of each column, in order."""
        types = {}
        for name, member in self.described().items():
            types[name] = _TYPES[member.kind]
        return types


def _read_csv(root: Path, table: AskedTable) -> Rows:
    path = locations.workspace_path(root, table.artifact)
    columns = json_files.columns(table.artifact)
    later = json_files.later_columns(table.artifact)
    yield from csv_files.read_rows(path, columns, later)


def _read_ledgers(root: Path, table: AskedTable) -> Rows:
    """Yield the rows of the own ledger, then those of each other member of a team."""
    own = chains.own_member(root) or None
    path = locations.workspace_path(root, table.artifact)
    for member, file in ((own, path), *chains.list_others(root).items()):
        for row in _read_ledger(file, table):
            yield {**row, "member": member}


def _read_ledger(path: Path, table: AskedTable) -> Rows:
    content = disk.read_optional(path) or b""
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        thing = f"{path}:{number}"
        row = json_files.parse(
            line,
            thing,
            table.artifact,
        ).members
        # Rows of the first release do not say it.
        row["kind"] = ledger.kind(row)
        yield row


def _read_plan(root: Path, table: AskedTable) -> Rows:
    path = locations.workspace_path(root, table.artifact)
    if disk.is_present(path):
        plan = json_files.load(path, table.artifact)
        (name,) = table.part
        yield from plan[name]


def _read_audits(root: Path, table: AskedTable) -> Rows:
    """Yield the audit of each run that has one, or each check of it."""
    for folder in run_folders.list_folders(root):
        if run_names.parse_run_name(folder) is None:
            continue
        run_paths = RunPaths(root, folder, None)
        path = run_paths.path(table.artifact)
        # A run that is not closed yet has none.
        if not disk.is_present(path):
            continue
        audit = json_files.load(path, table.artifact)
        rows = [audit]
        for name in table.part:
            rows = audit[name]
        for row in rows:
            row["run"] = folder
            yield row


TABLES = {
    "registry": AskedTable(
        "factor_experiment_registry",
        _read_csv,
    ),
    "trial_statistics": AskedTable(
        "trial_statistics",
        _read_csv,
    ),
    "factor_statistics": AskedTable(
        "factor_statistics",
        _read_csv,
    ),
    "candidate_queue": AskedTable(
        "factor_candidate_queue",
        _read_csv,
    ),
    "failure_patterns": AskedTable(
        "failure_patterns",
        _read_csv,
    ),
    "next_run_plan": AskedTable(
        "next_run_plan",
        _read_plan,
        part=("commands",),
    ),
    "ledger": AskedTable(
        "stage_ledger",
        _read_ledgers,
        has_member=True,
    ),
    # `run` joins with the other tables, in place of the document's own name for it.
    "audits": AskedTable(
        _AUDIT,
        _read_audits,
        without=("run_folder", "checks"),
        has_run=True,
    ),
    "audit_checks": AskedTable(
        _AUDIT,
        _read_audits,
        part=("checks",),
        has_run=True,
    ),
}


def add_named(database: Database, root: Path, sql: str) -> None:
    """Add every table whose name is in the SQL. Raises Missing, Invalid.

    One that is not there yet has no rows. A table that is not named is not there at all, so that no
    roundabout way of naming it can find it empty.
    """
    asked = sql.lower()
    for name, table in TABLES.items():
        if name in asked:
            _add(database, root, name, table)
    if LIST in asked:
        _add_list(database)


def _add(
    database: Database,
    root: Path,
    name: str,
    table: AskedTable,
) -> None:
    columns = table.columns()
    rows = []
    for row in table.read(root, table):
        # An earlier version of a document lacks some of them.
        values = map(row.get, columns)
        cells = list(map(_cell, values, columns.values()))
        rows.append(cells)
    try:
        database.add_table(
            name,
            columns,
            rows,
        )
    except ValueError as error:
        thing = f"table {name}"
        expected = "values of the types of its columns"
        raise Invalid(thing, expected, str(error)) from None


def _cell(value: Any, kind: str) -> Any:
    """Return a value as DuckDB takes it: JSON as text, and no half of a pair of surrogates."""
    if value is None:
        return None
    if kind == "JSON":
        content = json_files.encode(value, indent=None)
        return content.decode().rstrip()
    if isinstance(value, str) and not value.isascii():
        # A file name that is not UTF-8 is an escape, as in the CSV tables.
        content = value.encode(errors="backslashreplace")
        return content.decode()
    return value


def _add_list(database: Database) -> None:
    """Add the table that lists the columns of all others."""
    rows = []
    for name, table in TABLES.items():
        for column, member in table.described().items():
            row = name, column, _TYPES[member.kind], member.description
            rows.append(row)
    columns = dict.fromkeys(_LIST_COLUMNS, "VARCHAR")
    database.add_table(
        LIST,
        columns,
        rows,
    )
