"""Read and write CSV: external tables strictly; ours in one way, so that they read back as they were.

In our tables an empty cell is null, booleans are `true` and `false`, numbers keep every digit, and text that
a spreadsheet would run as a formula begins with an apostrophe, which is removed again on reading.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.errors import Invalid, Missing

Columns = Mapping[str, type]  # name -> str, int, float or bool, in the order of the file
Row = dict[str, Any]

_BOOLEANS = {"true": True, "false": False}
_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number"}
# Fewer words for null than pandas knows: a factor may be called NA.
_NULLS = ("", "nan", "NaN")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
# The full-width forms of = + - @ begin a formula in some spreadsheets, too.
_FORMULA = re.compile(r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
# The csv module of Python 3.11 leaves a lone \r unquoted, and then cannot read it.
_QUOTED = re.compile(r'[,"\r\n]')


@dataclass(frozen=True)
class _Grid:
    """A CSV file in cells: every row is as wide as the header, and has the number of its last line."""

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]


@dataclass(frozen=True)
class _Table:
    """A table of ours as it was parsed. Its rows follow from these bytes and columns alone."""

    content: bytes
    columns: Columns
    rows: list[Row]


# The tables that this process has parsed or written. Most steps of a closing read the same ones. The bytes are
# read and compared every time, so that a table that somebody else changed is never taken from here.
_PARSED: dict[Path, _Table] = {}


def read_external(
    path: Path, columns: Iterable[str] = (), numbers: Iterable[str] = ()
) -> list[Row]:
    """Return the rows of a CSV file that another program wrote, with the columns in the file's order.

    `columns` and `numbers` are required; cells of `numbers` are floats, all others are text. Empty cells, NaN
    and infinity are None. Raises Missing; Invalid for a file that is not UTF-8, has no header, lacks a
    column or has one twice, a row of another width than the header, a cell of `numbers` that is no number.
    """
    numeric = tuple(numbers)
    grid = _parse_grid(_read_bytes(path), path, skip_blanks=True)
    lacking = [name for name in (*columns, *numeric) if name not in grid.header]
    if lacking:
        expected = f"the columns {', '.join(dict.fromkeys(lacking))}"
        raise Invalid(path, expected, f"only {', '.join(grid.header)}")
    rows = []
    for line, cells in grid.rows:
        row: Row = {}
        for name, cell in zip(grid.header, cells, strict=True):
            if name in numeric:
                row[name] = _parse_measured(cell, f"{path}:{line}: {name}")
            else:
                row[name] = None if cell in _NULLS else cell
        rows.append(row)
    return rows


def read_rows(path: Path, columns: Columns) -> list[Row]:
    """Return the rows of a table of ours; none when there is no such file. Raises Invalid.

    The rows are copies: a caller may change them.
    """
    if not path.exists():
        return []
    content = _read_bytes(path)
    table = _PARSED.get(path)
    if table is None or table.content != content or table.columns != columns:
        table = _Table(content, columns, _parse_rows(content, path, columns))
        _PARSED[path] = table
    return [row.copy() for row in table.rows]


def write_rows(
    path: Path, rows: Iterable[Row], columns: Columns, check: Callable[[Row], object]
) -> bool:
    """Write a table of ours, rows in the order given. Return whether that changes the file.

    `check` is called with every row before anything is written, and raises when the row does not fit its
    schema. A table without rows keeps its header. Raises ValueError for a row with other columns or a
    value of another type, Invalid for a cell that is too long to be read again.
    """
    lines = [_join_cells(columns)]
    written = []
    for row in rows:
        if row.keys() != columns.keys():
            raise ValueError(f"{path}: a row has the columns {sorted(row)}, not {sorted(columns)}")
        check(row)
        cells = [_format_cell(row[name], kind) for name, kind in columns.items()]
        _check_length(path, cells)
        lines.append(_join_cells(cells))
        written.append(row)
    text = "".join(lines)
    changed = disk.replace(path, text.encode(errors="backslashreplace"))
    _remember(path, text, columns, written)
    return changed


def _check_length(path: Path, cells: Sequence[str]) -> None:
    """Raise Invalid for a cell that the csv module would not read."""
    limit = csv.field_size_limit()
    longest = max(map(len, cells))
    if longest >= limit:
        raise Invalid(path, f"cells of less than {limit} characters", f"{longest}")


def _remember(path: Path, text: str, columns: Columns, written: Sequence[Row]) -> None:
    """Remember a table that was written, as reading it returns it. Only its very bytes bring it back."""
    try:
        content = text.encode()
    except UnicodeEncodeError:
        # A file name that is not UTF-8 is written as an escape, and read back as one.
        return
    rows = []
    for row in written:
        rows.append({name: _as_read(row[name], kind) for name, kind in columns.items()})
    _PARSED[path] = _Table(content, columns, rows)


def _as_read(value: Any, kind: type) -> Any:
    """Return what is read back for a value that was written."""
    if value is None or value == "":
        return None
    return kind(value)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Missing(path, "a CSV file", "nothing there") from None
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None


def _parse_grid(content: bytes, path: Path, skip_blanks: bool = False) -> _Grid:
    """Return a CSV file in cells. Raises Invalid."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte {error.object[error.start]:#04x} at offset {error.start}"
        raise Invalid(path, "UTF-8 text", byte) from None
    lines = list(_parse_lines(text, path, skip_blanks))
    if not lines:
        raise Invalid(path, "a header line", "an empty file")
    header = lines[0][1]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Invalid(path, "every column once", f"{', '.join(map(repr, twice))} twice")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            expected = f"{len(header)} cells, as in the header"
            raise Invalid(f"{path}:{line}", expected, f"{len(cells)}")
    return _Grid(path, header, lines[1:])


def _parse_lines(text: str, path: Path, skip_blanks: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with the number of its last line."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, strict=True, skipinitialspace=skip_blanks)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise Invalid(f"{path}:{reader.line_num}", "a CSV row", str(error)) from None


def _parse_rows(content: bytes, path: Path, columns: Columns) -> list[Row]:
    grid = _parse_grid(content, path)
    if grid.header != list(columns):
        raise Invalid(path, f"the columns {', '.join(columns)}", ", ".join(grid.header))
    typed = list(columns.items())
    rows = []
    for line, cells in grid.rows:
        row = {}
        for (name, kind), cell in zip(typed, cells, strict=True):
            try:
                row[name] = _parse_cell(cell, kind)
            except ValueError:
                raise Invalid(f"{path}:{line}: {name}", _EXPECTED[kind], repr(cell[:80])) from None
        rows.append(row)
    return rows


def _parse_measured(cell: str, thing: str) -> float | None:
    """Return a number as Python reads it, to the last bit; None for null and infinity."""
    text = cell.strip()
    if text in _NULLS or _INFINITE.fullmatch(text):
        return None
    if not _NUMBER.fullmatch(text):
        raise Invalid(thing, "a number", repr(cell[:80]))
    value = float(text)
    return value if math.isfinite(value) else None


def _parse_cell(cell: str, kind: type) -> Any:
    """Return the value of one cell of ours. Raises ValueError."""
    if cell == "":
        return None
    if kind is str:
        return cell[1:] if cell[0] == "'" and _is_formula(cell[1:]) else cell
    if kind is bool and cell in _BOOLEANS:
        return _BOOLEANS[cell]
    if kind in (int, float) and _NUMBER.fullmatch(cell):
        return kind(cell)
    raise ValueError(cell)


def _format_cell(value: Any, kind: type) -> str:
    if value is None:
        return ""
    if kind is str and isinstance(value, str):
        return f"'{value}" if _is_formula(value) else value
    if kind is bool and isinstance(value, bool):
        return str(value).lower()
    if kind in (int, float) and _is_number(value) and kind(value) == value:
        return repr(kind(value))
    raise ValueError(f"expected {kind.__name__}, found {value!r}")


def _is_number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _is_formula(text: str) -> bool:
    """Return whether text is written behind an apostrophe, which `_parse_cell` removes from any such text."""
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _join_cells(cells: Iterable[str]) -> str:
    return ",".join(_quote(cell) for cell in cells) + "\n"


def _quote(cell: str) -> str:
    if not _QUOTED.search(cell):
        return cell
    escaped = cell.replace('"', '""')
    return f'"{escaped}"'
