"""The tables that SQL may name, as the schemas describe them."""

from pathlib import Path

import pytest

from postrun.overview import asked_tables
from postrun.overview.asked_tables import TABLES
from postrun.store import json_files
from postrun.store.sql_engine import Database


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_type_and_a_meaning(name: str) -> None:
    described = TABLES[name].described()
    assert TABLES[name].columns().keys() == described.keys()
    assert [column for column, member in described.items() if not member.description] == []


def test_types_are_those_of_the_tables() -> None:
    types = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
    for name in ("registry", "trial_statistics", "factor_statistics", "failure_patterns"):
        table = TABLES[name]
        expected = {
            column: types[kind] for column, kind in json_files.columns(table.artifact).items()
        }
        assert table.columns() == expected


def test_documents_become_rows() -> None:
    ledger = TABLES["ledger"].columns()
    assert (ledger["number"], ledger["reasons"], ledger["passed"]) == ("BIGINT", "JSON", "BOOLEAN")
    assert (ledger["kind"], ledger["corrects"], ledger["run"]) == ("VARCHAR", "BIGINT", "VARCHAR")
    audits = TABLES["audits"].columns()
    assert next(iter(audits)) == "run"
    assert {"run_folder", "checks"}.isdisjoint(audits)
    assert (audits["passed"], audits["failed_gates"]) == ("BOOLEAN", "JSON")
    assert list(TABLES["audit_checks"].columns())[:3] == ["run", "id", "question"]
    assert TABLES["next_run_plan"].columns()["priority"] == "DOUBLE"


def test_only_what_is_named_is_there(tmp_path: Path) -> None:
    """Any other way to name a table is an error, and never an empty table."""
    pytest.importorskip("duckdb", reason="duckdb is not installed: make setup-ask")
    database = Database()
    asked_tables.add_named(database, tmp_path, "select * from Registry, LEDGER")
    names = database.select("select table_name from duckdb_tables() order by 1")
    assert [row for part in names.parts for row in part] == [("ledger",), ("registry",)]
