"""Plan the next runs: for each row of the queue what failed, what to try, and the command.

Reads  the candidate queue and the registry; the gate report, context, preflight, data-quality
       report and remediation plan of the run from which each row was made; and asks the workstation
       once
Writes audit/factor_registry/next_run_plan.json and .md
A command repeats the inputs of that run. Only its tag is new: the first committee_<day>_run<N> of
the newest run's day that no run has. The environment of a command (DQ_MIN_ROWS and so on) sets the
data-quality gate as it was in that run. A command that needs something unknown or missing is
blocked, and the plan names what it is. A run that waits for an approval has no command.
Exit codes: 0 done, 2 usage, 3 no queue yet, 4 an input is invalid, 9 locked.

    python scripts/generate_next_run_plan.py
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from postrun import cli
from postrun.core import terminal
from postrun.core.errors import Invalid, Missing, Unreachable
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import planning
from postrun.decide.planning import RemoteFiles, Source
from postrun.planner import commands
from postrun.planner.commands import PLAN, QUEUE, REGISTRY
from postrun.remote.workstation import open_workstation
from postrun.store import documents, json_files, known_files, make_lines, page_files, tables
from postrun.store.tables import Row, Rows

# In words when one or two commands are all blocked.
_ALL_BLOCKED = {1: "blocked", 2: "both blocked"}


def plan(request: RunRequest, _: RunPaths) -> StepResult:
    """Plan the next runs. Raises Missing, Invalid.

    A workstation that does not answer blocks nothing, but the plan says what was not checked.
    """
    root = request.root
    queue = _read_queue(root)
    registry = tables.open_existing(root, REGISTRY)
    sources = []
    for row in queue:
        source = _read_source(request, row)
        sources.append(source)
    remote_files = _ask_workstation(request, sources)
    newest = commands.newest_start(registry)
    begin = planning.begin_of_tags(newest)
    taken = commands.taken_tags(root, registry, begin)
    if remote_files is not None:
        taken |= remote_files.tags
    tags = planning.free_tags(newest, taken)
    planned = []
    for row, source, tag in zip(queue, sources, tags, strict=False):
        command = commands.make_command(row, source, tag, remote_files)
        planned.append(command)
    has_answered = remote_files is not None
    paths = _write(
        root,
        planned,
        sources,
        has_answered,
    )
    summary = _summary(planned)
    return StepResult(summary, paths)


def plan_with_former_answers(request: RunRequest, workspace: RunPaths) -> None:
    """Plan again without the workstation: its answers and the tags are those of the plan.

    Raises Missing, Invalid.
    """
    root = request.root
    path = workspace.path(PLAN)
    former = json_files.load(path, PLAN)
    queue = _read_queue(root)
    planned = []
    sources = []
    for row, command in zip(queue, former["commands"], strict=False):
        source = _read_source(request, row)
        sources.append(source)
        tag = command["tag"]
        made = commands.make_command(row, source, tag, remote_files=None)
        for name in ("blocked_by", "unchecked"):
            made[name] = command[name]
        planned.append(made)
    _write(
        root,
        planned,
        sources,
        former["workstation_answered"],
    )


def _read_queue(root: Path) -> Rows:
    """Return the queue. It and the registry are inputs of the plan. Raises Missing, Invalid."""
    queue = tables.open_existing(root, QUEUE)
    registry = tables.open_existing(root, REGISTRY)
    for table in (queue, registry):
        tables.note(table)
    return queue.select()


def _read_source(request: RunRequest, row: Row) -> Source:
    """Return what the source run left. Raises Invalid when that was changed since.

    The closing of another run goes on: there, the change only blocks the command.
    """
    try:
        return commands.read_source(request.root, row)
    except Invalid as error:
        named_run = (request.tag, request.run_dir, request.run_dir_remote)
        if named_run == (None, None, None):
            raise
        workspace = RunPaths.of_workspace(request.root)
        problem = workspace.without_root(error)
        return Source(
            row["run"],
            preflight=None,
            context=None,
            report=None,
            data_quality=None,
            remediation=None,
            problem=problem,
        )


def _write(
    root: Path,
    planned: Rows,
    sources: Sequence[Source],
    has_answered: bool,
) -> tuple[Path, Path]:
    """Write the plan and its page; return their paths."""
    workspace = RunPaths.of_workspace(root)
    made_from = {}
    for name in (QUEUE, REGISTRY):
        table = workspace.path(name)
        made_from[name] = known_files.digest(root, table)
    document = {
        "made_from": made_from,
        "workstation_answered": has_answered,
        "commands": planned,
    }
    written = documents.write(
        workspace,
        PLAN,
        document,
    )
    lines = {}
    settings = {}
    changes = {}
    starts = {}
    for command, source in zip(written["commands"], sources, strict=False):
        rank = command["rank"]
        lines[rank] = planning.command_line(command)
        variables = planning.assignments(command["environment"])
        settings[rank] = shlex.join(variables)
        changes[rank] = planning.differences(source)
        starts[rank] = _start_line(root, rank, source)
    content = {
        **written,
        "lines": lines,
        "settings": settings,
        "changes": changes,
        "starts": starts,
    }
    page = page_files.write(workspace, PLAN, ".md", content)
    return workspace.path(PLAN), page


def _start_line(
    root: Path,
    rank: int,
    source: Source,
) -> str:
    """Return the line that starts a command where its source run was."""
    run_paths = RunPaths(root, source.run, None)
    manifest = documents.try_read(run_paths, "evidence_manifest").value
    host = make_lines.source_host(manifest)
    return make_lines.page_line("next-run", root, f"RANK={rank}", *host)


def _summary(planned: Rows) -> str:
    """Return how many commands there are, and what blocks the first that is blocked."""
    number = terminal.counted(len(planned), "command")
    reasons = []
    for command in planned:
        reasons += command["blocked_by"][:1]
    if not reasons:
        return f"{number}, none blocked"
    blocked = f"{len(reasons)} blocked"
    if len(reasons) == len(planned):
        blocked = _ALL_BLOCKED.get(len(planned), "all blocked")
    return f"{number}, {blocked}: {reasons[0]}"


def _ask_workstation(request: RunRequest, sources: Iterable[Source]) -> RemoteFiles | None:
    """Return which of the needed files the workstation has; None when it does not answer."""
    paths: set[str] = set()
    for source in sources:
        needed = planning.needed_files(source)
        paths.update(needed)
    needed_paths = sorted(paths)
    try:
        workstation = open_workstation(request)
        return workstation.list_files(needed_paths)
    except (Unreachable, Missing, Invalid) as error:
        terminal.error(str(error))
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Write the plan of the workspace's queue."""
    return cli.step_main(
        plan,
        FLAGS,
        argv,
        needs_run=False,
        name="next-run-plan",
    )


if __name__ == "__main__":
    raise SystemExit(main())
