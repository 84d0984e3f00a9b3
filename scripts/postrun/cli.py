"""The desk: shared flags, which run is meant, and the one place where a refusal becomes a line and an exit code."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from postrun.core import disk, locations, locks, run_names, terminal, version
from postrun.core.errors import INTERRUPTED, Missing, PostRunError, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepFunction, StepResult
from postrun.store import configuration, run_lookup

if TYPE_CHECKING:
    pass

WORKSPACE, RUN = "workspace", "run"  # the two locks: one for steps 4-12, one per run for steps 1-3
_PACKAGES = {
    "fabric",
    "invoke",
    "jinja2",
    "jsonschema",
    "jsonschema_rs",
    "pandas",
    "paramiko",
    "referencing",
}


_LEVELS = (
    ("-v", terminal.Level.VERBOSE, "details and times (UTC) on stderr, for logs"),
    ("-q", terminal.Level.QUIET, "results and errors only, for cron"),
)


class _SetLevel(argparse.Action):
    """Change at once how much is written: an error in a later flag follows it already."""

    def __call__(self, *_: object) -> None:
        """Set the level that the flag stands for."""
        terminal.set_level(self.const)


class _ShowVersion(argparse.Action):
    """Print the version. It is worked out only when asked for: `--help` costs nothing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(parser.prog, version.program_version())
        parser.exit()


class Parser(argparse.ArgumentParser):
    """An argument parser that shows a script's docstring as its help and says what is wrong in one line."""

    def __init__(self, doc: str | None) -> None:
        script = Path(sys.argv[0]).name
        super().__init__(
            prog=script,
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument(
            "--version", nargs=0, action=_ShowVersion, help="show the program's version and stop"
        )
        self._add_levels()

    def _add_levels(self) -> None:
        levels = self.add_mutually_exclusive_group()
        for flag, level, words in _LEVELS:
            name = f"--{level.name.lower()}"
            how: dict[str, Any] = {"action": _SetLevel, "nargs": 0, "dest": argparse.SUPPRESS}
            levels.add_argument(flag, name, const=level, help=words, **how)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise Usage(self.prog, "arguments as in --help", message)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every script shares: which run, where from, where to, how to tell."""
    group = parser.add_argument_group("which run")
    group.add_argument("--tag", help="the decision tag, matched exactly")
    group.add_argument(
        "--run-dir", type=Path, help="a local run folder, relative to the current folder"
    )
    group.add_argument(
        "--report-json", type=Path, help="its local gate report, relative to the current folder"
    )
    group.add_argument("--run-dir-remote", help="the run folder, relative to the remote root")
    group.add_argument("--report-json-remote", help="the gate report, relative to the remote root")
    add_place(parser)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every script shares, whichever run it is about: where from, where to, how to tell."""
    where = parser.add_argument_group("where")
    where.add_argument("--host", help="an SSH host, or `local` for a directory standing in for it")
    where.add_argument("--remote-root", help="the workstation's root folder on that host")
    where.add_argument(
        "--local-root",
        type=Path,
        default=locations.PROJECT,
        help="the workspace (default: the project)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--json", action="store_true", help="the outcome as JSON on stdout")
    how.add_argument("--dry-run", action="store_true", help="work everything out, write nothing")
    how.add_argument(
        "--lock-wait",
        type=float,
        default=600.0,
        metavar="S",
        help="seconds to wait for another process",
    )


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the sync."""
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="the run lies in the local root already: copy nothing",
    )
    parser.add_argument(
        "--accept-changed-evidence",
        metavar="REASON",
        help="take changed files, keep the old ones aside, record why",
    )


def add_abandoned(parser: argparse.ArgumentParser) -> None:
    """Add the flag that closes a run which is dead: it has no result.json, and never will."""
    parser.add_argument(
        "--abandoned", metavar="REASON", help="close a dead run without a valid result, as a fail"
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the ledger row."""
    parser.add_argument(
        "--objective", help="the objective in the ledger row (default: the run's notes)"
    )


def add_rebuild(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the steps that can make their table anew."""
    parser.add_argument(
        "--rebuild", action="store_true", help="make the table from all run folders; names no run"
    )


def parse_request(args: argparse.Namespace, needs_run: bool = True) -> RunRequest:
    """Turn a parsed command line into an order. Raises Usage when it names no run but the step works on one."""
    if args.tag is not None:
        run_names.check_tag(args.tag)
    elif needs_run and args.run_dir is None and args.run_dir_remote is None:
        raise Usage("which run", "--tag, --run-dir or --run-dir-remote", "none of them")
    for reason in ("objective", "accept_changed_evidence", "abandoned"):
        if getattr(args, reason, None) is not None and not getattr(args, reason).strip():
            raise Usage(f"--{reason.replace('_', '-')}", "words", "nothing")
    root = args.local_root.resolve()
    local = getattr(args, "no_sync", False)
    host, remote_root = configuration.choose_workstation(args.host, args.remote_root)
    named: dict[str, Any] = {
        key: getattr(args, key, None) for key in RunRequest.__dataclass_fields__
    }
    named.update(root=root, no_sync=local)
    named["host"], named["remote_root"] = ("local", str(root)) if local else (host, remote_root)
    return RunRequest(**named)


def abandoning(request: RunRequest, tag: str) -> str:
    """Give the line that closes this run as dead, from the project's folder, without flags that settings spare."""
    settings = configuration.workstation()
    run = run_lookup.requested_run(request)
    given = {"--tag": tag, "--run-dir-remote": run and f"{locations.RUNS}/{run}"}
    if not request.no_sync:
        given["--host"] = request.host if request.host != settings["host"] else None
        given["--remote-root"] = (
            request.remote_root if request.remote_root != settings["remote_root"] else None
        )
    given["--local-root"] = str(request.root) if request.root != locations.PROJECT else None
    words = [word for flag, value in given.items() if value is not None for word in (flag, value)]
    local = ["--no-sync"] if request.no_sync else []
    return f'{line("post_run_sync_and_finalize.py", [*words, *local])} --abandoned "<reason>"'


def resuming(script: str, argv: Sequence[str] | None) -> str:
    """Say how to go on with what this script was asked for."""
    return f"resume with: {line(script, sys.argv[1:] if argv is None else argv)}"


def line(script: str, words: Sequence[str]) -> str:
    """Give the line that starts a script, as one types it in the project's folder."""
    return shlex.join([".venv/bin/python", f"scripts/{Path(script).name}", *words])


@contextmanager
def locked(request: RunRequest, *scopes: str, wait: float) -> Iterator[None]:
    """Hold the locks of these scopes; in a rehearsal nothing is locked, since nothing is written.

    A run's lock has the name of its tag, however the run was named: who calls it otherwise must meet the same lock.
    """
    with ExitStack() as held:
        for scope in scopes if not disk.DRY_RUN.get() else ():
            name = "workspace" if scope == WORKSPACE else f"run-{run_lookup.requested_tag(request)}"
            held.enter_context(
                locks.hold(
                    request.root / locations.LOCKS / f"{name}.lock",
                    wait,
                    f"{Path(sys.argv[0]).name}",
                )
            )
        yield


def show(step_result: StepResult, step: str, as_json: bool) -> None:
    """Give a step's outcome: the words to stderr, paths or JSON to stdout."""
    paths = [str(path) for path in step_result.written]
    if as_json:
        print(
            json.dumps(
                {
                    "step": step,
                    "yes": step_result.passed,
                    "words": step_result.summary,
                    "wrote": paths,
                }
            )
        )
        return
    # With --quiet one still hears of what did not pass.
    write = terminal.say if step_result.passed else terminal.error
    write(f"{step}: {step_result.summary}")
    for path in paths:
        print(path)


def step_main(
    do: StepFunction,
    doc: str | None,
    argv: Sequence[str] | None,
    *flags: Callable[[argparse.ArgumentParser], None],
    lock: str = WORKSPACE,
    needs_run: bool = True,
    finds_run: bool = False,
    rebuild: StepFunction | None = None,
) -> int:
    """Be the `main` of a step's script: parse, lock, run, tell.

    `needs_run` is false for a step that works on the workspace alone, `finds_run` is true for the detection, which
    runs before anybody knows where the run is; `rebuild` is what --rebuild does instead.
    """

    def work(args: argparse.Namespace) -> int:
        whole = rebuild if getattr(args, "rebuild", False) else None
        wanted = parse_request(args, needs_run=needs_run and whole is None)
        with locked(wanted, lock, wait=args.lock_wait):
            run_paths = _located(wanted, needs_run and whole is None and not finds_run)
            step_result = (whole or do)(wanted, run_paths)
        show(step_result, (whole or do).__name__, args.json)
        return step_result.exit_code

    return script_main(work, doc, argv, add_target, *flags, *((add_rebuild,) if rebuild else ()))


def _located(request: RunRequest, needs_run: bool) -> RunPaths:
    """Return where the run is; a step that works on the workspace alone is told no run."""
    return run_lookup.locate(request) if needs_run else RunPaths.of_workspace(request.root)


def script_main(
    work: Callable[[argparse.Namespace], int],
    doc: str | None,
    argv: Sequence[str] | None,
    *flags: Callable[[argparse.ArgumentParser], None],
) -> int:
    """Be the `main` of any script whose flags have --dry-run: parse, work, turn a refusal into its line and code."""

    def parsed() -> int:
        parser = Parser(doc)
        for add in flags:
            add(parser)
        args = parser.parse_args(argv)
        disk.DRY_RUN.set(args.dry_run)
        return work(args)

    return guard(parsed)


def guard(work: Callable[[], int]) -> int:
    """Run a script's work; turn a refusal into its line and code. Bugs keep their traceback."""
    terminal.set_level(terminal.Level.NORMAL)
    sys.stdout, sys.stderr = (
        sys.stdout or _nowhere(),
        sys.stderr or _nowhere(),
    )  # `>&-`: closed before we began
    return _flushed(_guarded(work))


def _flushed(code: int) -> int:
    """Write what is left to say, and give the code: another one only when results found no room."""
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            _silence(stream)
            # A broken pipe is a reader who has left (`| head`): what was done is done.
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                terminal.error(
                    f"stdout: expected a place that can be written to, found {error.strerror}"
                )
                code = max(code, Missing.exit_code)
    return code


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _silence(stream: TextIO) -> None:
    """Lead a stream nowhere, so that Python's own last flush finds nobody gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except BrokenPipeError:
        return INTERRUPTED
    except PostRunError as error:
        terminal.error(str(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        terminal.error(
            f"package {error.name}: expected in this Python, found nothing; run `make setup` and use .venv/bin/python"
        )
        return Missing.exit_code
    except KeyboardInterrupt:
        terminal.error("interrupted")
        return INTERRUPTED
