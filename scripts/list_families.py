"""List the families of factors: how often each was tried, and whether its best could be luck.

Reads  audit/factor_registry/factor_statistics.csv and trial_statistics.csv, and
       configs/statistics_policy.json for who declared earlier trials
Writes nothing
A family is one factor, or several that the statistics policy names together. N is a lower bound:
what was tried outside of the registry is not in it, unless the policy declares it. Windows are
taken as independent of each other. One window is one year.
Exit codes: 0 done, 2 usage, 3 no registry yet, 4 a table or the policy is invalid.

--json prints what schemas/family_trials.schema.json describes.

    python scripts/list_families.py --local-root /srv/desk
"""

import argparse

from postrun import flags


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag for programs."""
    parser.add_argument("--json", action="store_true", help="print the families as JSON")


FLAGS = flags.ScriptFlags(__doc__, flags.add_root, add_json)
FLAGS.answer_help(__name__)

import json
from collections.abc import Sequence
from pathlib import Path

from postrun import ending
from postrun.core import terminal
from postrun.core.values import Json
from postrun.decide import verdicts
from postrun.registry import trials
from postrun.store import configuration, json_files, page_files, tables
from postrun.store.tables import Row

OUTPUT = "family_trials"
POLICY = "statistics_policy"
_FROM_TABLE = (
    *("family", "factors", "trials", "prior_trials", "of_unknown_factor"),
    *("best_run", "p", "q", "best_verdict", "windows", "windows_needed", "latest_run"),
)
# The ratio of the best run is not above 0, or no trial has a series.
_UNKNOWN = "unknown"
_NOTES = (
    "N is a lower bound: what was tried outside of the registry counts only where it is declared.",
    "Windows are taken as independent of each other; one window is one year.",
    "Needed: at the best run's information ratio, for so many trials.",
)


def run(root: Path, as_json: bool) -> int:
    """Print every family; return the exit code. Raises Missing, Invalid."""
    policy = configuration.load(POLICY)
    rows = tables.read_existing(root, trials.FAMILIES)
    by_run = {row["run"]: row for row in tables.read_existing(root, trials.TRIALS)}
    families = [describe(row, by_run, policy) for row in rows]
    digest = configuration.digest(policy)
    if any(row["policy_sha256"] != digest for row in by_run.values()):
        message = "the statistics policy has changed since: the next closing computes all again"
        terminal.say(f"{message} (make factor-registry TAG=...)")
    if as_json:
        document = json_files.stamped({"families": families}, OUTPUT)
        print(json.dumps(document))
        return 0
    for line in lines(families, policy):
        print(terminal.plain(line))
    return 0


def describe(row: Row, by_run: dict[str, Row], policy: Row) -> Json:
    """Return a family as --json has it: its row of the table, and what follows from it."""
    declared = trials.declared(row["family"], policy)
    if declared is not None:
        # The number is a column of its own.
        declared.pop("prior_trials")
    missing = None
    if row["windows_needed"] is not None:
        missing = max(row["windows_needed"] - row["windows"], 0)
    best = by_run.get(row["best_run"], {})
    document = {name: row[name] for name in _FROM_TABLE}
    return {
        **document,
        "basis": best.get("basis"),
        "years_missing": missing,
        "declared": declared,
    }


def lines(families: Sequence[Json], policy: Row) -> list[str]:
    """Return the families as lines: a table, what was declared, and how to read it."""
    if not families:
        return ["no family yet: no closed run counts as a trial"]
    output = format_table(families).splitlines()
    for row in families:
        if row["declared"]:
            output.append(_declaration(row))
    unknown = families[0]["of_unknown_factor"]
    if unknown:
        runs = terminal.counted(unknown, "run")
        output.append(f"{runs} of an unknown factor: counted in every family")
    levels = policy["levels"]
    decision = terminal.chance(levels["decision"])
    q = levels["families"]["q"]
    asked = f"p at most {decision} and q at most {q}"
    output.append(f"A promotion needs {asked}, counted up to its own run; here all trials count.")
    return [*output, *_NOTES]


def _declaration(row: Json) -> str:
    declared = row["declared"]
    number = terminal.counted(row["prior_trials"], "trial")
    what = f"{row['family']}: {number} before or outside of this registry"
    who = f"declared by {declared['by']} on {declared['when']}"
    return f"{what}, {who}: {declared['because']}"


def format_table(families: Sequence[Json]) -> str:
    """Return the families as a table, one line each."""
    import pandas

    cells = [_cells(row) for row in families]
    # Object keeps a whole number whole beside a null.
    table = pandas.DataFrame(cells, dtype=object)
    return table.to_string(index=False, justify="left")


def _cells(row: Json) -> Json:
    """Return what the table says of a family, by the head of its column."""
    windows = row["windows"]
    p = terminal.chance(row["p"], verdicts.patterns(windows or 0))
    return {
        "family": row["family"],
        "trials (N)": row["trials"],
        "declared": row["prior_trials"],
        "p": p,
        "q": page_files.number(row["q"], 2),
        "windows": page_files.number(windows, 0, "none"),
        "needed": page_files.number(row["windows_needed"], 0, _UNKNOWN),
        "years missing": page_files.number(row["years_missing"], 0, _UNKNOWN),
        "verdict on the best": row["best_verdict"] or "not_measured",
        "best run": row["best_run"] or "none",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """List the families of a workspace."""

    def work() -> int:
        args = FLAGS.parse(argv)
        root = args.local_root.resolve()
        return run(root, args.json)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
