"""Start one planned run on the workstation: the command of the given rank, word for word.

Reads  audit/factor_registry/next_run_plan.json and, once more, the workstation
Writes nothing here; the launcher there makes the run folder. It prints what the launcher said.
A command is refused when the plan or a new look names something that blocks it, when its tag is taken by now, or when
the queue changed since the plan was made.
Exit codes: 0 started (or, with --dry-run, could be), 1 the launcher said no, 2 usage, 3 no plan, no such rank or
something is missing, 4 the plan is not current, 5 the tag is taken, 6 the workstation did not answer.

    python scripts/execute_next_run_plan.py --rank 1 --dry-run
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postrun import artifacts, cli, disk, layout, planning
from postrun.errors import Invalid, Missing, Unclear
from postrun.layout import Place
from postrun.outcome import Order

PLAN = "next_run_plan"
_AGAIN = "plan again: make next-run-plan"


def execute(order: Order, rank: int) -> int:
    """Look once more, then start the command; give the launcher's verdict as 0 or 1."""
    command = _command(order.root, rank)
    with cli.station(order) as door:
        _check(command, door.survey(command["files"]))
        print(planning.quoted(command["argv"]))
        if disk.REHEARSAL.get():
            cli.say(f"rank {rank}: could be started now, nothing was")
            return 0
        code, output = door.launch(command["argv"])
    for line in output.splitlines():
        cli.say(line)
    cli.say(f"rank {rank}: the launcher ended with exit code {code}")
    return 0 if code == 0 else 1


def _command(root: Path, rank: int) -> dict[str, Any]:
    """Give the planned command of this rank. Raises Missing, Invalid."""
    plan = artifacts.read(Place(root, "", None), PLAN)
    for name, digest in plan["made_from"].items():
        path = layout.workspace(root, name)
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise Invalid(layout.workspace(root, PLAN), f"a plan made from the present {name}", "an older one", _AGAIN)
    found = [command for command in plan["commands"] if command["rank"] == rank]
    if not found:
        ranks = ", ".join(str(command["rank"]) for command in plan["commands"]) or "none"
        raise Missing(f"rank {rank}", f"a planned command (ranks: {ranks})", "none")
    command: dict[str, Any] = found[0]
    if command["argv"] is None:
        raise Missing(f"rank {rank}", "a command whose inputs are known", "; ".join(command["blocked_by"]))
    return command


def _check(command: dict[str, Any], survey: planning.Survey) -> None:
    """Refuse what the workstation as it is now does not allow. Raises Missing, Unclear."""
    absent = [path for path in command["files"] if path not in survey.files]
    if absent:
        raise Missing(f"rank {command['rank']}", "its files on the workstation", f"no {', no '.join(absent)}")
    if command["tag"] in survey.tags:
        raise Unclear(f"decision tag {command['tag']}", "a free one", "a run that has it", _AGAIN)


def add_rank(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses a command."""
    parser.add_argument("--rank", type=int, required=True, help="rank of the command in the plan")


def main(argv: Sequence[str] | None = None) -> int:
    """Start one planned run."""

    def work() -> int:
        parser = cli.Parser(__doc__)
        for add in (cli.add_target, add_rank):
            add(parser)
        args = parser.parse_args(argv)
        disk.REHEARSAL.set(args.dry_run)
        return execute(cli.order(args, needs_run=False), args.rank)

    return cli.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
