"""Archive what `make retention-plan` lists: write and check the archive, then move the originals.

Reads  configs/retention_policy.json, the seals, and everything that `make verify` reads of a run
Writes audit/archive/<run>-<digits>.tar.xz and its index (.json), a row of kind retention in the
       ledger, its copy in closing_record.json, the readable view; then moves the originals to
       audit/archive/originals/<run>/
Every file is read back from the archive and compared with what was recorded before anything else
happens. Nothing is removed: the command that frees the space is printed, for a person to type when
the archive is backed up. With --tag only the runs of that tag are archived. After a process was
killed, the same command finishes what it had begun.
Exit codes: 0 archived, or nothing may go; 2 usage, 3 the run of the tag may not be archived, no
ssh-keygen, or no room; 4 a file is not as it was recorded, 5 no run has the tag, 9 locked.

    python scripts/retention_archive.py --tag committee_2026-02-21_run4
"""

import argparse

from postrun import flags


def add_tag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says which runs."""
    parser.add_argument(
        "--tag", help="archive the runs of this tag only (default: all of the plan)"
    )


FLAGS = flags.ScriptFlags(__doc__, add_tag, flags.add_workspace)
FLAGS.answer_help(__name__)

from collections.abc import Sequence
from pathlib import Path

import steps
from postrun import cli
from postrun.core import disk, run_names, terminal
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.retention import moving, plan, policy
from postrun.retention.plan import RunPlan, State, Workspace
from postrun.store import archive_files, archives, strays

_TO_DO = (State.READY, State.UNFINISHED)
# A run of which nothing is to be done, and nothing is wrong.
_DONE = (State.ARCHIVED, State.NOTHING)


def archive(args: cli.Arguments) -> int:
    """Archive what may go; return the exit code. Raises PostRunError."""
    root = args.local_root.resolve()
    if args.tag is not None:
        run_names.check_tag(args.tag)
    rules = policy.load(steps.needed_artifacts())
    workspace = plan.look(root, rules)
    plans = plan.plan(workspace, args.tag)
    if args.tag is not None:
        _check_any(plans)
    to_do = [run_plan for run_plan in plans if run_plan.state in _TO_DO]
    if disk.DRY_RUN.get():
        files = sum(len(run_plan.files) for run_plan in to_do)
        what = f"{terminal.counted(files, 'file')}, {plan.total(to_do):,} bytes"
        cli.show(StepResult(f"would archive {what}"), "retention-archive", args.json)
        return 0
    archived, code = _archive_all(workspace, to_do, args.lock_wait)
    _show(workspace, archived, args.json)
    return code


def _check_any(plans: Sequence[RunPlan]) -> None:
    """Raise Missing, Invalid when of no run of a tag anything may go, and one is why."""
    for run_plan in plans:
        if run_plan.state in _TO_DO or run_plan.state in _DONE:
            return
    *_, newest = plans
    kind: type[PostRunError] = Missing
    if newest.state is State.EDITED:
        kind = Invalid
    thing = f"run {newest.run_paths.run}"
    raise kind(thing, "one that may be archived", str(newest))


def _archive_all(
    workspace: Workspace,
    plans: Sequence[RunPlan],
    wait: float,
) -> tuple[list[RunPaths], int]:
    """Archive each run; return those that are archived now, and the worst exit code.

    What stops one run is said, and the next one goes on.
    """
    archived = []
    code = 0
    for run_plan in plans:
        try:
            _archive_run(workspace, run_plan.run_paths, wait)
        except PostRunError as error:
            terminal.error(f"not archived: {run_plan.run_paths.run}: {error}")
            code = max(code, error.exit_code)
        else:
            archived.append(run_plan.run_paths)
    return archived, code


def _archive_run(workspace: Workspace, run_paths: RunPaths, wait: float) -> None:
    """Archive one run, as it is now. Raises PostRunError."""
    request = RunRequest(workspace.root, tag=run_paths.name.tag)
    with cli.locked(request, cli.RUN, wait):
        strays.clear(run_paths)
        run_plan = plan.plan_again(workspace, run_paths)
        written: Json | None = None
        # To write an archive may take long. Nobody has to wait for the workspace meanwhile.
        if run_plan.state is State.READY:
            moving.check_writable(run_paths, run_plan.files)
            written = archive_files.write(run_paths, run_plan.files)
            written |= {"files": len(run_plan.files), "bytes": run_plan.size}
        with cli.locked(request, cli.WORKSPACE, wait):
            _record_and_move(workspace, run_plan, written)


def _record_and_move(
    workspace: Workspace,
    run_plan: RunPlan,
    written: Json | None,
) -> None:
    """Add the row of an archive to the ledger, then move the originals. Raises PostRunError."""
    run_paths = run_plan.run_paths
    # Somebody may have closed the run again, or changed a file.
    now = plan.plan_again(workspace, run_paths)
    if written is not None and now.files == run_plan.files:
        moving.record(run_paths, archives.ARCHIVED, written)
    elif now.state is State.UNFINISHED:
        moving.finish_row(run_paths)
    elif now.state not in _DONE:
        found = str(now)
        if now.state is State.READY:
            found = "other files that may go"
        raise Invalid(f"run {run_paths.run}", "the run as it was planned", found)
    archived = archives.find(run_paths)
    if archived is not None:
        moving.move_away(run_paths, archived.files)


def _show(
    workspace: Workspace,
    archived: Sequence[RunPaths],
    as_json: bool,
) -> None:
    """Print what was archived, and the commands that free the space."""
    paths: list[Path] = []
    commands = []
    size = 0
    for run_paths in archived:
        row = archives.row_in_force(workspace.root, run_paths.run)
        if row is None:
            continue
        size += row["bytes"]
        paths.append(workspace.root / row["archive"])
        command = plan.free_command(run_paths)
        if command is not None:
            commands.append(command)
    summary = "nothing to archive"
    if paths:
        summary = f"{terminal.counted(len(paths), 'run')}, {size:,} bytes moved away"
    if commands and as_json:
        summary += f"; this frees the space: {'; '.join(commands)}"
    cli.show(StepResult(summary, tuple(paths)), "retention-archive", as_json)
    if commands and not as_json:
        terminal.say("when the archives are backed up, this frees the space (nothing is run):")
        for command in commands:
            print(command)


def main(argv: flags.Argv = None) -> int:
    """Archive what may go."""
    return cli.script_main(archive, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
