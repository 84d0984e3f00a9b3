"""Start an official run on this workstation, and leave proof of how it ended. Standard library only.

reads   configs/launcher_policy.json (the workstation's own, else the project's), the data file
writes  audit/workstation_runs/<time>_<workflow>_<tag>/: preflight.json, data_quality/, command.sh,
        context.json, run.pid, run.log, and last result.json
prints  the run folder, at once
exit    0 the run goes on in the background; 1 preflight or data quality said no; 2 wrong usage; 3 an input is
        missing; 4 the policy is invalid; with --foreground the exit code of the workload

The gate program gets what stands behind `--`, and --decision-tag, --owner and --notes. It runs in a session
of its own, apart from terminal and SSH connection. One that ends before that moment does not stop the launcher either;
Ctrl-C does.
SIGTERM, SIGHUP, SIGINT and SIGQUIT to the launcher's process (run.pid) are passed on to the whole workload; the
result then has exit code 128 + the signal's number. SIGUSR1 and its like are passed on too; what the workload makes
of them is its own. While the disk is full, the result waits for room on it.

    bash scripts/workstation_official_run.sh --tag committee_2026-02-21_run1 --owner hui --threads 4 \\
      --notes "first try" --dq-input-csv data/prices.csv -- --strategy a.yaml --factor momentum_12_1
"""

import argparse
import getpass
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from postrun import cli
from postrun.core import run_names, terminal
from postrun.core.errors import Missing, Usage
from postrun.launcher import machine, policy, run_folder
from postrun.launcher.policy import Policy
from postrun.launcher.records import write_command, write_json
from postrun.launcher.run_folder import Asked
from postrun.launcher.supervisor import Job, detach, ignore_hangup, supervise

OURS = ("--decision-tag", "--owner", "--notes")  # the launcher's own words to the gate program
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def build_parser() -> cli.Parser:
    """Give the launcher's flags; what stands behind `--` is the gate program's."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--workflow", default=run_names.WORKFLOW)
    parser.add_argument("--tag", required=True, help="the decision tag")
    parser.add_argument("--owner", help="who answers for it (default: you)")
    parser.add_argument("--notes", default="")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="for each numerical library"
    )
    parser.add_argument("--dq-input-csv", default="", help="data file, relative to the root")
    parser.add_argument("--skip-data-quality-check", action="store_true")
    parser.add_argument(
        "--require-clean", action="store_true", help="refuse a checkout with changes"
    )
    parser.add_argument(
        "--root", type=Path, default=Path(), help="the workstation's root (default: here)"
    )
    parser.add_argument(
        "--policy", type=Path, help="a policy file other than configs/launcher_policy.json"
    )
    parser.add_argument(
        "--program", help="a gate program other than the policy's, relative to the root"
    )
    parser.add_argument("--foreground", action="store_true", help="stay until the run has ended")
    parser.add_argument(
        "--attend", type=Path, help=argparse.SUPPRESS
    )  # this script, as its own supervisor
    return parser


def user() -> str:
    """Name whoever starts the run. Raises Usage where the machine knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise Usage("--owner", "a name", "none, and this machine knows none for you") from None


def tell(words: object, out: TextIO) -> None:
    """Say something to whoever listens still: a run that was asked for begins without them, too."""
    with suppress(OSError):
        print(terminal.plain(str(words)), file=out, flush=True)


def check(args: argparse.Namespace, asked: Sequence[str]) -> None:
    """Refuse what cannot become a run. Raises Usage, Missing."""
    run_names.check_tag(args.tag)
    if not re.fullmatch("[a-z][a-z0-9_]*", args.workflow):
        raise Usage("--workflow", "lower-case letters, digits and _", repr(args.workflow))
    if args.threads < 1:
        raise Usage("--threads", "1 or more", str(args.threads))
    if not args.dq_input_csv and not args.skip_data_quality_check:
        raise Usage("data quality", "--dq-input-csv or --skip-data-quality-check", "neither")
    for word in asked:
        if word.partition("=")[0] in OURS:
            raise Usage(
                "words behind --", f"none of {', '.join(OURS)}: the launcher adds them", word
            )
    if not shutil.which("ps"):
        raise Missing("ps", "it on the PATH", "nothing", "install procps")


def gate_command(
    args: argparse.Namespace, root: Path, rules: Policy, asked: Sequence[str]
) -> tuple[str, ...]:
    """Give the workload's command; a Python program runs under this interpreter. Raises Missing."""
    program = args.program or rules.program
    if not (root / program).is_file():
        raise Missing(
            "gate program", f"a file at {root / program}", "nothing", "see `program` in the policy"
        )
    start = (sys.executable, program) if program.endswith(".py") else (str(root / program),)
    return (
        *start,
        *asked,
        "--decision-tag",
        args.tag,
        "--owner",
        args.owner,
        "--notes",
        args.notes,
    )


def prepare(
    args: argparse.Namespace, root: Path, rules: Policy, command: tuple[str, ...]
) -> Path | None:
    """Make the run folder and all that stands there before the workload starts; None when a check said no.

    The checkout is looked at first: the run folder itself may be a change in it.
    """
    asked = Asked(
        *(args.workflow, args.tag, args.owner, args.notes, args.threads),
        data=args.dq_input_csv,
        skip_data_quality=args.skip_data_quality_check,
    )
    found = machine.preflight(root, rules, args.require_clean)
    for name in run_folder.used_before(root, args.tag):
        tell(f"tag {args.tag}: run {name} has it already; an audit allows one", sys.stderr)
    run = run_folder.create(root, asked)
    tell(run, sys.stdout)
    write_json(run / "preflight.json", found)
    for reason in found["reasons"]:
        tell(f"preflight: {reason}", sys.stderr)
    if found["reasons"]:
        return None
    if code := run_folder.check_data(root, run, asked, rules.data_quality):
        tell(f"data quality: not passed (exit {code}), see {run / 'data_quality.log'}", sys.stderr)
        return None
    write_command(run / "command.sh", command)
    run_folder.write_context(root, run, asked, found)
    return run


def job(
    args: argparse.Namespace, root: Path, run: Path, rules: Policy, command: tuple[str, ...]
) -> Job:
    """Put together what the supervisor needs."""
    threads = dict.fromkeys(THREADS, str(args.threads))
    result = {
        "workflow": args.workflow,
        "decision_tag": args.tag,
        "audit_dir": str(run.relative_to(root)),
    }
    environment = {**os.environ, **threads, "PYTHONUNBUFFERED": "1"}
    return Job(root, run, command, environment, result, rules.leftover_seconds)


def launch(argv: Sequence[str]) -> int:
    """Check, prepare, start."""
    words = list(argv)
    place = words.index("--") if "--" in words else len(words)
    own, asked = words[:place], words[place + 1 :]
    args = build_parser().parse_args(own)
    args.owner = args.owner or user()
    check(args, asked)
    root = args.root.resolve()
    rules = policy.load(policy.find(root, args.policy))
    command = gate_command(args, root, rules, asked)
    if args.attend:
        return supervise(job(args, root, args.attend, rules, command))
    with ignore_hangup():
        run = prepare(args, root, rules, command)
        if run is None:
            return 1
        if not args.foreground:
            return let_go(args, run, (*own, "--attend", str(run), "--", *asked))
    return supervise(job(args, root, run, rules, command))


def let_go(args: argparse.Namespace, run: Path, words: tuple[str, ...]) -> int:
    """Start this script once more, as the run's supervisor, and leave it to that."""
    if not detach((sys.executable, str(Path(__file__).resolve()), *words), run):
        tell(f"{args.tag}: the supervisor did not start, see {run / 'run.log'}", sys.stderr)
        return 1
    tell(f"{args.tag}: started, log in {run / 'run.log'}", sys.stderr)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Be the command; a refusal becomes a line and an exit code."""
    return cli.guard(lambda: launch(sys.argv[1:] if argv is None else argv))


if __name__ == "__main__":
    raise SystemExit(main())
