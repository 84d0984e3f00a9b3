"""Remember every check that had no yes, in every run, and say which failures come back.

Reads  the run's governance_audit_check.json, audit/factor_registry/factor_experiment_registry.csv, its own table
Writes audit/failure_patterns/failure_patterns.csv and failure_pattern_summary.md
One row per run and check that failed or could not run. A pattern is one check with one factor: how many runs failed
it, first, last, and its state: open; resolved when a later run of the factor passed it; regressed when it failed again
after that. So rows of older runs change with newer ones. A run closed again with another audit replaces its rows.
What was skipped says nothing. A run that names no factor is followed by none: its failures stay open.
The table is a function of the run folders: --rebuild from them alone gives, byte for byte, what single closings gave.
Cost: one read of registry and table, one write; a rebuild reads every audit once, on all cores.
Exit codes: 0 done, 2 usage, 3 no audit or registry row yet, 4 an input is invalid, 9 locked.

    python scripts/update_failure_pattern_db.py --tag committee_2026-02-21_run4
    python scripts/update_failure_pattern_db.py --rebuild
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import locations, run_names
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history
from postrun.decide.failure_history import Run
from postrun.store import check_catalogue, csv_files, json_files, page_files

TABLE, SUMMARY, REGISTRY = (
    "failure_patterns",
    "failure_pattern_summary",
    "factor_experiment_registry",
)
OBSERVED = 200  # characters kept of what the audit found; the audit has the rest
_LIVE = (failure_history.REGRESSED, failure_history.OPEN)  # worst first
_RECORDED = ("family", "severity", "answer")
_DERIVED = (
    "state",
    "recurrence",
    "first_seen",
    "last_seen",
)  # change with other runs of the factor

Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One closed run: its answers for the history, and the part of its rows that no other run has a say in."""

    answers: Run
    rows: tuple[Row, ...]


def tally(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Put the run's failures into the table; those of runs that the registry knows otherwise are read anew too."""
    source = locations.workspace_path(request.root, REGISTRY)
    known = {
        row["run"]: failure_history.of_row(row)
        for row in csv_files.read_rows(source, json_files.columns(REGISTRY))
    }
    if run_paths.run not in known:
        hint = f"register it first: make factor-registry TAG={request.tag or '...'}"
        raise Missing(source, f"a row for {run_paths.run}", "none", hint)
    lying = csv_files.read_rows(
        locations.workspace_path(request.root, TABLE), json_files.columns(TABLE)
    )
    kept = _by_run(lying)
    seen = {run: Seen(answers, tuple(kept.get(run, ()))) for run, answers in known.items()}
    old = {run_paths.run} | {run for run, one in seen.items() if _differs(one)}
    rows = settle([read_run(request.root, run) if run in old else one for run, one in seen.items()])
    written = _write(request.root, rows, lying)
    return StepResult(_words(rows, run_paths.run), written)


def _by_run(lying: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in lying:
        found.setdefault(row["run"], []).append(
            {name: row[name] for name in row if name not in _DERIVED}
        )
    return found


def _differs(seen: Seen) -> bool:
    """Say whether the table lacks what the registry says of a run: it was registered, but not tallied since."""
    lying = {(row["factor"], row["check"]) for row in seen.rows}
    return lying != {(seen.answers.factor, check) for check in seen.answers.failed}


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Make the table anew from every closed run folder of the workspace."""
    folders = sorted(
        path.parent.name
        for path in (request.root / locations.RUNS).glob("*/governance_remediation_plan.json")
    )
    runs = [folder for folder in folders if run_names.parse_run_name(folder)]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as workers:
        rows = settle(list(workers.map(partial(read_run, request.root), runs, chunksize=64)))
    return StepResult(
        f"{len(rows)} failures of {len(runs)} runs, from their folders alone",
        _write(request.root, rows, ()),
    )


def read_run(root: Path, run: str) -> Seen:
    """Take one run's answers out of its audit. Raises Missing, Invalid."""
    audit = json_files.read(RunPaths(root, run, None), "governance_audit_check")
    name = run_names.parse_run_name(run)
    assert name is not None, "only runs are registered"
    no = [check for check in audit["checks"] if check["answer"] in ("fail", "error")]
    skipped = tuple(check["id"] for check in audit["checks"] if check["answer"] == "skipped")
    answers = Run(run, audit["factor"], tuple(check["id"] for check in no), skipped)
    own = {"run": run, "started": name.stamp, "decision_tag": name.tag, "factor": audit["factor"]}
    return Seen(answers, tuple({**own, **_recorded(check)} for check in no))


def _recorded(check: Mapping[str, Any]) -> Row:
    observed = " ".join(check["observed"].split())
    short = observed if len(observed) <= OBSERVED else f"{observed[: OBSERVED - 1]}…"
    return {"check": check["id"], **{name: check[name] for name in _RECORDED}, "observed": short}


def settle(seen: Sequence[Seen]) -> list[Row]:
    """Give the whole table: each failure with how its pattern stands, sorted by run and check."""
    own = {one.answers.run: one.rows for one in seen}
    started = {row["run"]: row["started"] for one in seen for row in one.rows}
    rows = []
    for runs in failure_history.by_factor(one.answers for one in seen):
        found = failure_history.patterns(runs)
        rows += [
            {**row, **_standing(found[row["check"]], started)}
            for run in runs
            for row in own[run.run]
        ]
    names = json_files.columns(TABLE)
    return sorted(
        ({name: row[name] for name in names} for row in rows),
        key=lambda row: (row["run"], row["check"]),
    )


def _standing(pattern: failure_history.Pattern, started: Mapping[str, str]) -> Row:
    times = [started[run] for run in pattern.runs]
    return dict(zip(_DERIVED, (pattern.state, len(times), times[0], times[-1]), strict=True))


def summarise(rows: Iterable[Row]) -> list[Row]:
    """Give one line per check over all factors: what still fails first, then what failed in most runs."""
    checks = check_catalogue.checks()
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row["check"], []).append(row)
    lines = [_line(check, part, checks.get(check)) for check, part in parts.items()]
    return sorted(
        lines,
        key=lambda line: (line["state"] == failure_history.RESOLVED, -line["runs"], line["check"]),
    )


def _line(check: str, part: Sequence[Row], asked: check_catalogue.Check | None) -> Row:
    states = {(row["factor"] or row["run"]): row["state"] for row in part}
    count = Counter(states.values())
    return {
        "check": check,
        "severity": asked.severity if asked else part[-1]["severity"],
        "family": asked.family if asked else part[-1]["family"],
        "runs": len(part),
        "first_seen": part[0]["started"],
        "last_seen": part[-1]["started"],
        "factors": sorted({row["factor"] for row in part if row["factor"] is not None}),
        "nameless": sum(row["factor"] is None for row in part),
        "state": next((state for state in _LIVE if count[state]), failure_history.RESOLVED),
        "count": {state: count[state] for state in (*_LIVE, failure_history.RESOLVED)},
        "remedy": asked.remedy if asked else None,
    }


def _write(root: Path, rows: Sequence[Row], lying: Iterable[Row]) -> tuple[Path, ...]:
    """Write table and summary; rows that lie there already were held against the schema when they came."""
    path, page = locations.workspace_path(root, TABLE), locations.workspace_path(root, SUMMARY)
    checked = {(row["run"], row["check"]): row for row in lying}

    def check(row: Row) -> None:
        if checked.get((row["run"], row["check"])) != row:
            json_files.check(row, TABLE, f"{path}: {row['run']}: {row['check']}")

    csv_files.write_rows(path, rows, json_files.columns(TABLE), check)
    runs = len({row["run"] for row in rows})
    page_files.write(page, f"{SUMMARY}.md", lines=summarise(rows), failures=len(rows), runs=runs)
    return path, page


def _words(rows: Sequence[Row], run: str) -> str:
    own = [row for row in rows if row["run"] == run]
    back = sum(row["recurrence"] > 1 for row in own)
    return f"{len(own)} failures, {back} of them seen before with this factor; {len(rows)} in all"


def main(argv: Sequence[str] | None = None) -> int:
    """Tally one run, or with --rebuild all of them."""
    return cli.step_main(tally, __doc__, argv, rebuild=rebuild)


if __name__ == "__main__":
    raise SystemExit(main())
