"""Start an official run on the workstation, through the launcher that is there.

Reads  the workstation, once: whether launcher and data file are there, and whether the tag is free
Writes nothing here; the launcher there makes the run folder. Prints the command on stdout, and what
the launcher prints, with the run folder in it, on stderr. With --json one object has both.
--gate holds the gate program's arguments in one text, quoted as for a shell; no shell reads them.
The launcher has defaults for what is not given. The run goes on after the connection has ended.
Exit codes: 0 started (or, with --dry-run, could be), 1 the launcher refused, 2 usage, 3 the
launcher or the data file is not there, 5 the tag is taken, 6 the workstation did not answer.

    python scripts/start_official_run.py --tag committee_2026-02-21_run1 --owner hui \\
      --data data/prices.csv --notes "first try" --gate "--strategy a.yaml --factor momentum_12_1"
"""

import argparse

from postrun import flags


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what the run is."""
    run = parser.add_argument_group("the run")
    run.add_argument("--tag", required=True, help="its decision tag, which no run has yet")
    run.add_argument("--owner", help="who is responsible (default: the user there)")
    run.add_argument("--notes", help="what the run is to find out")
    run.add_argument("--threads", help="threads per numerical library (default: all cores)")
    run.add_argument("--data", required=True, help="the data file, relative to the remote root")
    gate = "the gate program's arguments, in one text"
    run.add_argument("--gate", required=True, metavar="WORDS", help=gate)


FLAGS = flags.ScriptFlags(__doc__, add_run, flags.add_location)
FLAGS.answer_help(__name__)

import shlex
from collections.abc import Sequence

from postrun import cli
from postrun.core import run_names
from postrun.core.errors import Usage
from postrun.decide import planning
from postrun.remote import launch
from postrun.remote.launch import RunStart

# The launcher's flags, with ours: one has another name here.
_LAUNCHER_FLAGS = {
    "owner": "owner",
    "notes": "notes",
    "threads": "threads",
    "dq-input-csv": "data",
}


def start(args: argparse.Namespace) -> int:
    """Start the run when launcher and data are there and the tag is free; return 0, else 1."""
    run_names.check_new_tag(args.tag)
    request = cli.parse_request(args)
    run = RunStart(
        f"official run {args.tag}",
        args.tag,
        command(args),
        files=[planning.LAUNCHER, args.data],
    )
    return launch.start(request, [run], "an audit allows one", args.json)


def command(args: argparse.Namespace) -> list[str]:
    """Return the launcher's argument list. Raises Usage."""
    if not args.data:
        raise Usage("--data", "a data file, relative to the remote root", "nothing")
    argv = ["bash", planning.LAUNCHER, "--workflow", run_names.WORKFLOW, "--tag", args.tag]
    for flag, name in _LAUNCHER_FLAGS.items():
        value = getattr(args, name)
        if value is not None:
            argv.append(f"--{flag}={value}")
    try:
        return [*argv, "--", *shlex.split(args.gate)]
    except ValueError as error:
        problem = f"{args.gate!r} ({error})"
        raise Usage("--gate", "words quoted as for a shell", problem) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Start one official run."""
    return cli.script_main(start, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
