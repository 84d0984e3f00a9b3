"""Make planned commands from the queue, the registry and the source runs' files."""

import shlex
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from postrun.core import run_names
from postrun.core.locations import RunPaths
from postrun.decide import approval, data_settings, gates, planning
from postrun.decide.planning import RemoteFiles, Source
from postrun.store import (
    check_catalogue,
    configuration,
    documents,
    run_folders,
)
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows
from postrun.summary import description

PLAN = "next_run_plan"
QUEUE = "factor_candidate_queue"
REGISTRY = "factor_experiment_registry"


def taken_tags(
    root: Path,
    registry: IndexedTable,
    part: str = "",
) -> set[str]:
    """Return the tags with this part that a run in this workspace has."""
    query = f"SELECT decision_tag FROM {registry.name} WHERE instr(decision_tag, ?)"
    tags = registry.ask(query, [part])
    taken = {tag for (tag,) in tags}
    for folder in run_folders.list_folders(root):
        # Thousands of names take time to read.
        if part in folder:
            name = run_names.parse_run_name(folder)
            if name is not None:
                taken.add(name.tag)
    return taken


def free_tags(registry: IndexedTable, taken: AbstractSet[str]) -> Iterator[str]:
    """Yield the tags for the rows of the queue, best first: those of the newest run's day."""
    return planning.free_tags(newest_start(registry), taken)


def newest_start(registry: IndexedTable) -> str:
    """Return the time in the newest run's name; empty when there is no run."""
    newest = registry.value("ifnull(max(started), '')", "TRUE")
    return str(newest)


def read_source(root: Path, row: Row) -> Source:
    """Return what the source run left. What cannot be read is None and blocks later, by name.

    Raises Invalid for a file that was changed since it was recorded.
    """
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
        data_quality=description.read_data_quality(run_paths, context),
    )


def _read(run_paths: RunPaths, name: str) -> Any:
    # The audit of that run names what is wrong with the file; here it is only unknown.
    return documents.try_read(run_paths, name).value


def make_command(
    row: Row,
    source: Source,
    tag: str,
    remote_files: RemoteFiles | None,
) -> Row:
    """Return one planned run."""
    # What repeats a run tests no new hypothesis, whatever the queue asks for.
    changes = planning.differences(source)
    notes = f"repeats {source.run} unchanged"
    if changes:
        notes = f"repeats {source.run} {', '.join(changes)}"
    argv, unknown = planning.build_command(source, tag, notes)
    files = planning.needed_files(source)
    blocked, unchecked = planning.blockers(files, remote_files)
    reasons = [source.problem] if source.problem else [*unknown, *blocked]
    if row["decision"] == approval.AWAITING:
        # A rerun would only be one more trial: the run is good, and a person must say so.
        argv, files, unchecked = None, [], []
        quoted = shlex.quote(row["decision_tag"])
        reasons = [f"it waits for an approval: make approve TAG={quoted}"]
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
        "blocked_by": reasons,
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
