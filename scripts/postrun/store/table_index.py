"""Rows of the workspace's tables from the index: a closing asks for the few that it needs.

Cost: about 0.1 ms a row to make; then a digest of the table's bytes, and the rows asked for.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from postrun.core.errors import Invalid
from postrun.store import csv_files, index
from postrun.store.csv_files import Columns, Row

Value = TypeVar("Value")

# Columns by which rows are looked for, and what is asked of them.
_SEARCHED = (
    ("run",),
    ("factor", "run"),
    ("family", "run", "family_p"),
    ("family", "run", "row_digest", "lasting_digest"),
    ("decision",),
    ("overall_pass", "audit_passed", "run"),
    ("policy_sha256",),
    ("total", "run"),
    ("started", "run"),
    ("decision_tag",),
    ("failed_checks", "factor"),
)
# Of each row: the digest of all its values, and that of those which other closings leave as they
# are.
_DIGESTS = ("row_digest", "lasting_digest")
DIGITS = 32  # of such a digest


@dataclass(frozen=True)
class Digests:
    """The digests of some rows, joined in the order of their runs: `DIGITS` letters a row."""

    whole: str
    lasting: str


@dataclass
class IndexedTable:
    """A table of a workspace as these bytes have it, with their SHA-256 digest.

    `standing` is what other closings change.
    """

    root: Path
    name: str
    path: Path
    content: bytes
    digest: str
    columns: Columns
    later: Collection[str] = ()
    standing: Collection[str] = ()

    @property
    def has_all_columns(self) -> bool:
        """Return whether the table has the columns of today, and not those of earlier releases."""
        names = ",".join(self.columns)
        return csv_files.header(self.content) == names.encode()

    def count(self, condition: str = "TRUE", *values: Any) -> int:
        """Return how many rows meet a condition in SQL. Raises Invalid."""
        number = self.value("count(*)", condition, *values)
        return int(number)

    def value(
        self,
        expression: str,
        condition: str,
        *values: Any,
    ) -> Any:
        """Return one value in SQL over the rows that meet a condition. Raises Invalid."""
        query = f"SELECT {expression} FROM {self.name} WHERE {condition}"
        ((value,),) = self.ask(query, values)
        return value

    def select(
        self,
        condition: str = "TRUE",
        values: Sequence[Any] = (),
        columns: Collection[str] = (),
        order: str = "place",
    ) -> list[Row]:
        """Return the rows that meet a condition in SQL, in the order of the file or another.

        Among the columns may be `row_digest`. Raises Invalid for a table that cannot be read.
        """
        names = list(columns or self.columns)
        wanted = ", ".join(map(_quoted, names))
        query = f"SELECT {wanted} FROM {self.name} WHERE {condition} ORDER BY {order}"
        booleans = [name for name in names if self.columns.get(name) is bool]
        rows = []
        for cells in self.ask(query, values):
            row = dict(zip(names, cells, strict=True))
            # SQLite has numbers in their place.
            for name in booleans:
                if row[name] is not None:
                    row[name] = bool(row[name])
            rows.append(row)
        return rows

    def select_each(
        self,
        key: str,
        values: Iterable[str],
        columns: Collection[str] = (),
    ) -> list[Row]:
        """Return the rows whose key is among these values, in the order of the file."""
        names = json.dumps(list(values))
        return self.select(_is_among(key), [names], columns)

    def digests_by(self, column: str) -> dict[str, Digests]:
        """Return the digests of the rows of each value of a column. Raises Invalid."""
        query = f"""
            SELECT {column}, group_concat(row_digest, ''), group_concat(lasting_digest, '')
            FROM (
                SELECT {column}, row_digest, lasting_digest
                FROM {self.name} WHERE {column} IS NOT NULL ORDER BY {column}, run
            )
            GROUP BY {column}
        """
        return {value: Digests(*digests) for value, *digests in self.ask(query)}

    def ask(
        self,
        query: str,
        values: Sequence[Any] = (),
        others: Iterable["IndexedTable"] = (),
    ) -> list[tuple[Any, ...]]:
        """Return what a query in SQL gives, a boolean as 0 or 1; `place` is the number of a row.

        The query may be about other tables of the workspace, too. Raises Invalid for a table that
        cannot be read.
        """

        def answer(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            answers = connection.execute(query, values)
            return answers.fetchall()

        return self.use(answer, others)

    def use(
        self,
        work: index.Work[Value],
        others: Iterable["IndexedTable"] = (),
    ) -> Value:
        """Return what some work with the index gives while the index has this table, and others,
        as their bytes are: all in one transaction. Raises Invalid for a table that cannot be read.
        """
        tables = (self, *others)

        def together(connection: sqlite3.Connection) -> Value:
            with connection:
                connection.execute("BEGIN")
                if all(table._is_there(connection) for table in tables):
                    return work(connection)
            # Another process may have a table of other bytes.
            with index.changing(connection):
                for table in tables:
                    table._make(connection)
                return work(connection)

        return index.use(self.root, together)

    def places(
        self,
        key: str,
        values: Sequence[str],
    ) -> list[int]:
        """Return the number of each row with these keys; of those that are not there, the next."""
        query = f"SELECT {key}, place FROM {self.name} WHERE {_is_among(key)}"
        names = json.dumps(values)
        numbers = dict(self.ask(query, [names]))
        following = self.count() + 1
        for value in values:
            if value not in numbers:
                numbers[value] = following
                following += 1
        return [numbers[value] for value in values]

    def put(
        self,
        rows: Mapping[int, Row],
        content: bytes,
        digest: str,
    ) -> None:
        """Replace or add rows that were written, by number: `content` is the table with them."""
        before = self._stamp
        self.content = content
        self.digest = digest

        def change(connection: sqlite3.Connection) -> None:
            with index.changing(connection):
                if not index.is_made_of(connection, self.name, before):
                    return
                is_checked = index.is_made_of(connection, self._checked, before)
                self._insert(connection, rows.items())
                index.note(connection, self.name, self._stamp)
                if is_checked:
                    index.note(connection, self._checked, self._stamp)

        index.use(self.root, change)

    def check(self, check_row: Callable[[Row], object]) -> None:
        """Call a function that raises with every row, unless every row was checked before."""

        def is_checked(connection: sqlite3.Connection) -> bool:
            return index.is_made_of(connection, self._checked, self._stamp)

        def note(connection: sqlite3.Connection) -> None:
            index.note(connection, self._checked, self._stamp)

        if not index.use(self.root, is_checked):
            for row in self.select():
                check_row(row)
            index.use(self.root, note)

    @property
    def _checked(self) -> str:
        return f"{self.name}: every row was checked"

    @property
    def _stamp(self) -> str:
        names = ",".join([*self.columns, *_DIGESTS])
        return f"{self.digest} {names}"

    def _is_there(self, connection: sqlite3.Connection) -> bool:
        return index.is_made_of(connection, self.name, self._stamp)

    def _make(self, connection: sqlite3.Connection) -> None:
        """Make the table in the index, unless it is there as these bytes have it."""
        if self._is_there(connection):
            return
        rows = csv_files.parse_rows(
            self.content,
            self.path,
            self.columns,
            self.later,
        )
        every_column = [*self.columns, *_DIGESTS]
        names = ", ".join(map(_quoted, every_column))
        connection.execute(f"DROP TABLE IF EXISTS {self.name}")
        connection.execute(f"CREATE TABLE {self.name} (place INTEGER PRIMARY KEY, {names})")
        self._insert(connection, enumerate(rows, 1))
        for columns in _SEARCHED:
            if set(columns) <= set(every_column):
                name = "_".join([self.name, *columns])
                wanted = ", ".join(columns)
                connection.execute(f"CREATE INDEX {name} ON {self.name} ({wanted})")
        index.note(connection, self.name, self._stamp)

    def _insert(
        self,
        connection: sqlite3.Connection,
        rows: Iterable[tuple[int, Row]],
    ) -> None:
        marks = ", ".join("?" for _ in [*self.columns, *_DIGESTS])
        statement = f"INSERT OR REPLACE INTO {self.name} VALUES (?, {marks})"
        cells = ((place, *row.values(), *self._digests(row)) for place, row in rows)
        try:
            connection.executemany(statement, cells)
        except OverflowError:
            expected = "whole numbers of at most 64 bits"
            raise Invalid(self.path, expected, "a larger one") from None

    def _digests(self, row: Row) -> tuple[str, str]:
        """Return the digest of a row, and that of what other closings leave of it."""
        whole = _digest_values(row.values())
        lasting = [value for name, value in row.items() if name not in self.standing]
        if len(lasting) == len(row):
            return whole, whole
        return whole, _digest_values(lasting)


def _digest_values(values: Iterable[Any]) -> str:
    text = json.dumps(list(values))
    return hashlib.blake2b(text.encode(), digest_size=DIGITS // 2).hexdigest()


def _is_among(column: str) -> str:
    """Return in SQL that a column has one of the values of a list, which is given as JSON."""
    return f"{column} IN (SELECT value FROM json_each(?))"


def _quoted(name: str) -> str:
    return f'"{name}"'
