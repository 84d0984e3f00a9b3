"""Read and write CSV: external tables strictly, ours so that they read back as they were.

In our tables an empty cell is null, booleans are `true` and `false`, numbers keep every digit, and
text that a spreadsheet would run as a formula begins with an apostrophe, which is removed again on
reading.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from postrun.core import disk, run_names, values
from postrun.core.errors import Invalid, Missing

Columns = Mapping[str, type]  # name -> str, int, float or bool, in the order of the file
Row = dict[str, Any]
Cells = list[str]
Line = tuple[int, Cells]  # the number of a row's last line, and its cells

# What the csv module reads in any process, whatever limit this one has set.
_CELL_LIMIT = 131072
_BOOLEANS = {"true": True, "false": False}
_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number"}
# Fewer words for null than pandas knows: a factor may be called NA.
_NULLS = ("", "nan", "NaN")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_SEPARATORS = ",;\t"  # as spreadsheets write them
# The full-width forms of = + - @ begin a formula in some spreadsheets, too.
_FORMULA = re.compile(r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
# The csv module of Python 3.11 leaves a lone \r unquoted, and then cannot read it.
_QUOTED = re.compile(r'[,"\r\n]')


def read_external(
    path: Path,
    columns: Iterable[str] = (),
    numbers: Iterable[str] = (),
) -> list[Row]:
    """Return the rows of a CSV file of another program, columns in the file's order.

    `columns` and `numbers` are required; cells of `numbers` are floats, all others are text. Empty
    cells, NaN and infinity are None. Raises Missing; Invalid for a file that is not UTF-8, has no
    header, lacks a column or has one twice, a row of another width than the header, a cell of
    `numbers` that is no number.
    """
    numeric = tuple(numbers)
    content = _read_bytes(path)
    header, lines = _parse_cells(content, path, skip_blanks=True)
    required = dict.fromkeys((*columns, *numeric))  # each once, in this order
    missing = [name for name in required if name not in header]
    if missing:
        expected = f"the columns {', '.join(missing)}"
        raise Invalid(path, expected, f"only {', '.join(header)}")
    rows = []
    for number, cells in lines:
        row: Row = {}
        for name, cell in zip(header, cells, strict=True):
            if name in numeric:
                row[name] = _parse_number(cell, f"{path}:{number}: {name}")
            elif cell in _NULLS:
                row[name] = None
            else:
                row[name] = cell
        rows.append(row)
    return rows


def infinite_cells(path: Path, numbers: Iterable[str]) -> dict[str, str]:
    """Return where a table of another program holds an infinite number, and which.

    The places are JSON paths into the rows that `read_external` returns; there they are None.
    """
    content = _read_bytes(path)
    header, lines = _parse_cells(content, path, skip_blanks=True)
    columns = [header.index(name) for name in numbers]
    places = {}
    for index, line in enumerate(lines):
        _, cells = line
        for column in columns:
            text = cells[column].strip()
            if not _INFINITE.fullmatch(text):
                continue
            number = "Infinity"
            if text.startswith("-"):
                number = "-Infinity"
            where = f"$[{index}].{header[column]}"
            places[where] = number
    return places


def read_rows(
    path: Path,
    columns: Columns,
    later: Collection[str] = (),
) -> list[Row]:
    """Return the rows of a table of ours; none when there is no file.

    Columns that came `later` than the first release are null in a table that lacks them. Raises
    Missing for one that cannot be read, Invalid.
    """
    if not disk.is_present(path):
        return []
    content = _read_bytes(path)
    return parse_rows(content, path, columns, later)


def encode_rows(
    path: Path,
    rows: Iterable[Row],
    columns: Columns,
    check: Callable[[Row], object],
) -> bytes:
    """Return the bytes of a table of ours, rows in the order given. `path` is where it will be.

    `check` is called with every row, and raises when the row does not fit its schema. A table
    without rows keeps its header. Raises ValueError for a row with other columns or a value of
    another type, Invalid for a cell that is too long to be read again.
    """
    lines = [_join(columns)]
    for row in rows:
        check(row)
        line = _encode_row(path, row, columns)
        lines.append(line)
    text = "".join(lines)
    # A file name that is not UTF-8 is written as an escape, and reads back as one.
    return text.encode(errors="backslashreplace")


def encode_row(path: Path, row: Row, columns: Columns) -> bytes:
    """Return a row as a line of a table of ours, as `encode_rows` writes it.

    Raises ValueError, Invalid.
    """
    line = _encode_row(path, row, columns)
    return line.encode(errors="backslashreplace")


def replace_lines(
    content: bytes,
    lines: Mapping[int, bytes],
    rows: int,
) -> bytes | None:
    """Return a table of so many rows with other lines: each in place of the row of that number.

    Rows are numbered from 1; lines with higher numbers come last. None for a table in which a cell
    has a line break: no line of it can be found by its number.
    """
    # Before the rows is the header, and nothing after the last line end.
    if content.count(b"\n") != rows + 1 or not content.endswith(b"\n"):
        return None
    added = [lines[number] for number in sorted(lines) if number > rows]
    parts = [content]
    if len(added) < len(lines):
        parts = _with_lines(content, lines, rows)
    return b"".join([*parts, *added])


def _with_lines(
    content: bytes,
    lines: Mapping[int, bytes],
    rows: int,
) -> list[bytes]:
    """Return the parts of a table in which some lines are others."""
    ends = [line_end.end() for line_end in re.finditer(b"\n", content)]
    parts = []
    done = 0
    for number in sorted(lines):
        if number <= rows:
            begin = ends[number - 1]
            parts += [content[done:begin], lines[number]]
            done = ends[number]
    return [*parts, content[done:]]


def _encode_row(path: Path, row: Row, columns: Columns) -> str:
    if row.keys() != columns.keys():
        raise ValueError(f"{path}: a row has the columns {sorted(row)}, not {sorted(columns)}")
    cells = [_format(row[name], kind) for name, kind in columns.items()]
    longest = max(map(len, cells))
    if longest >= _CELL_LIMIT:
        expected = f"cells of less than {_CELL_LIMIT} characters"
        raise Invalid(path, expected, f"{longest}")
    return _join(cells)


def is_ours(content: bytes, columns: Columns) -> bool:
    """Return whether a table is this one, whole or broken: a line has most columns, few others."""
    # The first line says it, in a table that is whole.
    return _has_our_line(header(content), columns) or _has_our_line(content, columns)


def header(content: bytes) -> bytes:
    """Return the first line of a table, without a copy of the others."""
    end = content.find(b"\n")
    if end < 0:
        return content
    return content[:end]


def _has_our_line(content: bytes, columns: Columns) -> bool:
    text = content.decode("utf-8-sig", errors="replace")
    for line in text.splitlines():
        unquoted = line.replace('"', "")
        for separator in _SEPARATORS:
            # A cell of ours may have other separators in it.
            cells = unquoted.split(separator)
            if _has_columns(cells, columns) or _begins_as_ours(cells, columns):
                return True
    return False


def _has_columns(cells: Cells, columns: Columns) -> bool:
    known = columns.keys() & cells
    all_names = columns.keys() | cells
    return len(known) >= len(all_names) * 2 / 3


def _begins_as_ours(cells: Cells, columns: Columns) -> bool:
    """Return whether a row is one of ours: where the header is lost, they still begin so."""
    if "run" not in columns or len(cells) != len(columns):
        return False
    names = list(columns)
    run_column = names.index("run")
    return run_names.parse_run_name(cells[run_column]) is not None


def _read_bytes(path: Path) -> bytes:
    try:
        return disk.read_bytes(path)
    except FileNotFoundError:
        raise Missing(path, "a CSV file", "nothing there") from None
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None


def _parse_cells(
    content: bytes,
    path: Path,
    skip_blanks: bool = False,
) -> tuple[Cells, list[Line]]:
    """Return the header and the rows, each as wide as the header. Raises Invalid."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = f"byte {content[error.start]:#04x} at offset {error.start}"
        raise Invalid(path, "UTF-8 text", byte) from None
    lines = list(_split_lines(text, path, skip_blanks))
    if not lines:
        raise Invalid(path, "a header line", "an empty file")
    header = lines[0][1]
    counts = Counter(header)
    twice = [repr(name) for name in sorted(counts) if counts[name] > 1]
    if twice:
        raise Invalid(path, "every column once", f"{', '.join(twice)} twice")
    for number, cells in lines:
        if len(cells) != len(header):
            expected = f"{len(header)} cells, as in the header"
            raise Invalid(f"{path}:{number}", expected, f"{len(cells)}")
    return header, lines[1:]


def _split_lines(
    text: str,
    path: Path,
    skip_blanks: bool,
) -> Iterator[Line]:
    """Yield each row that is not empty."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, strict=True, skipinitialspace=skip_blanks)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise Invalid(f"{path}:{reader.line_num}", "a CSV row", str(error)) from None


def parse_rows(
    content: bytes,
    path: Path,
    columns: Columns,
    later: Collection[str] = (),
) -> list[Row]:
    """Return the rows of a table of ours from its bytes. `path` is where it is. Raises Invalid."""
    header, lines = _parse_cells(content, path)
    present = dict(columns)
    for name in later:
        if name not in header:
            del present[name]
    if header != list(present):
        raise Invalid(path, f"the columns {', '.join(columns)}", ", ".join(header))
    rows = []
    for number, cells in lines:
        row = dict.fromkeys(columns)
        for cell, (name, kind) in zip(cells, present.items(), strict=True):
            try:
                row[name] = _parse(cell, kind)
            except ValueError:
                thing = f"{path}:{number}: {name}"
                start = repr(cell[:80])
                raise Invalid(thing, _EXPECTED[kind], start) from None
        rows.append(row)
    return rows


def parse_lines(
    lines: Iterable[bytes],
    path: Path,
    columns: Columns,
) -> list[Row]:
    """Return the rows of lines as `encode_row` writes them. Raises Invalid."""
    header = _join(columns).encode()
    content = b"".join([header, *lines])
    return parse_rows(content, path, columns)


def _parse_number(cell: str, thing: str) -> float | None:
    """Return a number to the last bit; None for null and infinity. Raises Invalid."""
    text = cell.strip()
    if text in _NULLS or _INFINITE.fullmatch(text):
        return None
    if not _NUMBER.fullmatch(text):
        raise Invalid(thing, "a number", repr(cell[:80]))
    return values.cell_number(text)


def _parse(cell: str, kind: type) -> Any:
    """Return the value of one cell of ours. Raises ValueError."""
    if cell == "":
        return None
    if kind is str:
        text = cell.removeprefix("'")
        if text != cell and _is_formula(text):
            return text
        return cell
    if kind is bool and cell in _BOOLEANS:
        return _BOOLEANS[cell]
    if kind in (int, float) and _NUMBER.fullmatch(cell):
        return kind(cell)
    raise ValueError(cell)


def _format(value: Any, kind: type) -> str:
    """Return the cell of a value; `_parse` is the way back. Raises ValueError."""
    if value is None:
        return ""
    if kind is str and isinstance(value, str):
        if _is_formula(value):
            return f"'{value}"
        return value
    if kind is bool and isinstance(value, bool):
        return str(value).lower()
    # A bool is an int to Python, and no number here.
    is_number = type(value) is int or values.number(value) is not None
    if kind in (int, float) and is_number:
        number = kind(value)
        if number == value:
            return repr(number)
    raise ValueError(f"expected {kind.__name__}, found {value!r}")


def _is_formula(text: str) -> bool:
    if _NUMBER.fullmatch(text):
        return False
    return _FORMULA.match(text) is not None


def _join(cells: Iterable[str]) -> str:
    return ",".join(map(_quote, cells)) + "\n"


def _quote(cell: str) -> str:
    if not _QUOTED.search(cell):
        return cell
    escaped = cell.replace('"', '""')
    return f'"{escaped}"'
