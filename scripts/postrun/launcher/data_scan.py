"""One pass over a data file, row by row, that counts what the data-quality gate asks."""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from postrun.core import disk
from postrun.core.errors import Invalid, Missing
from postrun.launcher.policy import Thresholds

NOT_A_NUMBER = {"nan", "na", "n/a", "null", "none"}
LONGEST_CELL = 2**24  # bytes
SEPARATOR = "\x1f"  # between the cells of a key


@dataclass
class DataCounts:
    """What one pass over the file counted. The keys of counters are names of columns."""

    header: list[str]
    rows: int = 0
    ragged: int = 0
    duplicates: int = 0
    newest: date | None = None
    bad_dates: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def add_cell(self, name: str, text: str, numeric: bool) -> None:
        """Count a cell that is empty, or that should be a number and is not."""
        if not text or (numeric and text.lower() in NOT_A_NUMBER):
            self.missing[name] += 1
        elif numeric and not _is_finite(text):
            self.unreadable[name] += 1

    def add_date(self, text: str) -> None:
        """Count a date that cannot be read; keep the newest."""
        day = _read_date(text)
        if day is None:
            self.bad_dates += 1
        elif self.newest is None or day > self.newest:
            self.newest = day


def scan(path: Path, thresholds: Thresholds) -> DataCounts:
    """Return everything the checks need. Raises Missing, Invalid.

    Memory grows with the number of keys, not with the size of the file.
    """
    if not disk.is_file(path):
        raise Missing("data file", f"a CSV file at {path}", "nothing")
    csv.field_size_limit(LONGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as source:
            reader = csv.reader(source)
            header = next(reader, [])
            names = [name.strip() for name in header]
            counts = DataCounts(names)
            _count_rows(reader, counts, thresholds)
    except csv.Error as error:
        raise Invalid(path, "a CSV file", str(error)) from None
    return counts


def checked_columns(thresholds: Thresholds) -> list[str]:
    """Return every column that any check needs, each once."""
    names = [*thresholds.required_columns]
    names += thresholds.key_columns
    names += [thresholds.date_column]
    names += thresholds.numeric_columns
    return list(dict.fromkeys(names))


def _count_rows(
    rows: Iterable[list[str]],
    counts: DataCounts,
    thresholds: Thresholds,
) -> None:
    header = counts.header
    width = len(header)
    columns = []
    for name in checked_columns(thresholds):
        if name in header:
            # Of two columns with one name the first counts, as in pandas.
            numeric = name in thresholds.numeric_columns
            columns.append((name, header.index(name), numeric))
    # Without key columns a row is a duplicate when all its cells are.
    key_columns = [header.index(name) for name in thresholds.key_columns if name in header]
    if not key_columns:
        key_columns = list(range(width))
    known_keys = set()
    for row in rows:
        if not row:  # a blank line, often the last one
            continue
        counts.rows += 1
        if len(row) != width:
            counts.ragged += 1
            absent = width - len(row)
            row += [""] * absent
        for name, index, numeric in columns:
            text = row[index].strip()
            counts.add_cell(name, text, numeric)
            if text and name == thresholds.date_column:
                counts.add_date(text)
        cells = [row[index] for index in key_columns]
        key = _digest(cells)
        counts.duplicates += key in known_keys
        known_keys.add(key)


def _digest(cells: list[str]) -> bytes:
    # 16 bytes in place of a key: names may be long, and there are millions of rows.
    joined = SEPARATOR.join(cells)
    digest = hashlib.blake2b(joined.encode(), digest_size=16)
    return digest.digest()


def _is_finite(text: str) -> bool:
    # 1_000 is a number to Python alone.
    if "_" in text or not text.isascii():
        return False
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _read_date(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
