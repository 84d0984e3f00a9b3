"""The command line: shared flags, which run is meant, and how an error becomes a line and an exit
code.
"""

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

from postrun.core import artifacts, disk, locations, locks, run_names, step_notes, terminal, version
from postrun.core.errors import INTERRUPTED, Missing, PostRunError, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepFunction, StepResult
from postrun.store import (
    configuration,
    journals,
    ledger_view,
    make_lines,
    records,
    run_lookup,
    signed_files,
    strays,
)

Arguments = argparse.Namespace
AddFlags = Callable[[argparse.ArgumentParser], None]
Argv = Sequence[str] | None  # None: what this process was called with

# The two locks: the workspace's for steps 4 to 12, one for each run for steps 1 to 3.
WORKSPACE = "workspace"
RUN = "run"
CLOSING_SCRIPT = "post_run_sync_and_finalize.py"
# What the command line asked for: commands in messages are completed with it.
_REQUEST: ContextVar[RunRequest | None] = ContextVar("request", default=None)
_REASONS = ("objective", "accept_changed_evidence", "abandoned", "reason")
_LEVELS = (
    ("-v", terminal.Level.VERBOSE, "write details, each line with the time (UTC), to stderr"),
    ("-q", terminal.Level.QUIET, "write only results and errors, as for cron"),
)


class _SetLevel(argparse.Action):
    """Change at once how much is written: an error in a later flag follows it already."""

    def __call__(self, *_: object) -> None:
        """Set the level that the flag stands for."""
        terminal.set_level(self.const)


class _ShowVersion(argparse.Action):
    """Print the version. It is worked out only when asked for: `--help` costs nothing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print it and end the program."""
        print(parser.prog, version.program_version())
        parser.exit()


class Parser(argparse.ArgumentParser):
    """Show a script's docstring as its help, and what is wrong in one line."""

    def __init__(self, doc: str | None) -> None:
        super().__init__(
            prog=Path(sys.argv[0]).name,
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        meaning = "print the program's version and exit"
        self.add_argument("--version", nargs=0, action=_ShowVersion, help=meaning)
        levels = self.add_mutually_exclusive_group()
        how: dict[str, Any] = {"action": _SetLevel, "nargs": 0, "dest": argparse.SUPPRESS}
        for flag, level, meaning in _LEVELS:
            name = f"--{level.name.lower()}"
            levels.add_argument(flag, name, const=level, help=meaning, **how)

    def error(self, message: str) -> NoReturn:
        """Raise Usage for a command line that does not fit."""
        target = make_lines.target_typed()
        if target:
            message = make_lines.in_words_of_make(message)
            raise Usage(f"make {target}", "values as in `make help`", message)
        raise Usage(self.prog, "arguments as in --help", message)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that works on one run."""
    group = parser.add_argument_group("which run")
    remote = "on the workstation, relative to --remote-root"
    group.add_argument("--tag", help="its decision tag, exactly")
    group.add_argument("--run-dir", type=Path, help="its local run folder")
    group.add_argument("--report-json", type=Path, help="its local gate report")
    group.add_argument("--run-dir-remote", help=f"its run folder {remote}")
    group.add_argument("--report-json-remote", help=f"its gate report {remote}")
    add_location(parser)


def add_location(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that may ask a workstation: where from, where to, and how."""
    where = parser.add_argument_group("workstation")
    where.add_argument("--host", help="the SSH host, or `local` for a folder on this machine")
    where.add_argument("--remote-root", help="the workstation's root folder on that host")
    add_workspace(parser)


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that writes: where to, and how."""
    where = parser.add_argument_group("where")
    where.add_argument(
        "--local-root",
        type=Path,
        default=locations.PROJECT,
        help="the workspace, where everything is written (default: the project's folder)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    how.add_argument("--dry-run", action="store_true", help="do everything but write nothing")
    how.add_argument(
        "--lock-wait",
        type=_wait,
        default=600.0,
        metavar="S",
        help="seconds to wait for a lock while one process holds it (default: 600)",
    )


def _wait(text: str) -> float:
    """Return a number of seconds, zero too; a type for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        expected = "expected a number of seconds, 0 or more"
        raise argparse.ArgumentTypeError(f"{expected}, found {text!r}")
    return number


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the key of a person who signs."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the SSH key that signs, or its public half (default: signing_key of the settings)",
    )


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the sync."""
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="copy nothing: the run is in the workspace already",
    )
    parser.add_argument(
        "--accept-changed-evidence",
        metavar="REASON",
        help="accept files that have changed, for this reason; the earlier ones are kept",
    )


def add_abandoned(parser: argparse.ArgumentParser) -> None:
    """Add the flag that closes a run which has no result, or no report that can be read."""
    parser.add_argument(
        "--abandoned",
        metavar="REASON",
        help="close a run without a valid result or a readable report as failed, for this reason",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the ledger row."""
    parser.add_argument(
        "--objective",
        help="what the run was to find out, for the ledger (default: the run's notes)",
    )


def _add_rebuild(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make the table again from all run folders; no run is named then",
    )


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
    given["host"], given["remote_root"] = host_and_root
    request = RunRequest(root, **given)
    _REQUEST.set(request)
    return request


def _no_run_named() -> Usage:
    target = make_lines.target_typed()
    if target:
        example = f"make {target} TAG=committee_2026-02-21_run4"
        return Usage(f"make {target}", "TAG=<decision tag>", "none", f"for example: {example}")
    return Usage("which run", "--tag, --run-dir or --run-dir-remote", "none of them")


def whole(message: str) -> str:
    """Return a message whose `make` lines can be typed as they are, for the run asked for."""
    request = _REQUEST.get()
    if request is None:
        return message
    return make_lines.complete(message, request)


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
    doc: str | None,
    argv: Argv,
    *flags: AddFlags,
    name: str,
    lock: str = WORKSPACE,
    needs_run: bool = True,
    finds_run: bool = False,
    rebuild: StepFunction | None = None,
) -> int:
    """Run a step as its script's `main`: parse, lock, run, print; return the exit code.

    `name` is the step's in the table of steps. `needs_run` is false for a step that works on the
    workspace alone, `finds_run` is true for the detection, which runs before anybody knows where
    the run is; `rebuild` runs with --rebuild instead.
    """

    def work(args: Arguments) -> int:
        function, names_run = step, needs_run
        if rebuild is not None and args.rebuild:
            function, names_run = rebuild, False
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

    all_flags = [add_target, *flags]
    if rebuild is not None:
        all_flags.append(_add_rebuild)
    return script_main(work, doc, argv, *all_flags)


def _locate_nothing(request: RunRequest) -> RunPaths:
    return RunPaths.of_workspace(request.root)


def script_main(
    work: Callable[[Arguments], int], doc: str | None, argv: Argv, *flags: AddFlags
) -> int:
    """Run a script whose flags have --dry-run: parse, work, return the exit code."""

    def parse_and_work() -> int:
        parser = Parser(doc)
        for add_flags in flags:
            add_flags(parser)
        args = parser.parse_args(argv)
        disk.DRY_RUN.set(args.dry_run)
        return work(args)

    return guard(parse_and_work)


def guard(work: Callable[[], int]) -> int:
    """Run a script's work; print an error and return its code. Bugs keep their traceback."""
    terminal.set_level(terminal.Level.NORMAL)
    _REQUEST.set(None)
    # A stream that was closed before we began (`>&-`) is None.
    sys.stdout = sys.stdout or _open_nowhere()
    sys.stderr = sys.stderr or _open_nowhere()
    code = _run(work)
    return max(code, _flush())


def _run(work: Callable[[], int]) -> int:
    try:
        return work()
    except BrokenPipeError:
        return INTERRUPTED
    except PostRunError as error:
        terminal.error(_answer(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "postrun":
            raise
        remedy = "run `make setup` and use .venv/bin/python"
        terminal.error(f"package {error.name}: expected in this Python, found nothing; {remedy}")
        return Missing.exit_code
    except KeyboardInterrupt:
        terminal.error("interrupted")
        return INTERRUPTED


def _answer(error: PostRunError) -> str:
    """Return an error as one line, in the words of whoever typed the command."""
    message = whole(str(error))
    if isinstance(error, Usage) and make_lines.target_typed():
        return make_lines.in_words_of_make(message)
    return message


def give_up(stream: TextIO) -> None:
    """Send nowhere what could not be written, so that Python's last flush does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _flush() -> int:
    """Write what is left in both streams; return 0, or another code when results found no room."""
    code = 0
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            give_up(stream)
            # A broken pipe is a reader who has left (`| head`): what was done is done.
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                expected = "a place that can be written to"
                terminal.error(f"stdout: expected {expected}, found {error.strerror}")
                code = Missing.exit_code
    return code


def _open_nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
