"""Compare closed runs: print what differs, and whether it is better or worse than the first.

Reads audit/factor_registry/factor_experiment_registry.csv; writes nothing. A tag that several runs
have means the newest of them by its folder's name, and that is said.
Exit codes: 0 done, 2 usage, 3 no registry yet, 4 the registry is invalid, 5 no closed run has a
tag.

--json prints one object: "runs", the run folders in the order of the tags; "differences", a list of
{"column", "words", "direction": what is better or null, "values": one a run, "changes": one a run
against the first: better, worse, same, not comparable, or null where nothing is better}.

    python scripts/compare_runs.py --tags "committee_2026-02-21_run4 committee_2026-02-28_run1"
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import terminal
from postrun.core.errors import AmbiguousRun, Usage
from postrun.core.locations import PROJECT
from postrun.review import comparison
from postrun.store import page_files, tables

REGISTRY = "factor_experiment_registry"
# What names a run and its policy differs in any two runs, and says nothing of their results.
_NAMES = ["decision_tag", "started", "gate_folder", "policy_sha256"]

Row = dict[str, Any]


def compare(root: Path, tags: Sequence[str], as_json: bool) -> int:
    """Print what differs between the runs of these tags; return the exit code.

    Raises Missing, Invalid, AmbiguousRun.
    """
    registry = tables.read_existing(root, REGISTRY)
    rows = [find_run(registry, tag) for tag in tags]
    differences = find_differences(rows)
    if as_json:
        runs = [row["run"] for row in rows]
        print(json.dumps({"runs": runs, "differences": differences}))
    elif differences:
        print(format_table(tags, differences))
    else:
        print("no difference")
    return 0


def find_run(registry: Iterable[Row], tag: str) -> Row:
    """Return the row of a tag's newest closed run. Raises AmbiguousRun when there is none."""
    rows = sorted(registry, key=lambda row: row["run"])
    of_tag = [row for row in rows if row["decision_tag"] == tag]
    if not of_tag:
        known = {row["decision_tag"] for row in rows}
        nearest = difflib.get_close_matches(tag, sorted(known), n=5, cutoff=0.3)
        hint = f"nearest: {', '.join(nearest)}" if nearest else ""
        raise AmbiguousRun(f"tag {tag}", "a closed run", "none", hint)
    newest = of_tag[-1]
    if len(of_tag) > 1:
        terminal.say(f"tag {tag}: {len(of_tag)} closed runs, compared is {newest['run']}")
    return newest


def find_differences(rows: Sequence[Row]) -> list[Row]:
    """Return each column of the registry in which the runs differ, as --json has it."""
    import pandas

    # One column a run, one row a column of the registry. Object keeps null apart from NaN, and true
    # from 1.
    table = pandas.DataFrame(rows, dtype=object).set_index("run").drop(columns=_NAMES).T
    table = table[table.nunique(axis=1, dropna=False) > 1]
    changes = [comparison.compare(rows[0], row) for row in rows]
    metrics = {first["metric"]: (first, each) for first, *each in zip(*changes, strict=True)}
    differences = []
    for column, values in zip(table.index, table.values.tolist(), strict=True):
        first, others = metrics.get(column, ({}, []))
        compared = [None, *(metric["change"] for metric in others)]
        if not others:
            compared = [None] * len(rows)
        if compared.count(comparison.SAME) < len(rows) - 1:
            difference = {
                "column": column,
                "words": first.get("words", column.replace("_", " ")),
                "direction": first.get("direction"),
                "values": values,
                "changes": compared,
            }
            differences.append(difference)
    return differences


def format_table(tags: Sequence[str], differences: Iterable[Row]) -> str:
    """Return the differences as a table: one line a column of the registry, one column a run."""
    import pandas

    lines = {}
    for difference in differences:
        cells = []
        for value, change in zip(difference["values"], difference["changes"], strict=True):
            cell = page_files.number(value, 4)
            cells.append(f"{cell} ({change})" if change else cell)
        lines[difference["words"]] = cells
    table = pandas.DataFrame.from_dict(lines, orient="index", columns=list(tags))
    return table.to_string(justify="left")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the runs of some tags."""

    def work() -> int:
        parser = cli.Parser(__doc__)
        add = parser.add_argument
        add("--tags", required=True, help="two or more decision tags, with blanks between them")
        add("--local-root", type=Path, default=PROJECT, help="the workspace (the project)")
        add("--json", action="store_true", help="the differences as JSON on stdout")
        args = parser.parse_args(argv)
        tags = args.tags.split()
        if len(tags) < 2:
            raise Usage("--tags", "two tags or more", f"{len(tags)}")
        return compare(args.local_root.resolve(), tags, args.json)

    return cli.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
