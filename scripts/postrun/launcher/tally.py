"""One pass over a data file, row by row, counting what the data-quality gate asks."""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from postrun.core.errors import Invalid, Missing
from postrun.launcher.policy import Thresholds

NOT_A_NUMBER = {"nan", "na", "n/a", "null", "none"}
SEPARATOR = "\x1f"  # between the cells of a key


@dataclass
class Tally:
    """What one pass over the file counted. Columns are names; memory grows only with the number of keys."""

    header: list[str]
    rows: int = 0
    ragged: int = 0
    duplicates: int = 0
    newest: date | None = None
    bad_dates: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


def scan(path: Path, asked: Thresholds) -> Tally:
    """Count everything the checks need. Raises Missing, Invalid."""
    if not path.is_file():
        raise Missing("data file", f"a CSV file at {path}", "nothing")
    csv.field_size_limit(2**24)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as source:
            reader = csv.reader(source)
            tally = Tally([name.strip() for name in next(reader, [])])
            _count(reader, asked, tally)
    except csv.Error as error:
        raise Invalid(path, "a CSV file", str(error)) from None
    return tally


def columns(asked: Thresholds) -> list[str]:
    """List every column that any check needs, each once."""
    return list(
        dict.fromkeys(
            (*asked.required_columns, *asked.key_columns, asked.date_column, *asked.numeric_columns)
        )
    )


def _count(rows: Iterable[list[str]], asked: Thresholds, tally: Tally) -> None:
    width = len(tally.header)
    places = {
        name: tally.header.index(name) for name in tally.header
    }  # of two alike the first, as pandas has it
    watched = [
        (name, places[name], name in asked.numeric_columns)
        for name in columns(asked)
        if name in places
    ]
    keys = [places[name] for name in asked.key_columns if name in places] or range(
        width
    )  # without keys, whole rows
    day, seen = places.get(asked.date_column), set[bytes]()
    for row in rows:
        if not row:  # a blank line, often the last one
            continue
        tally.rows += 1
        if len(row) != width:
            tally.ragged += 1
            row = [*row, *[""] * (width - len(row))]
        for name, place, numeric in watched:
            _cell(tally, name, row[place].strip(), numeric)
        if day is not None and row[day].strip():
            _date(tally, row[day].strip())
        key = hashlib.blake2b(
            SEPARATOR.join(row[place] for place in keys).encode(), digest_size=16
        ).digest()
        tally.duplicates += key in seen
        seen.add(key)


def _cell(tally: Tally, name: str, text: str, numeric: bool) -> None:
    if not text or (numeric and text.lower() in NOT_A_NUMBER):
        tally.missing[name] += 1
    elif numeric and not _finite(text):
        tally.unreadable[name] += 1


def _finite(text: str) -> bool:
    if "_" in text or not text.isascii():  # 1_000 is a number to Python alone
        return False
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _date(tally: Tally, text: str) -> None:
    day = _read_date(text)
    if day is None:
        tally.bad_dates += 1
    elif tally.newest is None or day > tally.newest:
        tally.newest = day


@lru_cache(maxsize=4096)
def _read_date(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
