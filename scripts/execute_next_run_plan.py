"""Start one planned run on the workstation: the command of the given rank, unchanged,
with the variables that the plan sets for it.

Reads  audit/factor_registry/next_run_plan.json, and asks the workstation again
Writes nothing here; the launcher there makes the run folder. It prints the command; what the
launcher prints goes to stderr. With --json both are in one object on stdout.
A command is refused when something blocks it according to the plan or the workstation, when a run
has its tag by now, or when the queue has changed since the plan was made.
Exit codes: 0 started (or, with --dry-run, could be), 1 the launcher refused, 2 usage, 3 no plan, no
such rank or something is missing, 4 the plan is not current, 5 the tag is taken, 6 the workstation
did not answer.

    python scripts/execute_next_run_plan.py --rank 1 --dry-run
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from postrun import cli
from postrun.core import disk
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.remote import launch
from postrun.store import json_files

PLAN = "next_run_plan"
_AGAIN = "plan again: make next-run-plan"


def execute(args: argparse.Namespace) -> int:
    """Start the command of this rank when its plan is current; return 0, else 1.

    Raises Missing, Invalid.
    """
    request = cli.parse_request(args, needs_run=False)
    workspace = RunPaths.of_workspace(request.root)
    plan = json_files.read(workspace, PLAN)
    _check_current(workspace, plan)
    rank = f"rank {args.rank}"
    commands = {command["rank"]: command for command in plan["commands"]}
    command = commands.get(args.rank)
    if command is None:
        ranks = ", ".join(map(str, commands)) or "none"
        expected = f"a planned command (ranks: {ranks})"
        raise Missing(rank, expected, "none")
    if command["argv"] is None:
        expected = "a command whose inputs are known"
        reasons = "; ".join(command["blocked_by"])
        raise Missing(rank, expected, reasons)
    request = replace(request, tag=command["tag"])
    return launch.start(
        request,
        rank,
        command["argv"],
        command["files"],
        _AGAIN,
        args.json,
        command["environment"],
    )


def _check_current(workspace: RunPaths, plan: Json) -> None:
    """Raise Invalid when a file that the plan was made from has changed since.

    A plan of an earlier release too: its commands lack the source run's data-quality settings.
    """
    plan_path = workspace.path(PLAN)
    if json_files.schema_of(plan, PLAN) != PLAN:
        raise Invalid(plan_path, "a plan of this release", "an older one", _AGAIN)
    for name, digest in plan["made_from"].items():
        path = workspace.path(name)
        if disk.is_present(path) and disk.sha256(path) == digest:
            continue
        expected = f"a plan made from the present {name}"
        raise Invalid(plan_path, expected, "an older one", _AGAIN)


def add_rank(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses a command."""
    parser.add_argument("--rank", type=int, required=True, help="rank of the planned run")


def main(argv: Sequence[str] | None = None) -> int:
    """Start one planned run."""
    return cli.script_main(execute, __doc__, argv, cli.add_target, add_rank)


if __name__ == "__main__":
    raise SystemExit(main())
