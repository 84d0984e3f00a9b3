"""Start one planned run on the workstation: the command of the given rank, unchanged,
with the variables that the plan sets for it. Where a scheduler starts jobs, --ranks starts several
as one array.

Reads  audit/factor_registry/next_run_plan.json, and what the plan was made from; and asks the
       workstation again
Writes nothing here; the launcher there makes the run folder. It prints the command; what the
launcher prints goes to stderr. With --json both are in one object on stdout.
The command is made again from queue, registry and the source run's files. It is refused when the
plan says anything else, when a file that it needs is not on the workstation, when a run has its tag
by now, or when the queue has changed since the plan was made.
Exit codes: 0 started (or, with --dry-run, could be), 1 the launcher refused, 2 usage, 3 no plan, no
such rank or something is missing, 4 the plan is not current or was edited, 5 the tag is taken, 6
the workstation did not answer.

    python scripts/execute_next_run_plan.py --rank 1 --dry-run
"""

import argparse
import re

from postrun import flags

_RANK = re.compile("[0-9]{1,4}")
# Each job of an array shows the tags of all of them, at every poll.
_MOST_RANKS = 100


def ranks(text: str) -> list[int]:
    """Return the ranks of `1-4` or `1,3`, each once; a type for argparse."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not dash:
            last = first
        is_known = _RANK.fullmatch(first) and _RANK.fullmatch(last)
        if not is_known or int(first) > int(last):
            message = f"expected ranks such as 1-4 or 1,3, found {text!r}"
            raise argparse.ArgumentTypeError(message)
        part_numbers = range(int(first), int(last) + 1)
        numbers.update(part_numbers)
    if len(numbers) > _MOST_RANKS:
        message = f"expected at most {_MOST_RANKS} ranks, found {len(numbers)}"
        raise argparse.ArgumentTypeError(message)
    return sorted(numbers)


def add_rank(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose commands."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--rank", type=int, help="rank of the planned run")
    several = "ranks of planned runs, such as 1-4: one array of the scheduler's jobs"
    group.add_argument("--ranks", type=ranks, help=several)


FLAGS = flags.ScriptFlags(__doc__, flags.add_target, add_rank)
FLAGS.answer_help(__name__)

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postrun import cli
from postrun.core import disk
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide.planning import RemoteFiles
from postrun.planner import commands
from postrun.planner.commands import PLAN, QUEUE, REGISTRY
from postrun.remote import launch
from postrun.remote.launch import RunStart
from postrun.store import documents, json_files, tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

_ONE_BY_ONE = "start them one by one (--rank), or see --scheduler"
_AGAIN = "plan again: make next-run-plan"
# What the workstation answered when the plan was made. It is asked again.
_ANSWERS = ("blocked_by", "unchecked")


@dataclass(frozen=True)
class PlannedCommand:
    """One command of the plan, and what the plan was made from."""

    root: Path
    label: str  # its name in messages
    command: Row
    plan_tags: frozenset[str]  # of all commands of the plan
    queue: Rows
    registry: IndexedTable

    def make_again(self) -> Row:
        """Return the command made again. Raises Invalid when the plan says anything else."""
        row = self._queue_row()
        source = commands.read_source(self.root, row)
        tag = self.command["tag"]
        command = commands.make_command(row, source, tag, remote_files=None)
        different = []
        for name, value in command.items():
            # As bytes: to Python, true is equal to 1.
            made = json_files.encode(value)
            planned = json_files.encode(self.command[name])
            if name not in _ANSWERS and made != planned:
                different.append(name)
        if different:
            names = ", ".join(different)
            expected = f"what queue, registry and run {source.run} say"
            raise Invalid(self.label, expected, f"another {names}", _AGAIN)
        return command

    def _queue_row(self) -> Row:
        """Return the row of the queue that the command is for. Raises Invalid."""
        rank = self.command["rank"]
        for row in self.queue:
            if row["rank"] == rank:
                return row
        expected = "a rank of the queue"
        found = "one that it does not have"
        raise Invalid(self.label, expected, found, _AGAIN)

    def check_tag(self, remote_files: RemoteFiles) -> None:
        """Raise Invalid when the command would be given another tag now, AmbiguousRun when a run in
        this workspace has it.

        Tags of this plan count as free: runs of other ranks may have been started by now.
        """
        rank = self.command["rank"]
        tag = self.command["tag"]
        taken_here = commands.taken_tags(self.root, self.registry)
        launch.check_tag(tag, taken_here, _AGAIN)
        taken = taken_here | remote_files.tags
        tags = commands.free_tags(self.registry, taken - self.plan_tags)
        for row, free_tag in zip(self.queue, tags, strict=False):
            if row["rank"] == rank and tag != free_tag:
                raise Invalid(self.label, f"tag {free_tag}", tag, _AGAIN)


def execute(args: argparse.Namespace) -> int:
    """Start the commands of these ranks when their plan is current; return 0, else 1.

    Raises Usage, Missing, Invalid, AmbiguousRun.
    """
    request = cli.parse_request(args, needs_run=False)
    ranks = args.ranks
    if ranks is None:
        ranks = [args.rank]
    elif request.scheduler is None:
        actual = f"none for {request.host}"
        raise Usage("--ranks", "a scheduler, for an array of jobs", actual, _ONE_BY_ONE)
    starts = []
    for rank in ranks:
        run_start = _run_start(request.root, rank)
        starts.append(run_start)
    return launch.start(request, starts, _AGAIN, args.json)


def _run_start(root: Path, rank: int) -> RunStart:
    """Return the planned run of a rank, made again. Raises Missing, Invalid."""
    planned = _read_planned(root, rank)
    command = planned.make_again()
    name = f"rank {rank}"
    if command["argv"] is None:
        expected = "a command that can be made"
        reasons = "; ".join(command["blocked_by"])
        raise Missing(name, expected, reasons)
    return RunStart(
        name,
        command["tag"],
        command["argv"],
        command["files"],
        command["environment"],
        planned.check_tag,
        rank,
    )


def _read_planned(root: Path, rank: int) -> PlannedCommand:
    """Return the command of a rank. Raises Missing, Invalid."""
    workspace = RunPaths.of_workspace(root)
    plan = documents.read(workspace, PLAN, _AGAIN)
    _check_current(workspace, plan)
    planned = {command["rank"]: command for command in plan["commands"]}
    if rank not in planned:
        ranks = ", ".join(map(str, planned)) or "none"
        expected = f"a planned command (ranks: {ranks})"
        raise Missing(f"rank {rank}", expected, "none")
    path = workspace.path(PLAN)
    tags = [command["tag"] for command in planned.values()]
    return PlannedCommand(
        root,
        label=f"{path}: rank {rank}",
        command=planned[rank],
        plan_tags=frozenset(tags),
        queue=tables.read_existing(root, QUEUE),
        registry=tables.open_existing(root, REGISTRY),
    )


def _check_current(workspace: RunPaths, plan: Json) -> None:
    """Raise Invalid when a file that the plan was made from has changed since.

    Refuse a plan of an earlier release, too: its commands lack the source run's data-quality
    settings.
    """
    plan_path = workspace.path(PLAN)
    if json_files.schema_of(plan, PLAN) != PLAN:
        raise Invalid(plan_path, "a plan of this release", "an older one", _AGAIN)
    for name, digest in plan["made_from"].items():
        path = workspace.path(name)
        present = None
        if disk.is_present(path):
            present = disk.sha256(path)
        if present != digest:
            expected = f"a plan made from the present {workspace.relative(path)}"
            raise Invalid(plan_path, expected, "an older one", _AGAIN)


def main(argv: Sequence[str] | None = None) -> int:
    """Start one planned run."""
    return cli.script_main(execute, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
