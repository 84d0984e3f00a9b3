"""Check whether the work can be handed over: everything present, linked, valid and current, and what comes next.

Reads  configs/handoff.json, its reading list and the docs index; the ledger, registry, queue, plan and patterns; of
       every run folder which artifacts it has, and of the newest runs their remediation plans
Writes audit/session_handoff/handoff_readiness.json and .md
Exit codes: 0 ready, 1 not ready, 2 usage, 4 the policy is invalid, 9 locked.

    python scripts/check_session_handoff_readiness.py
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history, planning
from postrun.store import configuration, json_files, ledger, page_files, run_folders, tables

READINESS, PLAN = "handoff_readiness", "next_run_plan"
REGISTRY, QUEUE = "factor_experiment_registry", "factor_candidate_queue"
PATTERNS = "failure_patterns"
# What every closed run has. One that was begun has these, or its detection.
_CLOSED = ("evidence_manifest", "governance_audit_check", "governance_remediation_plan")
_BEGUN = ("run_detection", *_CLOSED)
_SHOWN = 5  # findings of one question that are named
_LINK = re.compile(r"\]\(([^)#\s]+)")

Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One question of the handoff and its answer."""

    id: str
    question: str
    passed: bool
    expected: str
    observed: str


@dataclass(frozen=True)
class Workspace:
    """The workspace as it is on disk. A table or plan that cannot be read is empty, and `faults` says why."""

    root: Path
    rules: Row
    registry: list[Row]
    queue: list[Row]
    patterns: list[Row]
    plan: Row
    artifacts: dict[str, set[str]]  # run folder -> which of `_BEGUN` it has
    faults: tuple[str, ...]

    @property
    def first_command(self) -> Row | None:
        """Return the first command of the plan; None when there is none."""
        return next(iter(self.plan.get("commands", [])), None)


def hand_over(request: RunRequest, _: RunPaths) -> StepResult:
    """Answer every question and write the page for whoever takes over. Raises Missing, Invalid."""
    workspace = _read_workspace(request.root)
    points = [ask(workspace) for ask in QUESTIONS]
    document = {
        "ready": all(point.passed for point in points),
        "points": [asdict(point) for point in points],
        **_next_work(workspace),
    }
    written = json_files.write(RunPaths.of_workspace(request.root), READINESS, document)
    path = locations.workspace_path(request.root, READINESS)
    page = locations.workspace_path(request.root, READINESS, ".md")
    page_files.write(page, f"{READINESS}.md", **written)
    failed = [point.id for point in points if not point.passed]
    summary = f"ready; all {len(points)} questions answered with yes"
    if failed:
        summary = f"not ready: {', '.join(failed)}"
    return StepResult(summary, (path, page), passed=not failed)


def _read_workspace(root: Path) -> Workspace:
    faults: list[str] = []
    workspace_paths = RunPaths.of_workspace(root)
    registry = _try(faults, _read_checked, root, REGISTRY)
    queue = _try(faults, _read_checked, root, QUEUE)
    patterns = _try(faults, _read_checked, root, PATTERNS)
    plan = _try(faults, json_files.read, workspace_paths, PLAN)
    _try(faults, ledger.read_rows, root)
    return Workspace(
        root=root,
        rules=configuration.load("handoff"),
        registry=registry or [],
        queue=queue or [],
        patterns=patterns or [],
        plan=plan or {},
        artifacts=_list_artifacts(root),
        faults=tuple(faults),
    )


def _try(faults: list[str], read: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `read` returns; None when it cannot, and then the reason is in `faults`."""
    try:
        return read(*arguments)
    except Missing:
        # The question which artifacts are present names it.
        return None
    except PostRunError as error:
        faults.append(str(error))
        return None


def _read_checked(root: Path, name: str) -> list[Row]:
    """Return a table of which every row fits its schema. Raises Invalid."""
    rows = tables.read_table(root, name)
    for row in rows:
        json_files.check(row, name, locations.workspace_path(root, name))
    return rows


def _list_artifacts(root: Path) -> dict[str, set[str]]:
    """Return for each run folder which of the artifacts of a closing it has."""
    paths = RunPaths.of_workspace(root)
    names = {paths.path(artifact).name: artifact for artifact in _BEGUN}
    present = {}
    for folder in run_folders.list_folders(root):
        files = run_folders.list_files(root, folder)
        present[folder] = {names[file] for file in files & names.keys()}
    return present


def _point(id: str, question: str, findings: Sequence[str], expected: str) -> Point:
    """Return the answer to a question: yes when nothing was found that speaks against it."""
    if not findings:
        return Point(id, question, True, expected, expected)
    observed = "; ".join(findings[:_SHOWN])
    if len(findings) > _SHOWN:
        observed += f"; and {len(findings) - _SHOWN} more"
    return Point(id, question, False, expected, observed)


def _reading_present(workspace: Workspace) -> Point:
    question = "Is every document of the reading list there?"
    reading_list = workspace.rules["reading_list"]
    missing = [name for name in reading_list if not (PROJECT / name).is_file()]
    return _point("reading_list_present", question, missing, "all there")


def _reading_linked(workspace: Workspace) -> Point:
    index = PROJECT / workspace.rules["docs_index"]
    question = f"Does {index.name} link the whole list?"
    text = index.read_text(encoding="utf-8") if index.is_file() else ""
    links = set(_LINK.findall(text))
    missing = [name for name in workspace.rules["reading_list"] if name not in links]
    return _point("reading_list_linked", question, missing, "all linked")


def _state_present(workspace: Workspace) -> Point:
    question = "Is every state artifact there?"
    missing = []
    for name in workspace.rules["state"]:
        if not locations.workspace_path(workspace.root, name).is_file():
            missing.append(name)
    return _point("state_present", question, missing, "all there")


def _state_valid(workspace: Workspace) -> Point:
    question = "Does every state artifact fit its schema?"
    return _point("state_valid", question, workspace.faults, "all valid")


def _registry_current(workspace: Workspace) -> Point:
    question = "Has the registry one row for every closed run?"
    closed = set()
    for folder, artifacts in workspace.artifacts.items():
        if "governance_remediation_plan" in artifacts:
            closed.add(folder)
    registered = {row["run"] for row in workspace.registry}
    findings = [f"{run} has no row" for run in sorted(closed - registered)]
    findings += [f"{run} has a row but no folder" for run in sorted(registered - closed)]
    return _point("registry_current", question, findings, "every run")


def _queue_current(workspace: Workspace) -> Point:
    question = "Was the queue made from today's registry and policies?"
    current = {
        "made_from_registry_sha256": _digest(workspace.root, REGISTRY),
        "policy_sha256": configuration.digest(configuration.load("candidate_queue_policy")),
        "catalogue_sha256": configuration.digest(configuration.load("governance_checks")),
    }
    findings = []
    for row in workspace.queue:
        if any(row[name] != digest for name, digest in current.items()):
            findings.append(f"rank {row['rank']}")
    has_factors = any(row["factor"] is not None for row in workspace.registry)
    if has_factors and not workspace.queue:
        findings.append("an empty queue")
    return _point("queue_current", question, findings, "made from them")


def _plan_current(workspace: Workspace) -> Point:
    question = "Was the plan made from today's queue and registry?"
    made_from = workspace.plan.get("made_from", {})
    findings = []
    for name in (QUEUE, REGISTRY):
        if made_from.get(name) != _digest(workspace.root, name):
            findings.append(name)
    return _point("plan_current", question, findings, "made from both")


def _patterns_current(workspace: Workspace) -> Point:
    question = "Does the pattern table have every failure, and no other?"
    failed = set()
    for row in workspace.registry:
        for check in failure_history.split_ids(row["failed_checks"]):
            failed.add((row["run"], check))
    listed = {(row["run"], row["check"]) for row in workspace.patterns}
    findings = [f"{check} of {run}" for run, check in sorted(failed ^ listed)]
    return _point("patterns_current", question, findings, "the same")


def _all_closed(workspace: Workspace) -> Point:
    question = "Is every run that was begun closed to the end?"
    findings = []
    for folder, artifacts in workspace.artifacts.items():
        missing = [name for name in _CLOSED if name not in artifacts]
        if artifacts:
            findings += [f"{folder} lacks {name}" for name in missing]
    return _point("no_run_half_closed", question, findings, "all closed")


def _ledger_intact(workspace: Workspace) -> Point:
    question = "Is the ledger's chain intact, and its view current?"
    return _point("ledger_intact", question, ledger.verify(workspace.root), "intact")


def _command_known(workspace: Workspace) -> Point:
    question = "Can the first command run, or is its blocker named?"
    command = workspace.first_command
    findings = []
    if command is None and workspace.queue:
        findings = ["no planned command"]
    elif command is not None and command["argv"] is None and not command["blocked_by"]:
        findings = ["a command that cannot run, and no reason"]
    return _point("next_command_known", question, findings, "yes")


QUESTIONS: tuple[Callable[[Workspace], Point], ...] = (
    _reading_present,
    _reading_linked,
    _state_present,
    _state_valid,
    _registry_current,
    _queue_current,
    _plan_current,
    _patterns_current,
    _all_closed,
    _ledger_intact,
    _command_known,
)


def _next_work(workspace: Workspace) -> Row:
    """Return what the next person needs to know first."""
    newest = sorted(workspace.registry, key=lambda row: (row["started"], row["run"]), reverse=True)
    last = newest[: workspace.rules["last_runs"]]
    best = workspace.queue[: workspace.rules["top_candidates"]]
    high_items: list[Row] = []
    for row in last:
        high_items += _high_items(workspace.root, row["run"])
    run_columns = (
        "run",
        "decision_tag",
        "factor",
        "overall_pass",
        "audit_passed",
        "total",
        "decision",
    )
    return {
        "last_runs": _select(last, *run_columns),
        "open_high_items": high_items,
        "top_candidates": _select(best, "rank", "factor", "priority", "action", "run"),
        "next_command": _next_command(workspace.first_command),
    }


def _select(rows: Sequence[Row], *columns: str) -> list[Row]:
    selected = []
    for row in rows:
        selected.append({name: row[name] for name in columns})
    return selected


def _high_items(root: Path, run: str) -> Iterator[Row]:
    """Yield the High items of a run's remediation plan; none when it cannot be read."""
    plan = json_files.try_read(RunPaths(root, run, None), "governance_remediation_plan").value
    for item in (plan or {"items": []})["items"]:
        if item["severity"] == "High":
            yield {"run": run, "check": item["check"], "remedy": item["remedy"]}


def _next_command(command: Row | None) -> Row | None:
    if command is None:
        return None
    line = planning.quoted(command["argv"]) if command["argv"] else None
    return {
        "rank": command["rank"],
        "tag": command["tag"],
        "line": line,
        "blocked_by": command["blocked_by"],
    }


def _digest(root: Path, name: str) -> str | None:
    path = locations.workspace_path(root, name)
    return disk.sha256(path) if path.is_file() else None


def main(argv: Sequence[str] | None = None) -> int:
    """Check the workspace."""
    return cli.step_main(hand_over, __doc__, argv, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
