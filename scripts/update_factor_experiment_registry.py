"""Keep the factor experiment registry: one scored row for every closed run, failed or not.

Reads  the run's gate report, context, audit and remediation plan; configs/scoring_policy.json
Writes audit/factor_registry/factor_experiment_registry.csv and factor_experiment_leaderboard.md
Every row follows from its run folder and the policy alone. After a change of the policy every row
is scored again, with a message; --rebuild makes the same table, byte for byte, from the folders.
A table that is not what was recorded is made again from the run folders, and the rows that had been
changed are named; so are closed runs that are no longer as they were recorded. A rebuild that meets
one names all of them and writes nothing.
Cost: one read and one write of the table, and six file times a run; a rebuild reads every run once,
on all cores.
Exit codes: 0 done, 2 usage, 3 no audit or plan yet, 4 an input or the policy is invalid, 9 locked.

    python scripts/update_factor_experiment_registry.py --tag committee_2026-02-21_run4
    python scripts/update_factor_experiment_registry.py --rebuild
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path

from postrun import cli
from postrun.core import disk, locations, step_notes, terminal
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates
from postrun.registry import closed_runs, rows
from postrun.registry.rows import REGISTRY, Policy, load_policy, score_row
from postrun.store import page_files, records, run_folders, tables
from postrun.store.tables import Row, Rows

LEADERBOARD = "factor_experiment_leaderboard"
TOP = 20  # rows of the leaderboard


def register(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Add the run's row to the registry, or replace it."""
    root = request.root
    policy = load_policy()
    registered = rows.read(root, policy)
    by_run, rescored = _by_run(root, registered.rows, policy)
    with step_notes.unnoted():
        facts = rows.read_facts(run_paths)
    run = run_paths.run
    row = score_row(root, facts, policy)
    by_run[run] = row
    known: Rows = []
    if registered.was_recorded:
        known = registered.rows
    changed = closed_runs.find_changed(root, by_run, policy, run)
    changed_rows = changed.rows
    if changed_rows:
        _keep_table(root, changed_rows)
        by_run.update(changed_rows)
    all_rows = by_run.values()
    written = _write(root, all_rows, known, policy, run)
    errors = changed.errors | registered.errors
    errors.pop(run, None)
    summary = _summary(row, len(by_run), rescored)
    caution = _caution(errors)
    return StepResult(summary, written, caution=caution)


def _summary(row: Row, number: int, rescored: int) -> str:
    """Return what became of the run, and of the rows of others."""
    runs = terminal.counted(number, "run")
    decision = row["decision"]
    score = row["total"]
    summary = f"{decision}, score {score:.1f}; {runs}"
    explanation = row["approval"]
    if explanation:
        summary += f"; {explanation}"
    if rescored:
        again = terminal.counted(rescored, "row")
        summary += f"; the policy changed, {again} scored again"
    return summary


def _keep_table(root: Path, changed_rows: dict[str, Row]) -> None:
    """Keep a table beside some of whose rows do not follow from their runs, and name these."""
    path = locations.workspace_path(root, REGISTRY)
    content = disk.read(path)
    disk.keep_beside(path, content, "edited", records.CHANGED)
    changed_runs = sorted(changed_rows)
    runs = ", ".join(changed_runs)
    terminal.error(f"{path}: rows that had been changed: {runs}")


def _by_run(
    root: Path,
    registered: Rows,
    policy: Policy,
) -> tuple[dict[str, Row], int]:
    """Return the rows by run, scored by the present policy, and how many were scored again."""
    by_run = {}
    rescored = 0
    for row in registered:
        if row["policy_sha256"] != policy.digest:
            row = score_row(root, row, policy)
            rescored += 1
        # Registries of earlier releases count the overall verdict as a gate.
        failed_gates = _without_overall(row["failed_gates"])
        run = row["run"]
        by_run[run] = {**row, "failed_gates": failed_gates}
    return by_run, rescored


def _caution(changed: dict[str, str]) -> str:
    """Return the message about runs that are no longer as they were recorded."""
    if not changed:
        return ""
    reasons = "; ".join(changed.values())
    runs = terminal.counted(len(changed), "closed run")
    return f"the number of trials is not sure: {runs} cannot be read: {reasons}"


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Write the registry from every closed run folder of the workspace, whatever it held before.

    Raises Invalid, and writes nothing, when a run is not as it was recorded.
    """
    root = request.root
    policy = load_policy()
    made = rows.make_all(root, policy)
    run_folders.check_all_read(made.errors)
    written = _write(root, made.rows, (), policy)
    runs_read = terminal.counted(len(made.rows), "run")
    summary = f"{runs_read}, from the run folders alone"
    return StepResult(summary, written)


def _without_overall(failed_gates: str | None) -> str | None:
    """Return the failed gates without `overall_pass`, which older registries list last."""
    if failed_gates is None:
        return None
    names = failed_gates.removesuffix(gates.OVERALL)
    return names.removesuffix(";") or None


def _write(
    root: Path,
    unordered: Iterable[Row],
    known: Iterable[Row],
    policy: Policy,
    own_run: str = "",
) -> tuple[Path, ...]:
    """Write table and leaderboard."""
    ordered = sorted(unordered, key=itemgetter("run"))
    path = tables.write_table(root, REGISTRY, ordered, known, own_run)
    # Of two runs with the same score, the earlier comes first.
    best = sorted(ordered, key=itemgetter("total"), reverse=True)
    content = {
        "rows": best[:TOP],
        "count": len(ordered),
        "top": TOP,
        "version": policy.rules["policy_version"],
    }
    workspace = RunPaths.of_workspace(root)
    page = page_files.write(workspace, LEADERBOARD, ".md", content)
    return path, page


def main(argv: Sequence[str] | None = None) -> int:
    """Register one run, or with --rebuild all of them."""
    return cli.step_main(
        register,
        __doc__,
        argv,
        rebuild=rebuild,
        name="factor-registry",
    )


if __name__ == "__main__":
    raise SystemExit(main())
