"""A table answers from the index as reading its file would, whatever became of the index."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.archive import REGISTRY, registry_row, run_folder
from postrun.core import disk, locations
from postrun.core.errors import Invalid
from postrun.registry.trials import TRIALS
from postrun.store import csv_files, index, json_files, tables
from postrun.store.json_files import columns
from postrun.store.table_index import DIGITS, Digests, IndexedTable

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
    digest = disk.content_digest(content)
    return IndexedTable(root, "numbers", path, content, digest, COLUMNS)


def put(table: IndexedTable, rows: dict[int, dict[str, Any]], content: bytes) -> None:
    table.put(rows, content, disk.content_digest(content))


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
    put(table, dict(zip(numbers, written, strict=True)), content)
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
    put(table, {4: rows[0]}, table.content + line)
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


def test_another_process_may_have_a_table_of_other_bytes(local: Path) -> None:
    """It makes the index of its own bytes in turn with this one: each gets its own rows."""
    rows = [{"run": f"r{number}", "total": 0.1, "count": 1, "passed": True} for number in range(3)]
    mine, others = table_of(local, rows), table_of(local, rows[:1])
    assert mine.count() == 3
    child = os.fork()
    if child == 0:
        wrong = sum(others.count() != 1 for _ in range(200))
        os._exit(int(wrong > 0))
    counts = {mine.count() for _ in range(200)}
    _, status = os.waitpid(child, 0)
    assert (counts, status) == ({3}, 0)


def row(run: str, family: str | None = "value", **changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys(columns(TRIALS)), "run": run, "family": family, **changes}


def table(root: Path, *rows: dict[str, Any]) -> IndexedTable:
    return tables.of_rows(root, TRIALS, list(rows))


def test_digests_are_in_the_order_of_the_runs(tmp_path: Path) -> None:
    found = table(tmp_path, row("b"), row("c", "size"), row("a"), row("d", None)).digests_by(
        "family"
    )
    assert found.keys() == {"value", "size"}
    assert len(found["value"].whole) == 2 * DIGITS
    ordered = table(tmp_path, row("a"), row("b"), row("c", "size"))
    assert ordered.digests_by("family") == found


def test_what_other_closings_change_is_in_one_digest_only(tmp_path: Path) -> None:
    def digests(**changes: Any) -> Digests:
        return table(tmp_path, row("a", **changes)).digests_by("family")["value"]

    before = digests()
    now = digests(p_family_now=0.1)
    assert (now.whole != before.whole, now.lasting == before.lasting) == (True, True)
    as_of = digests(p_family=0.1)
    assert (as_of.whole != before.whole, as_of.lasting != before.lasting) == (True, True)


def test_a_row_that_is_put_has_the_digest_of_one_that_was_there(tmp_path: Path) -> None:
    whole = table(tmp_path, row("a"), row("b", basis="two\nlines", p_raw=0.1))
    expected = whole.digests_by("family")
    grown = table(tmp_path, row("a"))
    grown.count()
    put(grown, {2: row("b", basis="two\nlines", p_raw=0.1)}, whole.content)
    assert grown.digests_by("family") == expected


def test_rows_are_selected_by_many_keys(tmp_path: Path) -> None:
    found = table(tmp_path, row("a"), row("b"), row("c"))
    assert [row["run"] for row in found.select_each("run", ["c", "a", "x"])] == ["a", "c"]
