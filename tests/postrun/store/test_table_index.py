"""A table answers from the index as reading its file would, whatever became of the index."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.archive import REGISTRY, registry_row, run_folder
from postrun.core import disk, locations
from postrun.core.errors import Invalid
from postrun.store import csv_files, index, json_files, tables
from postrun.store.table_index import IndexedTable

COLUMNS = {"run": str, "total": float, "count": int, "passed": bool}
TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "run": TEXT.filter(bool),
            "total": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "count": st.none() | st.integers(-(2**63), 2**63 - 1),
            "passed": st.none() | st.booleans(),
        }
    ),
    max_size=5,
    unique_by=lambda row: row["run"],
)


def table_of(root: Path, rows: list[dict[str, Any]]) -> IndexedTable:
    path = root / "numbers.csv"
    content = csv_files.encode_rows(path, rows, COLUMNS, check=lambda row: row)
    return IndexedTable(root, "numbers", path, content, COLUMNS)


@given(ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rows_are_those_of_the_file(local: Path, rows: list[dict[str, Any]]) -> None:
    table = table_of(local, rows)
    parsed = csv_files.parse_rows(table.content, table.path, COLUMNS)
    # As text: to Python, 1, 1.0 and true are equal.
    assert repr(table.select()) == repr(parsed)
    assert table.count() == len(parsed)


@given(ROWS, ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_changed_lines_give_the_file_that_is_written_whole(
    local: Path, before: list[dict[str, Any]], changed: list[dict[str, Any]]
) -> None:
    table = table_of(local, before)
    numbers = table.places("run", [row["run"] for row in changed])
    after = dict(enumerate(before, 1)) | dict(zip(numbers, changed, strict=True))
    whole = table_of(local, [after[number] for number in sorted(after)])
    lines = [csv_files.encode_row(table.path, row, COLUMNS) for row in changed]
    content = csv_files.replace_lines(
        table.content, dict(zip(numbers, lines, strict=True)), table.count()
    )
    has_breaks = any("\n" in row["run"] for row in before)
    if content is None:
        assert has_breaks
        return
    if not any("\n" in row["run"] for row in changed):
        assert content == whole.content
    written = csv_files.parse_lines(lines, table.path, COLUMNS)
    table.put(dict(zip(numbers, written, strict=True)), content)
    assert repr(table.select()) == repr(csv_files.parse_rows(content, table.path, COLUMNS))


def lose(root: Path) -> None:
    index.use(root, lambda cache: cache.execute("DELETE FROM made_of"))


def damage(root: Path) -> None:
    index.use(root, lambda cache: cache.execute("DROP TABLE numbers"))


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize("change", [nothing, lose, damage])
def test_whatever_became_of_the_index(local: Path, change: Callable[[Path], object]) -> None:
    rows = [{"run": f"r{number}", "total": 0.1, "count": 1, "passed": True} for number in range(3)]
    assert table_of(local, rows).count() == 3
    change(local)
    table = table_of(local, rows)
    assert table.select("run = ?", ["r1"]) == [rows[1]]
    # Killed after the file was written, and before the index was.
    other = table_of(local, rows[:2])
    assert other.select() == rows[:2]
    assert table_of(local, rows).select() == rows


def test_a_number_that_sqlite_does_not_hold(local: Path) -> None:
    rows = [{"run": "r", "total": None, "count": 2**63, "passed": None}]
    with pytest.raises(Invalid, match=r"numbers\.csv: expected whole numbers of at most 64 bits"):
        table_of(local, rows).count()


def test_rows_are_checked_once(local: Path) -> None:
    rows = [registry_row(run_folder(f"2026-02-1{day}_031500")) for day in range(3)]
    checked: list[str] = []
    table = tables.of_rows(local, REGISTRY, rows)
    for _ in range(2):
        table.check(lambda row: checked.append(row["run"]))
    assert checked == [row["run"] for row in rows]
    # Rows that are put were checked by whoever wrote them.
    line = csv_files.encode_row(table.path, rows[0], table.columns)
    table.put({4: rows[0]}, table.content + line)
    table.check(lambda row: checked.append(row["run"]))
    assert len(checked) == 3
    lose(local)
    with pytest.raises(ZeroDivisionError):
        table.check(lambda _: 1 / 0)


def test_a_forged_index_convinces_no_check(local: Path) -> None:
    row = registry_row(run_folder("2026-02-16_031500"))
    path = tables.write_table(local, REGISTRY, [row])
    forge = f"UPDATE {REGISTRY} SET decision = 'promote_candidate'"
    assert tables.read_table(local, REGISTRY) == [row]
    index.use(local, lambda cache: cache.execute(forge))
    with disk.captured():
        assert tables.read_table(local, REGISTRY) == [row]
    assert path == locations.workspace_path(local, REGISTRY)


def test_an_earlier_tables_columns_are_not_those_of_today(local: Path) -> None:
    table = tables.of_rows(local, REGISTRY, [])
    assert table.has_all_columns
    header = b",".join(name.encode() for name in json_files.columns(REGISTRY) if name != "verdict")
    older = dataclasses.replace(table, content=header + b"\n", later={"verdict"})
    assert not older.has_all_columns
    assert older.select() == []
