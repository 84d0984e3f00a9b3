"""The door for CSV: other people's tables read strictly; ours written one way, so that they read back as they were.

In our tables an empty cell is null, booleans are `true` and `false`, numbers keep every digit, and text that a
spreadsheet would run as a formula begins with an apostrophe, which goes again on reading.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun.core import disk
from postrun.core.errors import Invalid, Missing

if TYPE_CHECKING:
    from pandas import DataFrame

Columns = Mapping[str, type]  # name -> str, int, float or bool, in the order of the file
_BOOLEANS = {"true": True, "false": False}
_NULLS = ("", "nan", "NaN")  # not pandas' own list: a factor may be called NA
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_FORMULA = re.compile(
    r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]"
)  # the wide forms count in some spreadsheets
_QUOTED = re.compile(r'[,"\r\n]')  # the csv module of Python 3.11 leaves a lone \r unquoted


def read(path: Path, columns: Iterable[str] = (), numbers: Iterable[str] = ()) -> "DataFrame":
    """Read somebody else's CSV: these columns are required, and those of `numbers` hold numbers; empty cells are NaN.
    No other column is guessed at: its cells are text.

    Refused: no file (Missing); not UTF-8, no header, a column missing or given twice, a row with more or fewer
    cells than the header, a cell that is no number where numbers are wanted (Invalid). Infinity is read as NaN.
    """
    import pandas

    header, found = _grid(_text(path), path, skip=True)
    numeric = tuple(numbers)
    lacking = [name for name in (*columns, *numeric) if name not in header]
    if lacking:
        raise Invalid(
            path, f"the columns {', '.join(dict.fromkeys(lacking))}", f"only {', '.join(header)}"
        )
    frame = pandas.DataFrame([cells for _, cells in found], columns=header, dtype=object)
    for index, name in enumerate(header):
        if name in numeric:
            values = [_measured(cells[index], f"{path}:{line}: {name}") for line, cells in found]
            frame[name] = pandas.Series(values, dtype=float)
    return frame.mask(frame.isin(list(_NULLS)))


def _measured(cell: str, thing: str) -> float:
    """Read a number as Python does, to the last bit."""
    text = cell.strip()
    if text in _NULLS or _INFINITE.fullmatch(text):
        return math.nan
    if not _NUMBER.fullmatch(text):
        raise Invalid(thing, "a number", repr(cell[:80]))
    value = float(text)
    return value if math.isfinite(value) else math.nan


def rows(path: Path, columns: Columns) -> list[dict[str, Any]]:
    """Read a table of ours. A file that is not there has no rows. Raises Invalid."""
    if not path.exists():
        return []
    header, found = _grid(_text(path), path)
    if header != list(columns):
        raise Invalid(path, f"the columns {', '.join(columns)}", ", ".join(header))
    return [
        {
            name: _value(cell, columns[name], f"{path}:{line}: {name}")
            for name, cell in zip(header, cells, strict=True)
        }
        for line, cells in found
    ]


def write(
    path: Path,
    rows: "Iterable[Mapping[str, Any]] | DataFrame",
    columns: Columns,
    check: Callable[[dict[str, Any]], object],
) -> bool:
    """Put a table of ours at `path`, rows in the order given; True when that changes the file.

    `check` sees every row before anything is written, and raises when the row does not fit its schema. A table
    without rows keeps its header. Raises ValueError for a row with other columns, Invalid for a cell too long to read.
    """
    lines = [_line(columns)]
    for row in _records(rows):
        if row.keys() != columns.keys():
            raise ValueError(f"{path}: a row has the columns {sorted(row)}, not {sorted(columns)}")
        check(row)
        cells = [_cell(row[name], kind) for name, kind in columns.items()]
        if max(map(len, cells)) >= csv.field_size_limit():
            raise Invalid(
                path,
                f"cells of less than {csv.field_size_limit()} characters",
                f"{max(map(len, cells))}",
            )
        lines.append(_line(cells))
    return disk.replace(path, "".join(lines).encode(errors="backslashreplace"))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise Missing(path, "a CSV file", "nothing there") from None
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None
    except UnicodeDecodeError as error:
        raise Invalid(
            path, "UTF-8 text", f"byte {error.object[error.start]:#04x} at offset {error.start}"
        ) from None


def _grid(
    text: str, path: Path, skip: bool = False
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Take CSV apart into its header and its rows with their line numbers, each row as wide as the header."""
    lines = list(_cells(text, path, skip))
    if not lines:
        raise Invalid(path, "a header line", "an empty file")
    header = lines[0][1]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise Invalid(path, "every column once", f"{', '.join(map(repr, twice))} twice")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise Invalid(
                f"{path}:{line}", f"{len(header)} cells, as in the header", f"{len(cells)}"
            )
    return header, lines[1:]


def _cells(text: str, path: Path, skip: bool) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=skip)
    try:
        for cells in reader:
            if cells:  # a blank line is no row
                yield reader.line_num, cells
    except csv.Error as error:
        raise Invalid(f"{path}:{reader.line_num}", "a CSV row", str(error)) from None


def _records(rows: "Iterable[Mapping[str, Any]] | DataFrame") -> Iterator[dict[str, Any]]:
    """Give rows as plain dictionaries; a frame's NaN is null."""
    import pandas

    plain: Any = rows
    if isinstance(rows, pandas.DataFrame):
        plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for row in plain:
        yield {str(name): None if value != value else value for name, value in row.items()}


def _line(cells: Iterable[str]) -> str:
    return ",".join(_quoted(cell) if _QUOTED.search(cell) else cell for cell in cells) + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _cell(value: Any, kind: type) -> str:
    if value is None:
        return ""
    if kind is str and isinstance(value, str):
        return f"'{value}" if _neutral(value) else value
    if kind is bool and isinstance(value, bool):
        return str(value).lower()
    if kind in (int, float) and _counts(value) and kind(value) == value:
        return repr(kind(value))
    raise ValueError(f"expected {kind.__name__}, found {value!r}")


def _counts(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _neutral(text: str) -> bool:
    """Say whether text is written with an apostrophe before it; the reverse of `_value` for every text."""
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _value(cell: str, kind: type, thing: str) -> Any:
    if cell == "":
        return None
    if kind is str:
        return cell[1:] if cell[0] == "'" and _neutral(cell[1:]) else cell
    if kind is bool and cell in _BOOLEANS:
        return _BOOLEANS[cell]
    if kind in (int, float) and _NUMBER.fullmatch(cell):
        try:
            return kind(cell)
        except ValueError:
            pass
    raise Invalid(
        thing, {bool: "true or false", int: "a whole number"}.get(kind, "a number"), repr(cell[:80])
    )
