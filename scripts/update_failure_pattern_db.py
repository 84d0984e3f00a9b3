"""Record every check that failed in any run, and which failures came back.

Reads  the run's governance_audit_check.json, audit/factor_registry/factor_experiment_registry.csv,
       its own table, the ledger's settlements
Writes audit/failure_patterns/failure_patterns.csv and failure_pattern_summary.md
One row per run and check that failed or could not run. A pattern is one check with one factor: how
many runs failed it, first, last, and its state: open; resolved when a later run of the factor
passed it; regressed when it failed again after that. So rows of older runs change with newer ones.
A run closed again with another audit replaces its rows.
Skipped checks do not count. No run counts as later than one that names no factor: its failures stay
open until they are settled (make settle).
The table follows from run folders and ledger alone: --rebuild makes the same one, byte for byte.
Cost: the table, and the registry's rows of factors with a failure; a rebuild reads every audit
once, on all cores, with --shard those of one part; --join puts the parts together.
Exit codes: 0 done, 2 usage, 3 no audit or registry row yet, 4 an input is invalid, 9 locked.

    python scripts/update_failure_pattern_db.py --tag committee_2026-02-21_run4
    python scripts/update_failure_pattern_db.py --rebuild
    python scripts/update_failure_pattern_db.py --rebuild --shard 3/8
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_rebuild)
FLAGS.answer_help(__name__)

import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from postrun import cli
from postrun.core import disk, locations, step_notes, terminal
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history as history
from postrun.decide.check_results import ERROR, FAIL, SKIPPED
from postrun.store import (
    check_catalogue,
    documents,
    json_files,
    ledger,
    page_files,
    run_folders,
    shards,
    tables,
)
from postrun.store.check_catalogue import Check
from postrun.store.shards import Read, Reading
from postrun.store.tables import Row, Rows

TABLE = "failure_patterns"
SUMMARY = "failure_pattern_summary"
REGISTRY = "factor_experiment_registry"
# In SQL: one run, those that failed a check, and the others of their factors.
_WITH_FAILURES = f"""
    run = ? OR failed_checks IS NOT NULL
    OR factor IN (SELECT factor FROM {REGISTRY} WHERE failed_checks IS NOT NULL)
"""
OBSERVED_LENGTH = 200  # characters kept of what the audit observed; the audit has the rest


@dataclass(frozen=True)
class RunFailures:
    """One closed run: its answers, and what of its rows follows from its audit alone."""

    answers: history.Run
    rows: Rows

    @property
    def are_current(self) -> bool:
        """Return whether the rows agree with the answers; not after the run was closed again."""
        answers = self.answers
        checks = {row["check"] for row in self.rows}
        factors = {row["factor"] for row in self.rows}
        if checks != set(answers.failed):
            return False
        return factors <= {answers.factor}


def tally(
    request: RunRequest,
    run_paths: RunPaths,
) -> StepResult:
    """Record the run's failures in the table. Raises Missing, Invalid.

    A run whose rows do not agree with the registry is read again, too: it was registered, but not
    entered here since.
    """
    known = tables.read_recorded(request.root, TABLE) or []
    registry = tables.open_table(request.root, REGISTRY)
    # Runs of a factor that never failed a check have no rows.
    registry_rows = registry.select(
        _WITH_FAILURES,
        [run_paths.run],
        history.COLUMNS,
    )
    rows_of = _group(known, "run")
    failures = []
    errors = {}
    is_registered = False
    for registry_row in registry_rows:
        answers = history.from_registry(registry_row)
        known_rows = rows_of.get(answers.run, [])
        of_run = RunFailures(answers, known_rows)
        is_this_run = answers.run == run_paths.run
        is_registered = is_registered or is_this_run
        if is_this_run or not of_run.are_current:
            try:
                of_run = read_failures(request.root, answers.run)
            except PostRunError as error:
                # Another run that cannot be read stops no closing of this one.
                if is_this_run:
                    raise
                errors[answers.run] = str(error)
                continue
        failures.append(of_run)
    if not is_registered:
        hint = f"register it first: make factor-registry TAG={shlex.quote(request.tag or '...')}"
        raise Missing(registry.path, f"a row for {run_paths.run}", "none", hint)
    settled = read_settled(request.root)
    rows = make_rows(failures, settled)
    written = _write(request.root, rows, known, run_paths.run)
    summary = _summary(rows, run_paths.run)
    caution = ""
    if errors:
        caution = f"failures are missing of runs that cannot be read: {'; '.join(errors.values())}"
    return StepResult(summary, written, caution=caution)


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Write the table from every closed run folder of the workspace, whatever it held before."""
    failures, errors = shards.read_all(request.root, reading())
    run_folders.check_all_read(errors)
    settled = read_settled(request.root)
    rows = make_rows(list(failures.values()), settled)
    written = _write(request.root, rows, [])
    number = terminal.counted(len(rows), "failure")
    total = terminal.counted(len(failures), "run")
    return StepResult(f"{number} of {total}, from run folders and ledger alone", written)


def reading() -> Reading[RunFailures]:
    """Return how the failures of all closed runs are read, and stand in a shard."""
    return Reading(
        name="failure-patterns",
        list_runs=run_folders.list_closed,
        read=_read_runs,
        to_json=_to_json,
        from_json=_from_json,
    )


def _read_runs(root: Path, runs: Sequence[str]) -> Read[RunFailures]:
    read_run = partial(read_failures, root)
    return run_folders.read_all(root, runs, read_run)


def _to_json(failures: RunFailures) -> Row:
    return {"answers": vars(failures.answers), "rows": failures.rows}


def _from_json(document: Row) -> RunFailures:
    answers = dict(document["answers"])
    for name in ("failed", "skipped"):
        answers[name] = tuple(answers[name])
    return RunFailures(history.Run(**answers), document["rows"])


def read_settled(root: Path) -> set[history.Failure]:
    """Return run and check of each failure that was settled. Raises Invalid."""
    rows = ledger.settlements(root)
    # Other rows of the ledger say nothing about failures, so only these are an input.
    if rows:
        path = RunPaths.of_workspace(root).relative(locations.workspace_path(root, "stage_ledger"))
        digest = disk.content_digest(json_files.encode(rows))
        step_notes.note(path, digest, len(rows))
    return {(row["run"], row["check"]) for row in rows}


def _group(rows: Rows, column: str) -> dict[str, Rows]:
    groups: dict[str, Rows] = {}
    for row in rows:
        name = row[column]
        group = groups.setdefault(name, [])
        group.append(row)
    return groups


def read_failures(root: Path, run: str) -> RunFailures:
    """Return what one run's audit says failed. Raises Missing, Invalid."""
    run_paths = RunPaths(root, run, None)
    with step_notes.unnoted():
        audit = documents.read(run_paths, "governance_audit_check")
    name = run_paths.name
    factor = audit["factor"]
    rows: Rows = []
    skipped = []
    for check in audit["checks"]:
        answer = check["answer"]
        # A check that could not be asked has neither failed nor passed.
        if answer == SKIPPED:
            skipped.append(check["id"])
        if answer in (FAIL, ERROR):
            row = {
                "run": run,
                "started": name.stamp,
                "decision_tag": audit["decision_tag"],
                "factor": factor,
                "check": check["id"],
                "family": check["family"],
                "severity": check["severity"],
                "answer": answer,
                "observed": _shorten(check["observed"]),
            }
            rows.append(row)
    failed = tuple(row["check"] for row in rows)
    answers = history.Run(run, factor, failed, tuple(skipped))
    return RunFailures(answers, rows)


def _shorten(observed: str) -> str:
    line = " ".join(observed.split())
    if len(line) <= OBSERVED_LENGTH:
        return line
    kept = line[: OBSERVED_LENGTH - 1]
    return f"{kept}…"


def make_rows(
    failures: Sequence[RunFailures],
    settled: Collection[history.Failure],
) -> Rows:
    """Return the whole table: each failure with how its pattern stands, sorted by run and check."""
    rows_of = {}
    all_runs = []
    for of_run in failures:
        run = of_run.answers
        all_runs.append(run)
        rows_of[run.run] = of_run.rows
    rows = []
    for runs in history.by_factor(all_runs):
        patterns = history.find_patterns(runs)
        for run in runs:
            for row in rows_of[run.run]:
                pattern = history.settle(run, patterns[row["check"]], settled)
                standing = _standing(pattern, rows_of)
                rows.append({**row, **standing})
    return sorted(rows, key=itemgetter("run", "check"))


def _standing(pattern: history.Pattern, rows_of: Mapping[str, Rows]) -> Row:
    """Return the columns that change with other runs of the factor."""
    first_run = pattern.runs[0]
    last_run = pattern.runs[-1]
    first_row, *_ = rows_of[first_run]
    last_row, *_ = rows_of[last_run]
    return {
        "state": pattern.state,
        "recurrence": len(pattern.runs),
        "first_seen": first_row["started"],
        "last_seen": last_row["started"],
    }


def summarise(rows: Rows) -> Rows:
    """Return one line per check: what still fails first, then what failed in most runs."""
    checks = check_catalogue.checks()
    lines = []
    for name, failures in _group(rows, "check").items():
        # None: the check is no longer in the catalogue.
        check = checks.get(name)
        line = _summarise_check(failures, check)
        lines.append(line)
    return sorted(lines, key=_summary_order)


def _summary_order(line: Row) -> tuple[bool, int, str]:
    """Return what comes first: what still fails, then what failed in most runs."""
    is_done = line["state"] in history.DONE
    return is_done, -line["runs"], line["check"]


def _summarise_check(failures: Rows, check: Check | None) -> Row:
    """Return the line of one check, over all factors."""
    first = failures[0]
    newest = failures[-1]
    # One state for each factor; a run without a factor counts by itself.
    states = {}
    factors = []
    for row in failures:
        factor = row["factor"]
        factors.append(factor)
        states[factor or row["run"]] = row["state"]
    count = Counter(states.values())
    severity, family = newest["severity"], newest["family"]
    remedy = None
    if check is not None:
        severity, family = check.severity, check.family
        remedy = check.remedy
    worst_first = (
        history.REGRESSED,
        history.OPEN,
        history.SETTLED,
        history.RESOLVED,
    )
    return {
        "check": newest["check"],
        "severity": severity,
        "family": family,
        "runs": len(failures),
        "first_seen": first["started"],
        "last_seen": newest["started"],
        "factors": sorted(set(factors) - {None}),
        "nameless": factors.count(None),
        "state": min(count, key=worst_first.index),
        "count": {state: count[state] for state in worst_first},
        "remedy": remedy,
    }


def _write(root: Path, rows: Rows, known: Rows, own_run: str = "") -> tuple[Path, ...]:
    """Write table and summary."""
    path = tables.write_table(root, TABLE, rows, known, own_run)
    runs = {row["run"] for row in rows}
    facts = {
        "lines": summarise(rows),
        "failures": len(rows),
        "runs": len(runs),
    }
    page = page_files.write(RunPaths.of_workspace(root), SUMMARY, ".md", facts)
    return path, page


def _summary(rows: Rows, run: str) -> str:
    of_run = [row for row in rows if row["run"] == run]
    returned = [row for row in of_run if row["recurrence"] > 1]
    number = terminal.counted(len(of_run), "failure")
    counts = f"{number}, {len(returned)} of them seen before"
    return f"{counts} with this factor; {len(rows)} in all"


def main(argv: Sequence[str] | None = None) -> int:
    """Enter one run, or with --rebuild all of them."""
    return cli.step_main(
        tally,
        FLAGS,
        argv,
        rebuild=rebuild,
        reading=reading,
        name="failure-patterns",
    )


if __name__ == "__main__":
    raise SystemExit(main())
