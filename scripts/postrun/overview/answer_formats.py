"""Write the answer to a question in SQL as lines: CSV, JSON, or a table for a terminal."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from postrun.core import terminal, values
from postrun.store import csv_files
from postrun.store.sql_engine import Answer

Lines = Iterator[str]

# More are no help on a terminal, and their widths would have to wait for the last of them.
ROWS_SHOWN = 1_000
_FLOATS = (
    "DOUBLE",
    "FLOAT",
    "DECIMAL",
)
_INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
)
# What an error names: the answer has no file yet.
_ANSWER = Path("the answer")


def csv_lines(answer: Answer) -> Lines:
    """Yield the answer as our tables are written: no text of it is a formula in a spreadsheet.

    Raises Invalid for a cell that is too long to be read again.
    """
    columns = {}
    for name, kind in answer.columns.items():
        columns[name] = _python_type(kind)
    yield _csv_line(
        dict(zip(columns, columns, strict=True)),
        dict.fromkeys(columns, str),
    )
    for cells in _rows(answer):
        row = {}
        for cell, name in zip(cells, columns, strict=True):
            if columns[name] is str:
                cell = _text(cell)
            row[name] = cell
        yield _csv_line(row, columns)


def _csv_line(row: csv_files.Row, columns: csv_files.Columns) -> str:
    line = csv_files.encode_row(_ANSWER, row, columns)
    return line.decode()


def json_lines(answer: Answer) -> Lines:
    """Yield the answer as one list of JSON, an object a row and a line."""
    before = "[\n"
    for cells in _rows(answer):
        row = dict(zip(answer.columns, cells, strict=True))
        yield before + json.dumps(row)
        before = ",\n"
    if before == ",\n":
        yield "\n]\n"
    else:
        yield "[]\n"


def table_lines(answer: Answer) -> Lines:
    """Yield the first rows of the answer in columns, safe for a terminal."""
    rows = _rows(answer)
    table = [list(answer.columns)]
    for cells in islice(rows, ROWS_SHOWN):
        texts = [_text(cell) or "" for cell in cells]
        table.append(texts)
    safe = [list(map(terminal.plain, texts)) for texts in table]
    widths = []
    for column in zip(*safe, strict=True):
        width = max(map(terminal.columns, column))
        widths.append(width)
    for texts in safe:
        padded = map(terminal.padded, texts, widths)
        yield "  ".join(padded).rstrip()
    if next(rows, None) is not None:
        shown = f"only the first {ROWS_SHOWN} rows are shown"
        terminal.error(f"{shown}: csv, json and a file have all of them")


def _rows(answer: Answer) -> Iterator[list[Any]]:
    """Yield each row as values of JSON."""
    kinds = list(answer.columns.values())
    for part in answer.parts:
        for cells in part:
            yield list(map(_plain, cells, kinds))


def _python_type(kind: str) -> type:
    """Return how a column of a type of DuckDB is written into CSV."""
    if kind == "BOOLEAN":
        return bool
    if kind.removeprefix("U") in _INTEGERS:
        return int
    # Not a list of them.
    if kind.startswith(_FLOATS) and not kind.endswith("]"):
        return float
    return str


def _plain(value: Any, kind: str = "") -> Any:
    """Return a value as JSON has it: null for NaN and infinity, text for all that it lacks."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return values.number(value)
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if value is None or isinstance(value, bool | int):
        return value
    if kind == "JSON":
        return json.loads(value)
    return str(value)


def _text(value: Any) -> str | None:
    """Return a value of JSON as the text of a cell."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
