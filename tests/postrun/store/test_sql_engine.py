"""DuckDB, closed in: what it answers, and what it may not do. Skipped where it is not installed."""

import builtins
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import Missing, Usage
from postrun.store.sql_engine import Database

ROWS: list[list[Any]] = [["a", 1, 0.5, True, '["x"]'], [None] * 5]
COLUMNS = {"t": "VARCHAR", "i": "BIGINT", "d": "DOUBLE", "b": "BOOLEAN", "j": "JSON"}


@pytest.fixture
def database() -> Database:
    pytest.importorskip("duckdb", reason="duckdb is not installed: make setup-ask")
    return Database()


def answer(database: Database, sql: str) -> tuple[dict[str, str], list[Any]]:
    found = database.select(sql)
    return found.columns, [row for part in found.parts for row in part]


def test_tables_keep_types_and_nulls(database: Database) -> None:
    database.add_table("made", COLUMNS, ROWS)
    database.add_table("empty", COLUMNS, [])
    database.close_in()
    columns, rows = answer(database, "select * from made")
    assert columns == COLUMNS
    assert rows == [tuple(ROWS[0]), (None,) * 5]
    assert answer(database, "select count(*) from empty")[1] == [(0,)]


def test_more_rows_than_are_added_at_once(database: Database) -> None:
    rows = [[number] for number in range(12_001)]
    database.add_table("many", {"n": "BIGINT"}, rows)
    assert answer(database, "select * from many")[1] == [(number,) for (number,) in rows]


def test_a_value_of_another_type_is_named(database: Database) -> None:
    with pytest.raises(ValueError, match="made up"):
        database.add_table("made", {"n": "BIGINT"}, [["made up"]])


def test_two_columns_of_one_name_are_told_apart(database: Database) -> None:
    assert answer(database, "select 1 as a, 2 as a; ") == (
        {"a": "INTEGER", "a_1": "INTEGER"},
        [(1, 2)],
    )
    assert answer(database, "select 1 as a -- so;")[1] == [(1,)]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select 1; select 2", "SELECT and SELECT"),
        ("", "none"),
        ("-- nothing", "none"),
        ("copy (select 1) to 'x.csv'", "COPY"),
        ("attach 'x.db'", "ATTACH"),
        ("install httpfs", "LOAD"),
        ("load httpfs", "LOAD"),
        ("pragma version", "PRAGMA"),
        ("set threads = 1", "SET"),
        ("create table x (i int)", "CREATE"),
        ("export database 'x'", "EXPORT"),
        ("select 1; copy (select 1) to 'x.csv'", "SELECT and COPY"),
        ("selec 1", 'Parser Error: syntax error at or near "selec"'),
    ],
)
def test_only_one_select_is_taken(database: Database, sql: str, found: str) -> None:
    with pytest.raises(Usage, match="--sql: expected one SELECT") as error:
        database.check(sql)
    assert error.value.actual == found


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{}')",
        "select * from read_text('{}')",
        "select * from read_blob('{}')",
        "select * from read_json('{}')",
        "select * from '{}'",
        "select * from glob('{}')",
        "select * from query('from read_text(''{}'')')",
        "select 1) to '{}.x' (format csv) --",
        "with w as (copy (select 1) to '{}.x') select 1",
        "select * from COLUMNS",
    ],
)
def test_no_other_file_is_reached(database: Database, sql: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    database.close_in(tmp_path / "allowed.parquet")
    with pytest.raises(Usage):
        answer(database, sql.format(secret))
    assert list(tmp_path.iterdir()) == [secret]


def test_the_fence_is_what_stops_it(database: Database, tmp_path: Path) -> None:
    """The same SQL reads the file before `close_in`: a test of the tests above."""
    path = tmp_path / "secret.csv"
    path.write_text("a\n1\n")
    sql = f"select * from read_csv('{path}')"
    assert answer(database, sql)[1] == [(1,)]
    database.close_in()
    with pytest.raises(Usage, match="Permission Error"):
        answer(database, sql)


@pytest.mark.parametrize(
    "statement",
    [
        "set enable_external_access = true",
        "set lock_configuration = false",
        "reset enable_external_access",
        "set allowed_paths = ['/etc/passwd']",
        "install httpfs",
        "attach 'x.db'",
        "copy (select 1) to 'x.csv'",
    ],
)
def test_nothing_opens_it_again(
    database: Database, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a statement came past `check`."""
    monkeypatch.chdir(tmp_path)
    database.close_in()
    with pytest.raises(Usage):
        database._run(database._connection.execute, statement)
    assert list(tmp_path.iterdir()) == []


def test_parquet_goes_where_it_may(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    database.add_table("made", COLUMNS, ROWS)
    database.close_in(path)
    database.write_parquet("select t, i from made; ", path)
    other = Database()
    assert answer(other, f"from '{str(path).replace(chr(39), chr(39) * 2)}'")[1] == [
        ("a", 1),
        (None, None),
    ]


def test_a_folder_that_is_gone_is_no_fault_of_the_sql(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "gone" / "x.parquet"
    database.close_in(path)
    with pytest.raises(Missing, match="the answer: expected a place that can be written to"):
        database.write_parquet("select 1", path)


def test_it_takes_no_variable_of_the_program_for_a_table(database: Database) -> None:
    pandas = pytest.importorskip("pandas")
    secret = pandas.DataFrame({"a": [1]})
    assert len(secret) == 1
    with pytest.raises(Usage, match="Table with name secret does not exist"):
        answer(database, "select * from secret")


def test_ctrl_c_ends_what_would_take_days(database: Database) -> None:
    endless = "select count(*) from range(1000000000) a, range(1000) b where a.range + b.range < 0"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    typed = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    typed.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            database.select(endless)
    finally:
        typed.cancel()
        signal.signal(signal.SIGINT, before)
    assert answer(database, "select 1")[1] == [(1,)]


def test_the_library_that_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "duckdb":
            raise ModuleNotFoundError("no", name="duckdb")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Missing) as error:
        Database()
    assert str(error.value) == (
        "package duckdb: expected it in this Python, found nothing; run `make setup-ask`"
    )
