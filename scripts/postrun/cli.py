"""The command line: which run is meant, under which lock a step works, and what is shown of it."""

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from postrun import ending
from postrun.core import artifacts, disk, locations, locks, run_names, step_notes, terminal
from postrun.core.errors import Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepFunction, StepResult
from postrun.flags import Argv, ScriptFlags
from postrun.store import (
    configuration,
    journals,
    ledger_index,
    ledger_view,
    make_lines,
    records,
    run_folders,
    run_lookup,
    shards,
    signed_files,
    strays,
)
from postrun.store.shards import Cut, Reading, Shard

Arguments = argparse.Namespace

# The two locks: the workspace's for steps 4 to 12, one for each run for steps 1 to 3.
WORKSPACE = "workspace"
RUN = "run"
CLOSING_SCRIPT = "post_run_sync_and_finalize.py"
_REASONS = ("objective", "accept_changed_evidence", "abandoned", "reason")


def parse_request(args: Arguments, needs_run: bool = True) -> RunRequest:
    """Return what the command line asks for.

    Raises Usage when no run is named but one is needed.
    """
    if args.tag is not None:
        run_names.check_tag(args.tag)
    elif needs_run and args.run_dir is None and args.run_dir_remote is None:
        raise _no_run_named()
    # A script has some of these flags, never all.
    names = {field.name for field in fields(RunRequest)}
    given = {name: value for name, value in vars(args).items() if name in names}
    for name in _REASONS:
        reason = getattr(args, name, None)
        if reason is not None and not reason.strip():
            raise Usage(f"--{name.replace('_', '-')}", "text", "nothing")
    root = args.local_root.resolve()
    host_and_root = configuration.choose_workstation(args.host, args.remote_root)
    if given.get("no_sync"):
        # The workspace stands for the workstation.
        host_and_root = "local", str(root)
        given["scheduler"] = "none"
    given["host"], given["remote_root"] = host_and_root
    given["scheduler"] = configuration.scheduler(*host_and_root, given.get("scheduler"))
    request = RunRequest(root, **given)
    ending.REQUEST.set(request)
    return request


def _no_run_named() -> Usage:
    target = make_lines.target_typed()
    if target:
        example = f"make {target} TAG=committee_2026-02-21_run4"
        return Usage(f"make {target}", "TAG=<decision tag>", "none", f"for example: {example}")
    return Usage("which run", "--tag, --run-dir or --run-dir-remote", "none of them")


def abandon_command(request: RunRequest, tag: str) -> str:
    """Return the command that closes this run as dead, typed in the project's folder.

    Values that repeat the settings are left out.
    """
    run = run_lookup.requested_run(request)
    reason = '"<reason>"'
    if run is None and not request.no_sync:
        tag_value = make_lines.value("TAG", tag)
        line = make_lines.make_line("finalize", request, tag_value)
        return f"{line} ABANDONED={reason}"
    # Make has no value for one of several folders, nor for a run that is here already.
    flags = ["--tag", tag]
    if run:
        flags += ["--run-dir-remote", f"{locations.RUNS}/{run}"]
    if not request.no_sync:
        settings = configuration.workstation()
        if request.host != settings["host"]:
            flags += ["--host", request.host]
        if request.remote_root != settings["remote_root"]:
            flags += ["--remote-root", request.remote_root]
        scheduler = configuration.other_scheduler(request)
        if scheduler:
            flags += ["--scheduler", scheduler]
    if request.root != locations.PROJECT:
        flags += ["--local-root", make_lines.local_root(request)]
    if request.no_sync:
        flags.append("--no-sync")
    return f"{_command(CLOSING_SCRIPT, flags)} --abandoned {reason}"


def resume_hint(script: str, argv: Argv) -> str:
    """Return the line that says how to go on with what this script was asked for."""
    flags = sys.argv[1:] if argv is None else argv
    target = make_lines.target_typed()
    if not target:
        return f"resume with: {_command(Path(script).name, flags)}"
    words = []
    for flag in flags:
        # Make gives each value as --flag=value.
        name, _, text = flag.partition("=")
        words.append(make_lines.value(make_lines.in_words_of_make(name), text))
    return f"resume with: {' '.join(['make', target, *words])}"


def _command(script: str, flags: Sequence[str]) -> str:
    return shlex.join([".venv/bin/python", f"scripts/{script}", *flags])


@contextmanager
def locked(request: RunRequest, scope: str, wait: float) -> Iterator[None]:
    """Lock the run or the workspace inside the block. Raises Locked.

    A run's lock has the name of its tag, however the run was named: all must meet the same lock.
    """
    # A dry run writes nothing, so it locks nothing.
    if disk.DRY_RUN.get():
        yield
        return
    name = WORKSPACE
    if scope == RUN:
        tag = run_lookup.requested_tag(request)
        name = f"run-{run_names.folder_tag(tag)}"
    path = request.root / locations.LOCKS / f"{name}.lock"
    with locks.hold(path, wait, Path(sys.argv[0]).name):
        yield


def sign_off(request: RunRequest, run_paths: RunPaths) -> None:
    """Close the record of a run after its last step, and show the answer in the ledger's view.

    The caller holds the workspace's lock. Raises Missing, Invalid.
    """
    state = None
    if records.is_whole(run_paths):
        state = _journal_states(run_paths)
    if records.sign_off(run_paths, state):
        ledger_view.publish(request.root)


def _journal_states(run_paths: RunPaths) -> list[Any]:
    """Return the files of a run that only grow, as they are now."""
    folder = run_paths.path("monitor_events").parent
    paths = [run_paths.path("monitor_events"), run_paths.path("notifications")]
    approvals = signed_files.list_numbered(folder / artifacts.APPROVALS)
    paths += approvals.values()
    states = [journals.state(run_paths.root, path) for path in paths]
    return [state for state in states if state is not None]


def show(result: StepResult, step: str, as_json: bool) -> None:
    """Print what came of a step: its summary to stderr, paths or JSON to stdout."""
    if as_json:
        paths = [str(path) for path in result.written]
        row = {"step": step, "yes": result.passed, "words": result.summary, "wrote": paths}
        print(json.dumps(row))
        return
    # What did not pass is shown with --quiet as well.
    write = terminal.say if result.passed else terminal.error
    write(f"{step}: {result.summary}")
    for path in result.written:
        print(locations.shown_path(path))


def step_main(
    step: StepFunction,
    flags: ScriptFlags,
    argv: Argv,
    *,
    name: str,
    lock: str = WORKSPACE,
    needs_run: bool = True,
    finds_run: bool = False,
    rebuild: StepFunction | None = None,
    reading: Callable[[], Reading[Any]] | None = None,
) -> int:
    """Run a step as its script's `main`: parse, lock, run, print; return the exit code.

    `name` is the step's in the table of steps. `needs_run` is false for a step that works on the
    workspace alone, `finds_run` is true for the detection, which runs before anybody knows where
    the run is; `rebuild` runs with --rebuild instead, and `reading` says what it reads of each run.
    """

    def work(args: Arguments) -> int:
        function, names_run = step, needs_run
        if rebuild is not None and _is_rebuild(args):
            if reading is not None and args.shard:
                return _read_shard(args, reading, name)
            function, names_run = _rebuilding(args, rebuild, reading), False
        request = replace(parse_request(args, names_run), is_alone=True)
        locate = _locate_nothing
        if names_run and not finds_run:
            locate = run_lookup.locate
        # Before the lock, too: a step for a run that is not here leaves no folder. Under the lock
        # again, because who held it may have detected another run.
        locate(request)
        with locked(request, lock, wait=args.lock_wait):
            run_paths = locate(request)
            strays.clear(run_paths)
            # Finding the run is no part of the step, as in a whole closing.
            with step_notes.performing(name):
                result = function(request, run_paths)
            # What brings the evidence here has no decision to record yet.
            if run_paths.run and lock == WORKSPACE:
                sign_off(request, run_paths)
            if lock == WORKSPACE:
                records.settle_workspace(request.root)
        show(result, name, args.json)
        if result.caution:
            terminal.error(result.caution)
        return result.exit_code

    return script_main(work, flags, argv)


def _is_rebuild(args: Arguments) -> bool:
    """Return whether all runs are meant. Raises Usage for a shard without --rebuild."""
    if not args.rebuild:
        for name in ("shard", "join"):
            if getattr(args, name):
                raise Usage(f"--{name}", "--rebuild beside it", "none")
    return bool(args.rebuild)


def _read_shard(
    args: Arguments,
    make_reading: Callable[[], Reading[Any]],
    name: str,
) -> int:
    """Read the runs of one shard, without a lock; return the exit code.

    Only its own file is written. Raises Missing, Invalid.
    """
    request = parse_request(args, needs_run=False)
    shard = Shard(*args.shard)
    reading = make_reading()
    cut = Cut(request.root, shards.REBUILD, reading, shard.of)
    with ledger_index.read_whole():
        results, was_done = shards.read_shard(cut, shard.number)
    state = "done"
    if was_done:
        state = "was done already"
    runs = terminal.counted(len(results.stamps), "run")
    summary = f"shard {shard} {state}, {runs}"
    path = cut.path(shard.number)
    show(StepResult(summary, (path,)), name, args.json)
    run_folders.check_all_read(results.errors)
    return 0


def _rebuilding(
    args: Arguments,
    rebuild: StepFunction,
    make_reading: Callable[[], Reading[Any]] | None,
) -> StepFunction:
    """Return a rebuild that reads the whole ledger, and with --join the runs from shards."""

    def join(request: RunRequest, run_paths: RunPaths) -> StepResult:
        assert make_reading is not None
        reading = make_reading()
        cut = Cut(
            request.root,
            shards.REBUILD,
            reading,
            args.join,
        )
        with shards.joining([cut]):
            return rebuild(request, run_paths)

    function = rebuild
    if args.join:
        function = join
    return ledger_index.read_whole()(function)


def _locate_nothing(request: RunRequest) -> RunPaths:
    return RunPaths.of_workspace(request.root)


def script_main(work: Callable[[Arguments], int], flags: ScriptFlags, argv: Argv) -> int:
    """Run a script whose flags have --dry-run: parse, work, return the exit code."""

    def parse_and_work() -> int:
        args = flags.parse(argv)
        disk.DRY_RUN.set(args.dry_run)
        return work(args)

    return ending.guard(parse_and_work)
