"""Start one planned run on the workstation: the command of the given rank, word for word.

Reads  audit/factor_registry/next_run_plan.json and, once more, the workstation
Writes nothing here; the launcher there makes the run folder. It prints the command; what the
launcher prints goes to stderr. With --json both are in one object on stdout.
A command is refused when the plan or the workstation has something that blocks it, when its tag is
taken by now, or when the queue changed since the plan was made.
Exit codes: 0 started (or, with --dry-run, could be), 1 the launcher refused, 2 usage, 3 no plan, no
such rank or something is missing, 4 the plan is not current, 5 the tag is taken, 6 the workstation
did not answer.

    python scripts/execute_next_run_plan.py --rank 1 --dry-run
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.remote import launch
from postrun.store import json_files

PLAN = "next_run_plan"
_AGAIN = "plan again: make next-run-plan"


def execute(args: argparse.Namespace) -> int:
    """Start the command of this rank when its plan is current; return 0, else 1."""
    request = cli.parse_request(args, needs_run=False)
    command = _command(request.root, args.rank)
    return launch.start(
        replace(request, tag=command["tag"]),
        run=f"rank {args.rank}",
        command=command["argv"],
        files=command["files"],
        hint=_AGAIN,
        as_json=args.json,
    )


def _command(root: Path, rank: int) -> dict[str, Any]:
    """Return the planned command of this rank. Raises Missing, Invalid."""
    plan = json_files.read(RunPaths.of_workspace(root), PLAN)
    _check_current(root, plan)
    commands = {command["rank"]: command for command in plan["commands"]}
    if rank not in commands:
        ranks = ", ".join(map(str, commands)) or "none"
        raise Missing(
            f"rank {rank}",
            f"a planned command (ranks: {ranks})",
            "none",
        )
    command: dict[str, Any] = commands[rank]
    if command["argv"] is None:
        raise Missing(
            f"rank {rank}",
            "a command whose inputs are known",
            "; ".join(command["blocked_by"]),
        )
    return command


def _check_current(root: Path, plan: dict[str, Any]) -> None:
    """Raise Invalid when a file that the plan was made from has changed since."""
    for name, digest in plan["made_from"].items():
        path = locations.workspace_path(root, name)
        if not path.exists() or disk.sha256(path) != digest:
            raise Invalid(
                locations.workspace_path(root, PLAN),
                f"a plan made from the present {name}",
                "an older one",
                _AGAIN,
            )


def add_rank(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses a command."""
    parser.add_argument("--rank", type=int, required=True, help="rank of the command in the plan")


def main(argv: Sequence[str] | None = None) -> int:
    """Start one planned run."""
    return cli.script_main(
        execute,
        __doc__,
        argv,
        cli.add_target,
        add_rank,
    )


if __name__ == "__main__":
    raise SystemExit(main())
