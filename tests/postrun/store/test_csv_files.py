"""Tables: other people's are read strictly, ours read back as they were written."""

import contextlib
import csv
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postrun.core import disk
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.store import csv_files, json_files

COLUMNS = {"run": str, "total": float, "count": int, "passed": bool}
ROW: dict[str, Any] = {"run": "r1", "total": 0.1, "count": 3, "passed": True}
CELLS = {
    "run": st.none() | st.text(min_size=1) | st.text(alphabet="'=+-@\t\r\n 0.1e,\";x", min_size=1),
    "total": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "count": st.none() | st.integers(),
    "passed": st.none() | st.booleans(),
}


def fits(_row: dict[str, Any]) -> None:
    """Let every row through."""


def write_rows(
    path: Path, rows: list[dict[str, Any]], columns: csv_files.Columns, check: Callable[[Any], Any]
) -> bool:
    """Write a table, as whoever encodes one does."""
    return disk.replace(path, csv_files.encode_rows(path, rows, columns, check))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_columns_numbers_and_empty_cells(path: Path) -> None:
    path.write_bytes(
        b"\xef\xbb\xbffactor,year, "
        b'test_ic,n\r\nNA,2011,0.1,3\r\n\r\nmom,2012,,\r\n"a,b",2013,NaN,5\r\n'
    )
    assert csv_files.read_external(path, ["factor", "year"], ["test_ic", "n"]) == [
        {"factor": "NA", "year": "2011", "test_ic": 0.1, "n": 3.0},
        {"factor": "mom", "year": "2012", "test_ic": None, "n": None},
        {"factor": "a,b", "year": "2013", "test_ic": None, "n": 5.0},
    ], "years are text, as nobody asked for numbers"


def test_every_digit_of_a_number_is_kept(path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789]
    path.write_text("x\n" + "".join(f"{value!r}\n" for value in values))
    assert [row["x"] for row in csv_files.read_external(path, numbers=["x"])] == values


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_numbers_are_read_to_the_last_bit(path: Path, values: list[float]) -> None:
    path.write_text("x,y\n" + "".join(f"{value!r},\n" for value in values))
    assert [row["x"] for row in csv_files.read_external(path, numbers=["x"])] == values


def test_empty_cells_and_an_empty_table(path: Path) -> None:
    path.write_text("a,test_ic\nx,\n,nan\n")
    rows = csv_files.read_external(path, numbers=["test_ic"])
    assert rows == [{"a": "x", "test_ic": None}, {"a": None, "test_ic": None}]
    path.write_text("a,test_ic\n")
    assert csv_files.read_external(path, ["a"], ["test_ic"]) == []


def test_infinity_is_not_measured(path: Path) -> None:
    path.write_text("x\n1.5\ninf\n-Infinity\n1e999\n")
    numbers = [row["x"] for row in csv_files.read_external(path, numbers=["x"])]
    assert numbers == [1.5, None, None, None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a header line, found an empty file"),
        (b"a,b\n1,2\n", "the columns c, d, found only a, b"),
        (b"a,c,c,d\n1,2,3,4\n", "every column once, found 'c' twice"),
        (b"c,d\n1,2\n1,2,3\n", "table.csv:3: expected 2 cells, as in the header, found 3"),
        (b"c,d\n1\n", "table.csv:2: expected 2 cells, as in the header, found 1"),
        (b"c,d\n1,2,3\n4,5,6\n", "table.csv:2: expected 2 cells"),
        (b"c,d\n1,\xff\n", "UTF-8 text, found byte 0xff at offset 6"),
        (b'c,d\n1,"2\n', "a CSV row"),
        (b'c,d\n1,"2"3\n', "a CSV row"),
        (b"c,d\nx,0.1\nx,none\n", "table.csv:3: d: expected a number, found 'none'"),
        (b"c,d\nx,true\n", "d: expected a number"),
        (b"c,d\nx,0x10\n", "d: expected a number"),
    ],
)
def test_a_table_that_is_not_as_it_must_be_is_refused(
    path: Path, content: bytes, words: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(Invalid, match=r".") as error:
        csv_files.read_external(path, ["c"], ["d"])
    assert words in str(error.value)
    assert "table.csv" in str(error.value)


def test_no_table_is_missing(path: Path) -> None:
    with pytest.raises(Missing, match=r"table\.csv: expected a CSV file, found nothing there"):
        csv_files.read_external(path)
    path.mkdir()
    with pytest.raises(Missing, match="can be read"):
        csv_files.read_external(path)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_a_table_or_a_refusal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(PostRunError):
        rows = csv_files.read_external(path)
        assert len({tuple(row) for row in rows}) <= 1, "every row has the header's columns"


def test_ours_are_written_one_way(path: Path) -> None:
    rows = [
        ROW,
        {"passed": None, "count": None, "total": None, "run": None},
        {**ROW, "run": 'a "b", c', "passed": False},
    ]
    assert write_rows(path, rows, COLUMNS, fits) is True
    assert (
        path.read_bytes()
        == b'run,total,count,passed\nr1,0.1,3,true\n,,,\n"a ""b"", c",0.1,3,false\n'
    )
    assert write_rows(path, rows, COLUMNS, fits) is False
    assert csv_files.read_rows(path, COLUMNS) == rows


def test_a_table_without_rows_keeps_its_header(path: Path) -> None:
    assert csv_files.read_rows(path, COLUMNS) == []
    write_rows(path, [], COLUMNS, fits)
    assert path.read_bytes() == b"run,total,count,passed\n"
    assert csv_files.read_rows(path, COLUMNS) == []


@given(st.lists(st.fixed_dictionaries(CELLS), max_size=5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_whatever_is_written_reads_back(path: Path, rows: list[dict[str, Any]]) -> None:
    write_rows(path, rows, COLUMNS, fits)
    assert csv_files.read_rows(path, COLUMNS) == rows


def test_a_column_that_came_later_is_null_in_an_older_table(path: Path) -> None:
    older = {name: kind for name, kind in COLUMNS.items() if name != "count"}
    write_rows(path, [{name: ROW[name] for name in older}], older, fits)
    with pytest.raises(Invalid, match="expected the columns run, total, count, passed"):
        csv_files.read_rows(path, COLUMNS)
    assert csv_files.read_rows(path, COLUMNS, {"count"}) == [{**ROW, "count": None}]
    write_rows(path, [ROW], COLUMNS, fits)
    assert csv_files.read_rows(path, COLUMNS, {"count"}) == [ROW]


def test_a_table_changed_behind_its_back_is_read_again(path: Path) -> None:
    """Even when neither size nor times of the file show it."""
    write_rows(path, [ROW], COLUMNS, fits)
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"r1", b"r2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert csv_files.read_rows(path, COLUMNS) == [{**ROW, "run": "r2"}]
    path.unlink()
    assert csv_files.read_rows(path, COLUMNS) == []


def test_a_dry_run_is_not_remembered(path: Path) -> None:
    write_rows(path, [ROW], COLUMNS, fits)
    token = disk.DRY_RUN.set(True)
    write_rows(path, [{**ROW, "run": "r2"}], COLUMNS, fits)
    disk.DRY_RUN.reset(token)
    assert csv_files.read_rows(path, COLUMNS) == [ROW]


@pytest.mark.parametrize(
    "text",
    [
        "=cmd()",
        "+1+1",
        "-x",
        "@sum",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "'=1",
        "''@x",
        "\uff1d1",
        "-",
        "+",
        "-1-1",
    ],
)
def test_no_cell_is_a_formula(path: Path, text: str) -> None:
    write_rows(path, [{"a": text, "b": "x"}], {"a": str, "b": str}, fits)
    with path.open(newline="") as source:
        cell = list(csv.reader(source))[1][0]
    assert cell == f"'{text}"
    assert csv_files.read_rows(path, {"a": str, "b": str}) == [{"a": text, "b": "x"}]


@pytest.mark.parametrize(
    "text", ["-1", "+1.5", "-.5", "-1e-9", "1", "'quoted'", "it's", "a=b", "momentum_12_1"]
)
def test_numbers_and_plain_words_stay_as_they_are(path: Path, text: str) -> None:
    write_rows(path, [{"a": text, "b": None}], {"a": str, "b": str}, fits)
    assert path.read_text() == f"a,b\n{text},\n"


def test_a_row_that_does_not_fit_writes_nothing(path: Path) -> None:
    row = {**dict.fromkeys(json_files.columns("factor_experiment_registry")), "run": "../x"}
    columns = json_files.columns("factor_experiment_registry")
    with pytest.raises(Invalid, match="factor_experiment_registry"):
        write_rows(
            path,
            [row],
            columns,
            lambda row: json_files.check(row, "factor_experiment_registry", "row 1"),
        )
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"total": math.inf}, "expected float, found inf"),
        ({"count": 1.5}, "expected int, found 1.5"),
        ({"count": True}, "expected int, found True"),
        ({"passed": 1}, "expected bool, found 1"),
        ({"run": 7}, "expected str, found 7"),
        ({"more": 7}, "a row has the columns"),
    ],
)
def test_a_cell_of_another_kind_is_a_bug(path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        write_rows(path, [{**ROW, **change}], COLUMNS, fits)
    assert not path.exists()


def test_a_cell_too_long_to_be_read_again_is_refused(path: Path) -> None:
    with pytest.raises(Invalid, match="cells of less than 131072 characters"):
        write_rows(path, [{**ROW, "run": "x" * 131072}], COLUMNS, fits)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "run,total,passed,count\n",
            "the columns run, total, count, passed, found run, total, passed, count",
        ),
        (
            "run,total,count,passed\nr1,x,3,true\n",
            "table.csv:2: total: expected a number, found 'x'",
        ),
        (
            "run,total,count,passed\nr1,1,3.5,true\n",
            "table.csv:2: count: expected a whole number, found '3.5'",
        ),
        (
            "run,total,count,passed\nr1,1,3,yes\n",
            "table.csv:2: passed: expected true or false, found 'yes'",
        ),
        ("run,total,count,passed\nr1,nan,3,true\n", "total: expected a number"),
    ],
)
def test_a_table_of_ours_that_was_edited_is_refused(path: Path, content: str, words: str) -> None:
    path.write_text(content)
    with pytest.raises(Invalid) as error:
        csv_files.read_rows(path, COLUMNS)
    assert words in str(error.value)


def test_windows_line_ends_of_a_spreadsheet_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfrun,total,count,passed\r\nr1,0.1,3,true\r\n")
    assert csv_files.read_rows(path, COLUMNS) == [ROW]
