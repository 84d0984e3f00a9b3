"""Answer a question in SQL over the tables, the ledger and all audits of a workspace.

Reads  those files that the SQL names, as they are on disk: their digests are not compared, which
       is what verify_workspace.py does
Writes nothing; with --out one new file outside of audit/ and gate_results/
The tables: registry, trial_statistics, factor_statistics, candidate_queue, failure_patterns,
next_run_plan, ledger (one row a line), audits (one row a run), audit_checks (one row for each
check of each audit), and tables, the columns of all of them, which is printed without --sql. What
is not there yet has no rows. One SELECT, in the SQL of DuckDB, which can read no other file and
change none. Needs the library duckdb: `make setup-ask`.
Exit codes: 0 done, 2 usage or an error in the SQL, 3 no duckdb, no workspace or no room, 4 a file
that was asked for is broken.

    python scripts/ask_workspace.py --sql "select factor, count(*) from registry group by 1"
"""

import argparse

from postrun import flags


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the question, and of how it is answered."""
    parser.add_argument("--sql", help="one SELECT (default: list the tables with their columns)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="how to print the answer (default: table, of the first 1,000 rows)",
    )
    out = "a new file for the answer: .csv, .json or .parquet"
    where.add_argument("--out", type=flags.path, metavar="FILE", help=out)


FLAGS = flags.ScriptFlags(__doc__, flags.add_root, add_question)
FLAGS.answer_help(__name__)

import os
import sys
from collections.abc import Callable
from pathlib import Path

from postrun import ending
from postrun.core import disk, terminal
from postrun.core.errors import Missing, Usage
from postrun.overview import answer_formats, asked_tables
from postrun.store import outside_files
from postrun.store.sql_engine import Answer, Database

_LIST = f"select * from {asked_tables.LIST}"
_FORMATS: dict[str, Callable[[Answer], answer_formats.Lines]] = {
    "csv": answer_formats.csv_lines,
    "json": answer_formats.json_lines,
}
_PARQUET = ".parquet"
_SUFFIXES = (
    ".csv",
    ".json",
    _PARQUET,
)


def show(root: Path, sql: str, output_format: str) -> None:
    """Print the answer; a terminal gets nothing that it would obey. Raises PostRunError."""
    database = Database()
    database.check(sql)
    asked_tables.add_named(database, root, sql)
    database.close_in()
    answer = database.select(sql)
    if output_format == "table":
        for line in answer_formats.table_lines(answer):
            print(line)
        return
    is_terminal = sys.stdout.isatty()
    for text in _FORMATS[output_format](answer):
        if is_terminal:
            lines = map(terminal.plain, text.split("\n"))
            text = "\n".join(lines)
        sys.stdout.write(text)


def write(root: Path, sql: str, out: Path) -> None:
    """Write the answer into a new file. Raises PostRunError."""
    check_output(root, out)
    database = Database()
    database.check(sql)
    asked_tables.add_named(database, root, sql)
    # Whoever leads a link elsewhere meanwhile does not lead the file there.
    path = out.parent.resolve() / out.name
    unfinished = disk.unfinished_name(path)
    database.close_in(unfinished)
    try:
        _write(database, sql, path.suffix, unfinished)
        # Somebody may have made it while DuckDB worked.
        check_output(root, out)
        with disk.report_write_errors(out):
            disk.sync(unfinished)
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    terminal.say(f"wrote {out}")


def check_output(root: Path, out: Path) -> None:
    """Raise Usage or Missing for a file that may not be written."""
    if out.suffix not in _SUFFIXES:
        expected = "a name that ends in .csv, .json or .parquet"
        raise Usage("--out", expected, out.name)
    outside_files.check_new(root, out, "--out")


def _write(
    database: Database,
    sql: str,
    suffix: str,
    path: Path,
) -> None:
    """Write the answer in the format that the suffix names. Raises PostRunError."""
    if suffix == _PARQUET:
        database.write_parquet(sql, path)
        return
    answer = database.select(sql)
    lines_of = _FORMATS[suffix.removeprefix(".")]
    with disk.report_write_errors(path), path.open("xb") as out:
        for line in lines_of(answer):
            out.write(line.encode())


def main(argv: flags.Argv = None) -> int:
    """Print or write the answer to one question about a workspace."""

    def work() -> int:
        args = FLAGS.parse(argv)
        root = args.local_root.resolve()
        if not root.is_dir():
            raise Missing(args.local_root, "a workspace", "no folder")
        sql = args.sql
        if sql is None:
            sql = _LIST
        if args.out is None:
            show(root, sql, args.format)
        else:
            write(root, sql, args.out)
        return 0

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
