"""Answers as CSV, JSON and tables: every type, no formula, nothing that a terminal obeys."""

import datetime
import json
import math
from decimal import Decimal
from typing import Any

import pytest

from postrun.overview import answer_formats
from postrun.store.sql_engine import Answer

COLUMNS = {
    "t": "VARCHAR",
    "i": "HUGEINT",
    "d": "DECIMAL(9,2)",
    "f": "DOUBLE",
    "b": "BOOLEAN",
    "l": "DOUBLE[]",
    "j": "JSON",
    "day": "DATE",
}
DAY = datetime.date(2026, 2, 21)
ROWS: list[tuple[Any, ...]] = [
    ("=1+1", 2**70, Decimal("1.50"), 0.1, True, [1.0, math.nan], '{"a": [1]}', DAY),
    ("a\nb\x1b[2J", None, None, math.inf, None, None, None, None),
]


def answer(rows: list[tuple[Any, ...]] = ROWS) -> Answer:
    return Answer(COLUMNS, iter([rows] if rows else []))


def test_csv_is_as_our_tables_are() -> None:
    assert "".join(answer_formats.csv_lines(answer())) == (
        "t,i,d,f,b,l,j,day\n"
        '\'=1+1,1180591620717411303424,1.5,0.1,true,"[1.0, null]",'
        '"{""a"": [1]}",2026-02-21\n'
        '"a\nb\x1b[2J",,,,,,,\n'
    )
    assert "".join(answer_formats.csv_lines(answer([]))) == "t,i,d,f,b,l,j,day\n"


def test_json_is_strict_and_keeps_types() -> None:
    first, second = json.loads("".join(answer_formats.json_lines(answer())))
    assert first == {
        "t": "=1+1",
        "i": 2**70,
        "d": 1.5,
        "f": 0.1,
        "b": True,
        "l": [1.0, None],
        "j": {"a": [1]},
        "day": "2026-02-21",
    }
    assert second["f"] is None
    assert json.loads("".join(answer_formats.json_lines(answer([])))) == []


def test_a_table_is_safe_and_says_when_rows_are_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = list(answer_formats.table_lines(answer()))
    assert lines[2] == "a b\\x1b[2J"
    assert len({line.index(mark) for line, mark in zip(lines, ("i ", "118"), strict=False)}) == 1
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(answer_formats, "ROWS_SHOWN", 1)
    assert len(list(answer_formats.table_lines(answer()))) == 2
    assert capsys.readouterr().err.startswith("only the first 1 rows")
