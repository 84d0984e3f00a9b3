"""Compare closed runs: print what differs, and whether it is better or worse than the first.

Reads audit/factor_registry/factor_experiment_registry.csv, and in the ledger which runs were
abandoned; writes nothing. When several runs have a tag, the newest by its folder's name is
compared, and a message names it.
Exit codes: 0 done, 2 usage, 3 no registry yet, 4 registry or ledger is invalid, 5 no closed run has
one of the tags.

--json prints one object: "runs", the run folders in the order of the tags; "differences", a list of
{"column", "words", "direction": what is better or null, "values": one a run, "changes": one a run
against the first: better, worse, same, not comparable, or null where nothing is better}.

--format markdown or html prints a page, complete in itself.

    python scripts/compare_runs.py --tags "committee_2026-02-21_run4 committee_2026-02-28_run1"
"""

import argparse

from postrun import flags

_PAGES = {"markdown": "compare_runs.md", "html": "compare_runs.html"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is compared, and how it is shown."""
    tags = "decision tags with blanks between them, a tag with blanks in quotes"
    parser.add_argument("--tags", required=True, help=tags)
    flags.add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")
    parser.add_argument(
        "--format",
        choices=("text", *_PAGES),
        default="text",
        help="print a table for the terminal, or a page (default: text)",
    )


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import json
import shlex
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from postrun import ending
from postrun.core import run_names, terminal
from postrun.core.errors import AmbiguousRun, Usage
from postrun.registry import leaderboard
from postrun.review import comparison
from postrun.store import ledger, next_action, page_files, tables
from postrun.store.tables import Row, Rows

REGISTRY = "factor_experiment_registry"
# What follows from the windows of a run: people compare what is worked out from them.
_OF_WINDOWS = ("series", "series_by_month", "series_sha256", "inputs_sha256")
# Null is an empty list there, and no missing number.
_LISTS = ("failed_gates", "failed_checks", "skipped_checks", "not_measured")
# What names a run and its policy differs in any two runs, and says nothing of their results.
_NAMES = ["decision_tag", "started", "gate_folder", "policy_sha256"]


def compare(
    root: Path,
    tags: Sequence[str],
    as_format: str,
) -> int:
    """Print what differs between the runs of these tags; return the exit code.

    Raises Missing, Invalid, AmbiguousRun.
    """
    registry = tables.read_existing(root, REGISTRY)
    rows = [find_run(registry, tag) for tag in tags]
    differences = find_differences(rows)
    shown = [row for row in differences if row["column"] not in _OF_WINDOWS]
    if as_format in _PAGES:
        lines = _lines(root, rows, shown)
        page = page_files.page(_PAGES[as_format], runs=rows, differences=lines)
        print(page, end="")
    elif as_format == "json":
        runs = [row["run"] for row in rows]
        document = {"runs": runs, "differences": differences}
        print(json.dumps(document))
    elif shown:
        print(format_table(tags, _lines(root, rows, shown)))
    else:
        print("no difference")
    return 0


def find_run(registry: Rows, tag: str) -> Row:
    """Return the row of a tag's newest closed run. Raises AmbiguousRun when there is none."""
    of_tag = []
    raw_tags = {}
    for row in registry:
        raw = row["decision_tag"]
        if run_names.is_tag(tag, raw):
            of_tag.append(row)
            raw_tags[row["run"]] = raw
    if not of_tag:
        nearest = run_names.nearest_tags(tag, {row["decision_tag"] for row in registry})
        hint = f"nearest: {nearest}" if nearest else ""
        raise AmbiguousRun(f"tag {tag}", "a closed run", "none", hint)
    run_names.check_one_tag(tag, raw_tags)
    # The name of a run folder begins with its time.
    newest = max(of_tag, key=itemgetter("run"))
    if len(of_tag) > 1:
        terminal.say(f"tag {tag}: {len(of_tag)} closed runs, compared is {newest['run']}")
    return newest


def find_differences(rows: Rows) -> Rows:
    """Return each column of the registry in which the runs differ, as --json has it."""
    import pandas

    # One column a run, one row a column of the registry. Object keeps null apart from NaN, and true
    # from 1.
    runs = pandas.DataFrame(rows, dtype=object)
    runs = runs.set_index("run")
    table = runs.drop(columns=_NAMES).T
    kinds = table.nunique(axis=1, dropna=False)
    table = table[kinds > 1]
    first_run = rows[0]
    changes = [comparison.compare(first_run, row) for row in rows]
    metrics = {}
    for metric in zip(*changes, strict=True):
        metrics[metric[0]["metric"]] = metric
    differences = []
    for column, values in zip(table.index, table.values.tolist(), strict=True):
        # Of a column without a direction nothing is better; the first run is compared with none.
        first: Row = {}
        compared: list[str | None] = [None] * len(rows)
        if column in metrics:
            first, *others = metrics[column]
            compared = [None]
            for metric in others:
                compared.append(metric["change"])
        unchanged = compared.count(comparison.SAME)
        if unchanged < len(rows) - 1:
            words = column.replace("_", " ")
            difference = {
                "column": column,
                "words": first.get("words", words),
                "direction": first.get("direction"),
                "values": values,
                "changes": compared,
            }
            differences.append(difference)
    return differences


def _lines(root: Path, rows: Rows, differences: Rows) -> Rows:
    """Return each difference with one cell a run: its text and its change."""
    runs = [row["run"] for row in rows]
    abandoned = next_action.abandoned_runs(ledger.decisions(root, runs))
    lines = []
    for difference in differences:
        column = difference["column"]
        cells = []
        triples = zip(rows, difference["values"], difference["changes"], strict=True)
        for row, value, change in triples:
            absent = leaderboard.NOT_MEASURED
            if column in _LISTS:
                absent = "none"
            elif row["run"] in abandoned:
                absent = leaderboard.ABANDONED
            text = page_files.metric(value, column, absent)
            cells.append({"text": text, "change": change})
        lines.append({**difference, "cells": cells})
    return lines


def format_table(tags: Sequence[str], lines: Rows) -> str:
    """Return the differences as a table: one line a column of the registry, one column a run."""
    import pandas

    texts = {}
    for line in lines:
        cells = []
        for cell in line["cells"]:
            text = cell["text"]
            if cell["change"]:
                text += f" ({cell['change']})"
            cells.append(text)
        texts[line["words"]] = cells
    columns = list(tags)
    table = pandas.DataFrame.from_dict(texts, orient="index", columns=columns)
    return table.to_string(justify="left")


def split_tags(text: str) -> list[str]:
    """Return the tags in one text; quotes keep one with a space together. Raises Usage."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Usage("--tags", "tags quoted as for a shell", f"{text!r} ({error})") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the runs of some tags."""

    def work() -> int:
        args = FLAGS.parse(argv)
        as_format = args.format
        if args.json:
            as_format = "json"
        tags = split_tags(args.tags)
        if len(tags) < 2:
            raise Usage("--tags", "two tags or more", f"{len(tags)}")
        root = args.local_root.resolve()
        return compare(root, tags, as_format)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
