"""Start an official run on this workstation, and record how it ended.

reads   configs/launcher_policy.json (the workstation's own, else the project's), the data file;
        DQ_MIN_ROWS, DQ_KEY_COLUMNS and so on for the data-quality gate, instead of the policy's
writes  audit/workstation_runs/<time>_<workflow>_<tag>/: preflight.json, data_quality/, command.sh,
        context.json, run.pid, run.log, and last result.json
prints  the run folder, at once
exit    0 the run goes on in the background; 1 preflight or data quality did not pass;
        2 wrong usage; 3 an input is missing; 4 the policy is invalid;
        with --foreground the exit code of the workload

The gate program gets the arguments after `--`, and --decision-tag, --owner and --notes. It runs in
a session of its own, so closing the terminal or the SSH connection ends neither it nor the checks
before it; Ctrl-C ends the checks. SIGTERM, SIGHUP, SIGINT and SIGQUIT to the launcher's process
(run.pid) are forwarded to the whole workload; the result then has exit code 128 + the signal's
number. SIGUSR1 and the like are forwarded too; the workload decides what they mean. When the disk
is full, the launcher waits for free space before it writes the result. In a job of Slurm it waits
until the run has ended, as with --foreground, and names the job in run.pid and context.json.

    bash scripts/workstation_official_run.sh --tag committee_2026-02-21_run1 --owner hui \\
      --threads 4 --notes "first try" --dq-input-csv data/prices.csv \\
      -- --strategy a.yaml --factor momentum_12_1
"""

import argparse
import os

from postrun import flags
from postrun.launcher import POLICY_FILE


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the launcher's flags, which stand before `--`."""
    add = parser.add_argument
    cores = os.cpu_count() or 1
    add("--workflow", default="production_gates", help="default: production_gates")
    add("--tag", required=True, help="the decision tag")
    add("--owner", help="who is responsible for the run (default: you)")
    notes = "what the run is to find out"
    add("--notes", default="", help=notes)
    add("--threads", type=int, default=cores, help="threads per library (default: all cores)")
    add("--dq-input-csv", default="", help="the data file, relative to --root")
    add("--skip-data-quality-check", action="store_true")
    add("--require-clean", action="store_true", help="fail when git has local changes")
    add("--root", type=flags.path, default=".", help="the workstation's root (default: current)")
    add("--policy", type=flags.path, help=f"a policy file other than {POLICY_FILE}")
    add("--program", help="a gate program other than the policy's, relative to --root")
    add("--foreground", action="store_true", help="wait until the run has ended")
    # How this script starts itself once more in the background; the folder is the run's.
    add("--supervise", type=flags.path, help=argparse.SUPPRESS)


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import getpass
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from postrun import ending
from postrun.core import run_names, terminal
from postrun.core.errors import Missing, Usage
from postrun.launcher import machine, policy, run_folder
from postrun.launcher.records import write_command, write_json
from postrun.launcher.request import LaunchRequest
from postrun.launcher.supervisor import detach, ignore_hangup, supervise

SCRIPT = Path(__file__).resolve()
# The launcher adds these arguments itself.
RESERVED = ("--decision-tag", "--owner", "--notes")


def user_name() -> str:
    """Return the name of the user who starts the run. Raises Usage where the machine has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        actual = "none, and this machine knows none for you"
        raise Usage("--owner", "a name", actual) from None


def warn(message: str) -> None:
    """Write a message, if anybody can still read it: the run starts without readers, too."""
    with suppress(OSError):
        terminal.error(message)


def print_path(path: Path) -> None:
    """Write a path to stdout, if anybody can still read it."""
    line = terminal.plain(str(path))
    try:
        print(line, flush=True)
    except OSError:
        ending.give_up(sys.stdout)


def check_arguments(args: argparse.Namespace, gate_arguments: Sequence[str]) -> None:
    """Raise Usage for arguments that cannot become a run, Missing where there is no `ps`."""
    run_names.check_new_tag(args.tag)
    if not re.fullmatch("[a-z][a-z0-9_]*", args.workflow):
        raise Usage("--workflow", "lower-case letters, digits and _", repr(args.workflow))
    if args.threads < 1:
        raise Usage("--threads", "1 or more", str(args.threads))
    if not args.dq_input_csv and not args.skip_data_quality_check:
        expected = "--dq-input-csv or --skip-data-quality-check"
        raise Usage("data quality", expected, "neither")
    for argument in gate_arguments:
        flag, _, _ = argument.partition("=")
        if flag in RESERVED:
            expected = f"none of {', '.join(RESERVED)}: the launcher adds them"
            raise Usage("arguments after --", expected, argument)
    if not shutil.which("ps"):
        raise Missing("ps", "it on the PATH", "nothing", "install procps")


def read_request(args: argparse.Namespace, gate_arguments: Sequence[str]) -> LaunchRequest:
    """Return the run that is asked for. Raises Usage, Missing, Invalid."""
    check_arguments(args, gate_arguments)
    root = args.root.resolve()
    policy_file = policy.find_file(root, args.policy)
    rules = policy.load(policy_file)
    thresholds = policy.with_environment(rules.data_quality, os.environ)
    rules = replace(rules, data_quality=thresholds)
    program_name = args.program or rules.program
    program = program_start(root, program_name)
    owner = args.owner or user_name()
    reserved = ["--decision-tag", args.tag, "--owner", owner]
    reserved += ["--notes", args.notes]
    return LaunchRequest(
        root=root,
        workflow=args.workflow,
        tag=args.tag,
        owner=owner,
        notes=args.notes,
        threads=args.threads,
        data=args.dq_input_csv,
        skip_data_quality=args.skip_data_quality_check,
        require_clean=args.require_clean,
        policy=rules,
        command=(*program, *gate_arguments, *reserved),
    )


def program_start(root: Path, program: str) -> list[str]:
    """Return how the gate program starts: Python under this interpreter. Raises Missing."""
    path = root / program
    if not path.is_file():
        hint = "see `program` in the policy"
        raise Missing("gate program", f"a file at {path}", "nothing", hint)
    if program.endswith(".py"):
        return [sys.executable, program]
    return [str(path)]


def prepare(request: LaunchRequest) -> Path | None:
    """Return the run folder, ready for its workload; None when a check did not pass."""
    # Before the run folder is made: in a checkout that does not ignore it, it is a change.
    preflight = machine.preflight(request)
    for run_name in run_folder.earlier_runs(request):
        warn(f"tag {request.tag}: run {run_name} has it already; an audit allows one")
    run = run_folder.create(request)
    print_path(run)
    write_json(run / "preflight.json", preflight)
    reasons = preflight["reasons"]
    for reason in reasons:
        warn(f"preflight: {reason}")
    if reasons:
        return None
    code = run_folder.check_data(request, run)
    if code != 0:
        log = run / "data_quality.log"
        warn(f"data quality: not passed (exit {code}), see {log}")
        return None
    write_command(run / "command.sh", request.command)
    run_folder.write_context(request, run, preflight)
    return run


def split_arguments(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the arguments before and after `--`: the launcher's and the gate program's."""
    if "--" not in argv:
        return argv, []
    end = argv.index("--")
    return argv[:end], argv[end + 1 :]


def launch(argv: Sequence[str]) -> int:
    """Check, prepare and start the run; return the exit code."""
    own_arguments, gate_arguments = split_arguments(argv)
    args = FLAGS.parse(own_arguments)
    request = read_request(args, gate_arguments)
    if args.supervise:
        return supervise(request, args.supervise)
    with ignore_hangup():
        run = prepare(request)
        if run is None:
            return 1
        # A scheduler ends what is left of a job whose program has ended.
        job = machine.scheduler_job()
        if job is None and not args.foreground:
            arguments = [*own_arguments, "--supervise", str(run), "--", *gate_arguments]
            return start_supervisor(request.tag, run, arguments)
    return supervise(request, run)


def start_supervisor(tag: str, run: Path, arguments: Sequence[str]) -> int:
    """Start this script once more, in the background; return the exit code."""
    log = run / "run.log"
    command = [sys.executable, str(SCRIPT), *arguments]
    if not detach(command, run):
        warn(f"{tag}: the supervisor did not start, see {log}")
        return 1
    with suppress(OSError):
        terminal.say(f"{tag}: started, log in {log}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Start the run; errors become one line and an exit code."""
    if argv is None:
        argv = sys.argv[1:]
    return ending.guard(lambda: launch(argv))


if __name__ == "__main__":
    raise SystemExit(main())
