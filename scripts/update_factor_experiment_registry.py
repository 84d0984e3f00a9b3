"""Keep the factor experiment registry: one scored row for every closed run, failed or not.

Reads  the run's gate report, context, audit and remediation plan; configs/scoring_policy.json
Writes audit/factor_registry/factor_experiment_registry.csv and factor_experiment_leaderboard.md
Every row follows from its run folder and the policy alone. After a change of the policy every row
is scored again, with a message; --rebuild makes the same table, byte for byte, from the folders.
A table that is not what was recorded is made again from the run folders, and the rows that had been
changed are named; so are closed runs that are no longer as they were recorded. A rebuild that meets
one names all of them and writes nothing.
Cost: the rows of the run's own family, the bytes of the tables, and six file times of 500
closed runs in turn; a run that is not the newest: all rows. A rebuild reads every run once, on all
cores, with --shard those of one part; --join puts the parts together.
Exit codes: 0 done, 2 usage, 3 no audit or plan yet, 4 an input or the policy is invalid, 9 locked.

    python scripts/update_factor_experiment_registry.py --tag committee_2026-02-21_run4
    python scripts/update_factor_experiment_registry.py --rebuild
    python scripts/update_factor_experiment_registry.py --rebuild --shard 3/8
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_rebuild)
FLAGS.answer_help(__name__)

from collections.abc import Iterable, Sequence
from pathlib import Path

from postrun import cli
from postrun.core import disk, step_notes, terminal
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import approval, scoring
from postrun.registry import closed_runs, leaderboard, registry_tables, rows, trials
from postrun.registry.closed_runs import Changed
from postrun.registry.registry_tables import Decided, Recorded
from postrun.registry.rows import REGISTRY, Policy, load_policy
from postrun.store import ledger, next_action, page_files, records, run_folders, shards, tables
from postrun.store.shards import Reading
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

LEADERBOARD = "factor_experiment_leaderboard"
TOP = 20  # rows of the leaderboard


def register(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Add the run's row to the registry, or replace it."""
    root = request.root
    policy = load_policy()
    registered = rows.read(root, policy)
    run = run_paths.run
    tables.keep_earlier(root, REGISTRY)
    changed = Changed()
    # Rows that were made again just now follow from their runs.
    if registered.was_recorded:
        in_turn = None if request.is_alone else closed_runs.IN_TURN
        changed = closed_runs.find_changed(
            root,
            registered.table,
            policy,
            in_turn,
        )
    changed.rows.pop(run, None)
    with step_notes.unnoted():
        row = rows.make_row(run_paths, policy)
    recorded = None
    if changed.rows:
        _keep_table(root, changed.rows)
    elif registered.was_recorded:
        recorded = registry_tables.open_recorded(root)
    changed_decisions = ""
    if recorded is not None and recorded.is_extended_by(row, policy):
        decided = registry_tables.decide_newest(root, row, policy, recorded)
        written = _add(root, decided, recorded, policy, run)
    else:
        before = registered.table.select()
        by_run = {earlier["run"]: earlier for earlier in before}
        by_run.update(changed.rows)
        by_run[run] = row
        known = registered.recorded_rows
        decided = registry_tables.decide(root, by_run, policy, known)
        written = _write(root, decided, known, policy, run)
        changed_decisions = _changed_decisions(decided, before, run)
    closed_runs.remember(root, [run])
    errors = changed.errors | registered.errors
    errors.pop(run, None)
    cautions = [_caution(errors), changed_decisions]
    summary = _summary(decided.registry[run], decided.count, registered.made_again)
    return StepResult(
        summary,
        written,
        caution="; ".join(filter(None, cautions)),
    )


def _changed_decisions(decided: Decided, before: Rows, own_run: str) -> str:
    """Return which decisions on later runs changed, because this run is one more trial."""
    changes = []
    for row in before:
        run, earlier = row["run"], row["decision"]
        decision = decided.registry[run]["decision"]
        # A row that was made again just now had no decision yet.
        if run != own_run and earlier not in (None, decision):
            changes.append(f"{run}: {earlier}, now {decision}")
    if not changes:
        return ""
    return f"decisions that changed: {'; '.join(changes)}"


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
    workspace = RunPaths.of_workspace(root)
    path = workspace.path(REGISTRY)
    content = disk.read(path)
    kept = disk.keep_beside(path, content, "edited", records.CHANGED)
    if not disk.writes_nothing():
        records.note_copy(workspace, kept)
    changed_runs = sorted(changed_rows)
    runs = ", ".join(changed_runs)
    terminal.error(f"{path}: rows that had been changed: {runs}")


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
    tables.keep_earlier(root, REGISTRY)
    by_run = {row["run"]: row for row in made.rows}
    decided = registry_tables.decide(root, by_run, policy)
    # Nothing that only a shard says promotes a run.
    promoted = _promoted(decided)
    shards.check_again(
        root,
        rows.reading(policy),
        promoted,
    )
    written = _write(root, decided, (), policy)
    closed_runs.remember(root, decided.registry)
    runs_read = terminal.counted(len(made.rows), "run")
    summary = f"{runs_read}, from the run folders alone"
    return StepResult(summary, written)


def _promoted(decided: Decided) -> list[str]:
    """Return the runs that are promoted, or would be with an approval."""
    promoting = (scoring.PROMOTE, approval.AWAITING)
    promoted = []
    for run, row in decided.registry.items():
        if row["decision"] in promoting:
            promoted.append(run)
    return promoted


def reading() -> Reading[Row]:
    """Return how the rows of all closed runs are read with today's policy."""
    return rows.reading(load_policy())


def _add(
    root: Path,
    decided: Decided,
    recorded: Recorded,
    policy: Policy,
    own_run: str,
) -> tuple[Path, ...]:
    """Write the rows that a new run adds or changes, and the leaderboard."""
    own_row = decided.registry[own_run]
    registry = tables.update_rows(recorded.registry, [own_row], "run")
    tables.note_written(root, REGISTRY)
    of_family = recorded.trials.select("family = ?", [own_row["family"]])
    known = {row["run"]: row for row in of_family}
    changed = []
    for run, row in decided.trials.items():
        if row != known.get(run):
            changed.append(row)
    of_trials = tables.update_rows(recorded.trials, changed, "run")
    of_families = _update_families(root, decided.families, recorded.families)
    page = _write_leaderboard(root, decided, policy)
    return registry, of_trials, of_families, page


def _update_families(root: Path, families: Rows, recorded: IndexedTable) -> Path:
    """Write the rows of the families that changed; the whole table when there is a new one."""
    known = recorded.select()
    before = {row["family"]: row for row in known}
    names = []
    changed = []
    for row in families:
        name = row["family"]
        names.append(name)
        if row != before.get(name):
            changed.append(row)
    # One without a change is recorded as made from the registry as it is now, too.
    can_be_updated = changed and recorded.has_all_columns
    if can_be_updated and names == list(before):
        return tables.update_rows(recorded, changed, "family")
    return tables.write_table(root, trials.FAMILIES, families, known)


def _write(
    root: Path,
    decided: Decided,
    known: Iterable[Row],
    policy: Policy,
    own_run: str = "",
) -> tuple[Path, ...]:
    """Write the three tables whole, and the leaderboard."""
    ordered = list(decided.registry.values())
    registry = tables.write_table(root, REGISTRY, ordered, known, own_run)
    # The other tables follow from this one: the next closing need not look at each row again.
    tables.note_written(root, REGISTRY)
    of_trials = tables.write_table(
        root,
        trials.TRIALS,
        decided.trials.values(),
        own_run=own_run,
    )
    of_families = tables.write_table(root, trials.FAMILIES, decided.families)
    page = _write_leaderboard(root, decided, policy)
    return registry, of_trials, of_families, page


def _write_leaderboard(root: Path, decided: Decided, policy: Policy) -> Path:
    """Write the page of the runs with the best scores."""
    best = decided.best(TOP)
    decisions = ledger.decisions(root, [row["run"] for row in best])
    abandoned = next_action.abandoned_runs(decisions)
    content = leaderboard.describe(
        best,
        decided,
        policy,
        abandoned,
    )
    workspace = RunPaths.of_workspace(root)
    return page_files.write(
        workspace,
        LEADERBOARD,
        ".md",
        {**content, "top": TOP},
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Register one run, or with --rebuild all of them."""
    return cli.step_main(
        register,
        FLAGS,
        argv,
        rebuild=rebuild,
        reading=reading,
        name="factor-registry",
    )


if __name__ == "__main__":
    raise SystemExit(main())
