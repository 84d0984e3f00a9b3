"""Plan the next runs: for each row of the queue what failed, what to try, and the command.

Reads  the candidate queue and the registry; the gate report, context, preflight, data-quality
       report and remediation plan of the run from which each row was made; and asks the workstation
       once
Writes audit/factor_registry/next_run_plan.json and .md
A command repeats the inputs of that run. Only its tag is new: the first committee_<day>_run<N> of
the newest run's day that no run has. The environment of a command (DQ_MIN_ROWS and so on) sets the
data-quality gate as it was in that run. A command that needs something unknown or missing is
blocked, and the plan names what it is.
Exit codes: 0 done, 2 usage, 3 no queue yet, 4 an input is invalid, 9 locked.

    python scripts/generate_next_run_plan.py
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations, run_names, terminal, values
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid, Missing, Unreachable
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import data_settings, gates, planning
from postrun.decide.planning import RemoteFiles, Source
from postrun.remote.workstation import open_workstation
from postrun.store import (
    check_catalogue,
    configuration,
    evidence,
    json_files,
    page_files,
    run_folders,
    tables,
)
from postrun.store.tables import Row, Rows

PLAN = "next_run_plan"
QUEUE = "factor_candidate_queue"
REGISTRY = "factor_experiment_registry"
# In words when one or two commands are all blocked.
_ALL_BLOCKED = {1: "blocked", 2: "both blocked"}


def plan(request: RunRequest, _: RunPaths) -> StepResult:
    """Plan the next runs. Raises Missing, Invalid.

    A workstation that does not answer blocks nothing, but the plan says what was not checked.
    """
    queue = tables.read_existing(request.root, QUEUE)
    registry = tables.read_existing(request.root, REGISTRY)
    sources = [_read_source(request.root, row) for row in queue]
    remote_files = _ask_workstation(request, sources)
    newest = max((row["started"] for row in registry), default="")
    taken = _taken_tags(request.root, registry, remote_files)
    tags = planning.free_tags(newest, taken)
    commands = []
    for row, source in zip(queue, sources, strict=True):
        tag = next(tags)
        command = _make_command(row, source, tag, remote_files)
        commands.append(command)
    made_from = {}
    for name in (QUEUE, REGISTRY):
        table = locations.workspace_path(request.root, name)
        made_from[name] = disk.sha256(table)
    document = {
        "made_from": made_from,
        "workstation_answered": remote_files is not None,
        "commands": commands,
    }
    paths = _write(request.root, document)
    return StepResult(_summary(commands), paths)


def _write(root: Path, document: Row) -> tuple[Path, Path]:
    """Write the plan and its page; return their paths."""
    workspace = RunPaths.of_workspace(root)
    written = json_files.write(workspace, PLAN, document)
    page = workspace.path(PLAN, ".md")
    lines, settings = {}, {}
    for command in written["commands"]:
        rank = command["rank"]
        environment = command["environment"]
        argv = command["argv"] or ()  # None: the command is not known
        full_command = planning.with_environment(argv, environment)
        lines[rank] = shlex.join(full_command)
        variables = planning.assignments(environment)
        settings[rank] = shlex.join(variables)
    page_files.write(page, f"{PLAN}.md", lines=lines, settings=settings, **written)
    return workspace.path(PLAN), page


def _summary(commands: Rows) -> str:
    """Return how many commands there are, and what blocks the first that is blocked."""
    number = terminal.counted(len(commands), "command")
    reasons = []
    for command in commands:
        reasons += command["blocked_by"][:1]
    if not reasons:
        return f"{number}, none blocked"
    blocked = f"{len(reasons)} blocked"
    if len(reasons) == len(commands):
        blocked = _ALL_BLOCKED.get(len(commands), "all blocked")
    return f"{number}, {blocked}: {reasons[0]}"


def _taken_tags(
    root: Path,
    registry: Rows,
    remote_files: RemoteFiles | None,
) -> set[str]:
    """Return the tags that a run has, here or on the workstation."""
    taken = {row["decision_tag"] for row in registry}
    for folder in run_folders.list_folders(root):
        name = run_names.parse_run_name(folder)
        if name is not None:
            taken.add(name.tag)
    if remote_files is not None:
        taken |= remote_files.tags
    return taken


def _read_source(root: Path, row: Row) -> Source:
    """Return what the source run left. What cannot be read is None and blocks later, by name."""
    run_paths = RunPaths(root, row["run"], row["gate_folder"])
    report = None
    if row["gate_folder"]:
        report = _read(run_paths, "production_gates_report")
    context = _read(run_paths, "context")
    return Source(
        run=row["run"],
        report=report,
        context=context,
        preflight=_read(run_paths, "preflight"),
        remediation=_read(run_paths, "governance_remediation_plan"),
        data_quality=_read_data_quality(run_paths, context),
    )


def _read_data_quality(run_paths: RunPaths, context: Any) -> Any:
    """Return the report that the context names; without a context, the newest of the run."""
    named = values.member(context, "data_quality_report_json")
    path = evidence.local_path(locations.RUNS, run_paths.run, named)
    if context is None:
        # The newest, as the launcher takes it: their folders are named by the time.
        folder = run_paths.folder(Home.RUN)
        found = folder.glob("data_quality/*/data_quality_report.json")
        path = max(map(run_paths.relative, found), default=None)
    if path is None:
        return None
    report = run_paths.root / path
    return json_files.try_load(report, "data_quality_report").value


def _read(run_paths: RunPaths, name: str) -> Any:
    # The audit of that run names what is wrong with the file; here it is only unknown.
    return json_files.try_read(run_paths, name).value


def _ask_workstation(request: RunRequest, sources: Iterable[Source]) -> RemoteFiles | None:
    """Return which of the needed files the workstation has; None when it does not answer."""
    paths: set[str] = set()
    for source in sources:
        needed = planning.needed_files(source)
        paths.update(needed)
    try:
        return open_workstation(request).list_files(sorted(paths))
    except (Unreachable, Missing, Invalid) as error:
        terminal.error(str(error))
        return None


def _make_command(
    row: Row,
    source: Source,
    tag: str,
    remote_files: RemoteFiles | None,
) -> Row:
    """Return one planned run."""
    notes = f"{row['action']} after {source.run}"
    argv, unknown = planning.build_command(source, tag, notes)
    files = planning.needed_files(source)
    blocked, unchecked = planning.blockers(files, remote_files)
    failed_gates = list(map(gates.numbers, gates.failed(source.report)))
    return {
        "rank": row["rank"],
        "factor": row["factor"],
        "slot": row["slot"],
        "action": row["action"],
        "priority": row["priority"],
        "source_run": source.run,
        "tag": tag,
        "argv": argv,
        "environment": data_settings.variables(source.data_quality),
        "files": files,
        "blocked_by": [*unknown, *blocked],
        "unchecked": unchecked,
        "failed_gates": failed_gates,
        "high_items": list(_high_items(source)),
        "hypotheses": list(_hypotheses(source, failed_gates)),
    }


def _items(source: Source) -> Rows:
    """Return the items of the source run's remediation plan."""
    if source.remediation is None:
        return []
    items: Rows = source.remediation["items"]
    return items


def _high_items(source: Source) -> Iterator[Row]:
    for item in _items(source):
        if item["severity"] == "High":
            yield {"check": item["check"], "remedy": item["remedy"]}


def _hypotheses(source: Source, failed_gates: Rows) -> Iterator[Row]:
    """Yield what the next run could test: for each failed gate, then for each failed check."""
    of_gates = {}
    rules = configuration.load("gate_hypotheses")
    for entry in rules["gates"]:
        of_gates[entry["gate"]] = entry["hypothesis"]
    for failed in failed_gates:
        gate = failed["gate"]
        if gate in of_gates:
            yield {"about": gate, "hypothesis": of_gates[gate]}
    checks = check_catalogue.checks()
    for item in _items(source):
        check = item["check"]
        if check in checks:
            yield {"about": check, "hypothesis": checks[check].hypothesis}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the plan of the workspace's queue."""
    return cli.step_main(plan, __doc__, argv, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
