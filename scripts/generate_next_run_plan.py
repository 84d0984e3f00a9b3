"""Turn the queue into commands that can be run: what failed, what to try, and the launcher's command for each.

Reads  the candidate queue and the registry; of each queued row's source run the gate report, context, preflight,
       data-quality report, audit and remediation plan; one look at the workstation
Writes audit/factor_registry/next_run_plan.json and .md
A command is a list of arguments made of the source run's real inputs: nothing in it is made up but the tag, which is
the first free committee_<day>_run<N> of the newest run's day. What is unknown or missing blocks a command, by name.
Exit codes: 0 done, 2 usage, 3 no queue yet, 4 an input is invalid, 9 locked.

    python scripts/generate_next_run_plan.py
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations, run_names, terminal, values
from postrun.core.errors import Missing, Unreachable
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates, planning
from postrun.decide.planning import RemoteFiles
from postrun.remote.workstation import open_workstation
from postrun.store import check_catalogue, configuration, csv_files, json_files, page_files

PLAN, QUEUE, REGISTRY = "next_run_plan", "factor_candidate_queue", "factor_experiment_registry"
Row = Mapping[str, Any]


def plan(request: RunRequest, _: RunPaths) -> StepResult:
    """Plan the next runs. A workstation that does not answer blocks nothing, but the plan says what is unchecked."""
    queue = _table(request.root, QUEUE)
    registry = _table(request.root, REGISTRY)
    sources = [_source(request.root, row) for row in queue]
    remote_files = _survey(
        request, [path for source in sources for path in planning.needed(source)]
    )
    taken = (
        {row["decision_tag"] for row in registry}
        | _local_tags(request.root)
        | (remote_files.tags if remote_files else set())
    )
    tags = planning.free_tags(max((row["started"] for row in registry), default=""), taken)
    commands = [
        _command(row, source, next(tags), remote_files)
        for row, source in zip(queue, sources, strict=True)
    ]
    run_paths = RunPaths.of_workspace(request.root)
    document = {
        "made_from": {
            name: disk.sha256(locations.workspace_path(request.root, name))
            for name in (QUEUE, REGISTRY)
        },
        "workstation_answered": remote_files is not None,
        "commands": commands,
    }
    lying = json_files.write(run_paths, PLAN, document)
    page = locations.workspace_path(request.root, PLAN, ".md")
    lines = {
        command["rank"]: planning.quoted(command["argv"] or ()) for command in lying["commands"]
    }
    page_files.write(page, f"{PLAN}.md", lines=lines, **lying)
    ready = sum(not command["blocked_by"] for command in commands)
    return StepResult(
        f"{len(commands)} commands, {ready} not blocked",
        (locations.workspace_path(request.root, PLAN), page),
    )


def _table(root: Path, name: str) -> list[dict[str, Any]]:
    path = locations.workspace_path(root, name)
    if not path.exists():
        raise Missing(path, "a table", "nothing there", "close a run first: make finalize TAG=...")
    return csv_files.read_rows(path, json_files.columns(name))


def _local_tags(root: Path) -> set[str]:
    names = (run_names.parse_run_name(path.name) for path in (root / locations.RUNS).glob("*"))
    return {name.tag for name in names if name}


def _source(root: Path, row: Row) -> planning.Source:
    """Gather what the source run left; what cannot be read is None and blocks later, by name."""
    run_paths = RunPaths(root, row["run"], row["gate_folder"])
    context = _seek(run_paths, "context")
    return planning.Source(
        run=row["run"],
        report=_seek(run_paths, "production_gates_report") if row["gate_folder"] else None,
        context=context,
        preflight=_seek(run_paths, "preflight"),
        audit=_seek(run_paths, "governance_audit_check"),
        remediation=_seek(run_paths, "governance_remediation_plan"),
    )


def _seek(run_paths: RunPaths, name: str) -> Any:
    # The audit of that run has said what is wrong with the file; here it is only unknown.
    return json_files.try_read(run_paths, name).value


def _survey(request: RunRequest, paths: Sequence[str]) -> RemoteFiles | None:
    """Look once at the workstation; None when it does not answer."""
    try:
        with open_workstation(request) as door:
            return door.list_files(sorted(set(paths)))
    except (Unreachable, Missing) as error:
        terminal.error(str(error))
        return None


def _command(
    row: Row, source: planning.Source, tag: str, remote_files: RemoteFiles | None
) -> dict[str, Any]:
    """Put one planned run together."""
    notes = f"{row['action']} after {source.run}"
    argv, unknown = planning.command(source, tag, notes)
    files = planning.needed(source)
    blocked, unchecked = planning.blockers(files, remote_files)
    return {
        "rank": row["rank"],
        "factor": row["factor"],
        "slot": row["slot"],
        "action": row["action"],
        "priority": row["priority"],
        "source_run": source.run,
        "tag": tag,
        "argv": argv,
        "files": files,
        "blocked_by": [*unknown, *blocked],
        "unchecked": unchecked,
        "failed_gates": list(_failed_gates(source)),
        "high_items": list(_high_items(source)),
        "hypotheses": list(_hypotheses(source)),
    }


def _failed_gates(source: planning.Source) -> Iterator[dict[str, Any]]:
    for reading in gates.readings(source.report) if source.report is not None else ():
        if reading.recomputed is False and reading.gate != gates.OVERALL:
            numbers = {
                name: values.number(getattr(reading, name))
                for name in ("observed", "threshold", "margin")
            }
            yield {
                "gate": reading.gate,
                "metric": reading.metric,
                "comparison": reading.comparison,
                **numbers,
            }


def _high_items(source: planning.Source) -> Iterator[dict[str, Any]]:
    for item in (source.remediation or {"items": []})["items"]:
        if item["severity"] == "High":
            yield {"check": item["check"], "remedy": item["remedy"]}


def _hypotheses(source: planning.Source) -> Iterator[dict[str, Any]]:
    """Give what the next run could test: for each failed gate, then for each failed check."""
    of_gates = {
        row["gate"]: row["hypothesis"] for row in configuration.load("gate_hypotheses")["gates"]
    }
    for failed in _failed_gates(source):
        if failed["gate"] in of_gates:
            yield {"about": failed["gate"], "hypothesis": of_gates[failed["gate"]]}
    checks = check_catalogue.checks()
    for item in (source.remediation or {"items": []})["items"]:
        if item["check"] in checks:
            yield {"about": item["check"], "hypothesis": checks[item["check"]].hypothesis}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step on the workspace's queue."""
    return cli.step_main(plan, __doc__, argv, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
