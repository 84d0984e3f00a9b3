"""Answer one SELECT over rows in memory, with DuckDB, which then reads and writes no file.

The tables are filled first; then `close_in` forbids every file, extension and change of a setting
for good. What a SELECT can still change is in memory alone, and gone with the process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun.core.errors import Missing, PostRunError, Usage

if TYPE_CHECKING:
    import duckdb

Columns = Mapping[str, str]  # name -> type of DuckDB, in order
Cells = Sequence[Any]

_SETTINGS: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # It would take variables of this program for tables.
    "python_enable_replacements": "false",
    "memory_limit": "2GB",
    # By default it writes below the current folder what has no room in memory.
    "temp_directory": "",
}
# In this order: behind the second, no setting can be changed.
_CLOSED = (
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_ROWS_AT_ONCE = 5_000
_PARQUET = "FORMAT parquet"
_EXPECTED = "one SELECT that DuckDB can run"


@dataclass(frozen=True)
class Answer:
    """The columns of an answer, each with its type of DuckDB, and its rows, some at a time."""

    columns: dict[str, str]
    parts: Iterator[list[Any]]


class Database:
    """An empty database in memory. Raises Missing without the library."""

    def __init__(self) -> None:
        try:
            import duckdb
        except ModuleNotFoundError as error:
            thing = f"package {error.name}"
            hint = "run `make setup-ask`"
            raise Missing(thing, "it in this Python", "nothing", hint) from None
        self._library: Any = duckdb
        self._connection: Any = duckdb.connect(":memory:", config=_SETTINGS)
        self._thread = ThreadPoolExecutor(1)

    def add_table(
        self,
        name: str,
        columns: Columns,
        rows: Sequence[Cells],
    ) -> None:
        """Make a table, each row with a value for each column. ValueError for another type."""
        described = []
        values = []
        for column, kind in columns.items():
            described.append(f'"{column}" {kind}')
            values.append(f"unnest(?::{kind}[])")
        create = f'CREATE TABLE "{name}" ({", ".join(described)})'
        insert = f'INSERT INTO "{name}" SELECT {", ".join(values)}'
        try:
            self._connection.execute(create)
            # A list a column: an INSERT for each row takes a hundred times as long.
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                part = rows[start : start + _ROWS_AT_ONCE]
                lists = list(map(list, zip(*part, strict=True)))
                self._connection.execute(insert, lists)
        except self._library.Error as error:
            raise ValueError(_first_line(error)) from None

    def close_in(self, output: Path | None = None) -> None:
        """Refuse every file but this one, and every change of a setting, from now on."""
        if output is not None:
            quoted = _quoted(output)
            self._connection.execute(f"SET allowed_paths = [{quoted}]")
        for setting in _CLOSED:
            self._connection.execute(setting)

    def check(self, sql: str) -> None:
        """Raise Usage for what is not one statement that only selects."""
        statements = self._run(self._connection.extract_statements, sql)
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            found = " and ".join(kinds)
            raise Usage("--sql", "one SELECT statement", found or "none")

    def select(self, sql: str) -> Answer:
        """Return an answer; the second of two columns with one name gets a number. Raises Usage."""
        query = _renamed(sql)
        self._run(self._connection.execute, query)
        columns = {}
        for name, kind, *_ in self._connection.description:
            columns[name] = str(kind)
        return Answer(columns, self._parts())

    def _parts(self) -> Iterator[list[Any]]:
        while True:
            part = self._run(self._connection.fetchmany, _ROWS_AT_ONCE)
            if not part:
                return
            yield part

    def write_parquet(self, sql: str, path: Path) -> None:
        """Write an answer into the file that `close_in` allowed. Raises Usage, Missing."""
        query = _renamed(sql)
        place = _quoted(path)
        copy = f"COPY ({query}) TO {place} ({_PARQUET})"
        self._run(self._connection.execute, copy)

    def _run(
        self,
        work: Callable[..., Any],
        argument: str | int,
    ) -> Any:
        """Return what DuckDB answers; Ctrl-C ends it, which it would not notice by itself.

        Raises Usage, Missing.
        """
        running = self._thread.submit(work, argument)
        try:
            return running.result()
        except KeyboardInterrupt:
            self._connection.interrupt()
            raise
        except self._library.Error as error:
            raise self._answer(error) from None

    def _answer(self, error: "duckdb.Error") -> PostRunError:
        """Return an error of DuckDB as one of ours, in DuckDB's own words."""
        reason = _first_line(error)
        if isinstance(error, self._library.IOException):
            expected = "a place that can be written to"
            return Missing("the answer", expected, reason)
        hint = ""
        # DuckDB proposes tables of its own in place of one that was not named right.
        if isinstance(error, self._library.CatalogException):
            hint = "without --sql all tables are listed"
        return Usage("--sql", _EXPECTED, reason, hint)


def _renamed(sql: str) -> str:
    """Return a statement with another name for each column whose name an earlier one has.

    DuckDB does that for what is in brackets. They are on lines of their own: a comment may be last.
    """
    statement = sql.rstrip()
    statement = statement.removesuffix(";")
    return f"SELECT * FROM (\n{statement}\n)"


def _quoted(path: Path) -> str:
    escaped = str(path).replace("'", "''")
    return f"'{escaped}'"


def _first_line(error: Exception) -> str:
    """Return what DuckDB says, without the copy of the statement below it."""
    text, _, _ = str(error).partition("\n\nLINE ")
    return " ".join(text.split())
