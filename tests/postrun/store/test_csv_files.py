"""Tables: other people's are read strictly, ours read back as they were written."""

import contextlib
import csv
import math
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_columns_numbers_and_empty_cells(path: Path) -> None:
    path.write_bytes(
        b'\xef\xbb\xbffactor,year, test_ic,n\r\nNA,2011,0.1,3\r\n\r\nmom,2012,,\r\n"a,b",2013,NaN,5\r\n'
    )
    frame = csv_files.read(path, ["factor", "year"], ["test_ic", "n"])
    assert list(frame["factor"]) == ["NA", "mom", "a,b"]
    assert list(frame["year"]) == ["2011", "2012", "2013"], "text, as nobody asked for numbers"
    assert frame["test_ic"].isna().tolist() == [False, True, True]
    assert frame["n"].tolist()[::2] == [3.0, 5.0]


def test_every_digit_of_a_number_is_kept(path: Path) -> None:
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789.123456789]
    path.write_text("x\n" + "".join(f"{value!r}\n" for value in values))
    assert csv_files.read(path, numbers=["x"])["x"].tolist() == values


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_numbers_are_read_to_the_last_bit(path: Path, values: list[float]) -> None:
    path.write_text("x,y\n" + "".join(f"{value!r},\n" for value in values))
    assert csv_files.read(path, numbers=["x"])["x"].tolist() == values


def test_a_column_of_numbers_is_one_even_when_it_is_empty(path: Path) -> None:
    path.write_text("a,test_ic\nx,\ny,\n")
    assert math.isnan(csv_files.read(path, numbers=["test_ic"])["test_ic"].mean())
    path.write_text("a,test_ic\n")
    assert csv_files.read(path, ["a"], ["test_ic"]).shape == (0, 2)


def test_infinity_is_not_measured(path: Path) -> None:
    path.write_text("x\n1.5\ninf\n-Infinity\n1e999\n")
    assert csv_files.read(path, numbers=["x"])["x"].mean() == 1.5


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
        csv_files.read(path, ["c"], ["d"])
    assert words in str(error.value)
    assert "table.csv" in str(error.value)


def test_no_table_is_missing(path: Path) -> None:
    with pytest.raises(Missing, match=r"table\.csv: expected a CSV file, found nothing there"):
        csv_files.read(path)
    path.mkdir()
    with pytest.raises(Missing, match="can be read"):
        csv_files.read(path)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_a_table_or_a_refusal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(PostRunError):
        assert csv_files.read(path).columns.is_unique


def test_ours_are_written_one_way(path: Path) -> None:
    rows = [
        ROW,
        {"passed": None, "count": None, "total": None, "run": None},
        {**ROW, "run": 'a "b", c', "passed": False},
    ]
    assert csv_files.write(path, rows, COLUMNS, fits) is True
    assert (
        path.read_bytes()
        == b'run,total,count,passed\nr1,0.1,3,true\n,,,\n"a ""b"", c",0.1,3,false\n'
    )
    assert csv_files.write(path, rows, COLUMNS, fits) is False
    assert csv_files.rows(path, COLUMNS) == rows


def test_a_table_without_rows_keeps_its_header(path: Path) -> None:
    assert csv_files.rows(path, COLUMNS) == []
    csv_files.write(path, [], COLUMNS, fits)
    assert path.read_bytes() == b"run,total,count,passed\n"
    assert csv_files.rows(path, COLUMNS) == []


@given(st.lists(st.fixed_dictionaries(CELLS), max_size=5))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
def test_whatever_is_written_reads_back(path: Path, rows: list[dict[str, Any]]) -> None:
    csv_files.write(path, rows, COLUMNS, fits)
    assert csv_files.rows(path, COLUMNS) == rows


def test_a_frame_is_written_like_its_rows(path: Path, tmp_path: Path) -> None:
    rows = [ROW, {"run": "r2", "total": None, "count": None, "passed": None}]
    csv_files.write(path, rows, COLUMNS, fits)
    csv_files.write(tmp_path / "frame.csv", pandas.DataFrame(rows), COLUMNS, fits)
    assert (tmp_path / "frame.csv").read_bytes() == path.read_bytes()


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
    csv_files.write(path, [{"a": text, "b": "x"}], {"a": str, "b": str}, fits)
    with path.open(newline="") as source:
        cell = list(csv.reader(source))[1][0]
    assert cell == f"'{text}"
    assert csv_files.rows(path, {"a": str, "b": str}) == [{"a": text, "b": "x"}]


@pytest.mark.parametrize(
    "text", ["-1", "+1.5", "-.5", "-1e-9", "1", "'quoted'", "it's", "a=b", "momentum_12_1"]
)
def test_numbers_and_plain_words_stay_as_they_are(path: Path, text: str) -> None:
    csv_files.write(path, [{"a": text, "b": None}], {"a": str, "b": str}, fits)
    assert path.read_text() == f"a,b\n{text},\n"


def test_a_row_that_does_not_fit_writes_nothing(path: Path) -> None:
    row = {**dict.fromkeys(json_files.columns("factor_experiment_registry")), "run": "../x"}
    columns = json_files.columns("factor_experiment_registry")
    with pytest.raises(Invalid, match="factor_experiment_registry"):
        csv_files.write(
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
        csv_files.write(path, [{**ROW, **change}], COLUMNS, fits)
    assert not path.exists()


def test_a_cell_too_long_to_be_read_again_is_refused(path: Path) -> None:
    with pytest.raises(Invalid, match="cells of less than 131072 characters"):
        csv_files.write(path, [{**ROW, "run": "x" * 131072}], COLUMNS, fits)


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
        csv_files.rows(path, COLUMNS)
    assert words in str(error.value)


def test_windows_line_ends_of_a_spreadsheet_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfrun,total,count,passed\r\nr1,0.1,3,true\r\n")
    assert csv_files.rows(path, COLUMNS) == [ROW]
