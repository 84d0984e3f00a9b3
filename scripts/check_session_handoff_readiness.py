"""Check whether the work can be handed over: whether every document and table exists, is valid and
is current. Show the last runs, the best candidates and the next command.

Reads  configs/handoff.json, its reading list and the docs index; the ledger, registry, queue, plan
       and patterns; which artifacts every run folder has; the newest runs' remediation plans
Writes audit/session_handoff/handoff_readiness.json and .md
Exit codes: 0 ready, 1 not ready (a closing prints that, too, but its exit code is about its run),
2 usage, 4 the policy is invalid, 9 locked.

    python scripts/check_session_handoff_readiness.py
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations, step_notes
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history, planning
from postrun.registry import closed_runs
from postrun.registry.rows import load_policy
from postrun.store import (
    configuration,
    documents,
    known_files,
    ledger,
    ledger_index,
    page_files,
    run_folders,
    tables,
)
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

READINESS, PLAN = "handoff_readiness", "next_run_plan"
REGISTRY, QUEUE = "factor_experiment_registry", "factor_candidate_queue"
PATTERNS = "failure_patterns"
# What every closed run has. One that was begun has these, or its detection.
_CLOSED = ("evidence_manifest", "governance_audit_check", "governance_remediation_plan")
_BEGUN = ("run_detection", *_CLOSED)
# By run folder that lacks some of these, which it has.
Artifacts = dict[str, Sequence[str]]
_RUN_COLUMNS = [
    "run",
    "decision_tag",
    "factor",
    "overall_pass",
    "audit_passed",
    "total",
    "decision",
]
# In SQL. Of a factor only the last run counts: what is to repair in earlier ones is over. A run
# without a factor is followed by none.
_TO_REPAIR = f"""
    high_items > 0 AND (
        factor IS NULL
        OR run IN (SELECT max(run) FROM {REGISTRY} WHERE factor IS NOT NULL GROUP BY factor)
    )
"""
_NEWEST_FIRST = "started DESC, run DESC"
_CANDIDATE_COLUMNS = ["rank", "factor", "priority", "action", "run"]
_SHOWN = 5  # findings of one question that are named
_LINK = re.compile(r"\]\(([^)#\s]+)")


@dataclass(frozen=True)
class Workspace:
    """The workspace on disk. What cannot be read is empty, and `faults` says why."""

    root: Path
    decided: set[str]  # the runs that the ledger decides on
    folders: Sequence[str]
    closed: set[str]  # the folders that were closed as far as the remediation plan
    lacking: Artifacts
    rules: Row
    registry: IndexedTable
    registered: set[str]
    queue: IndexedTable
    patterns: IndexedTable
    plan: Row
    faults: list[str]
    look_at_all: bool  # at every run, also where a closing looks at some in turn

    @property
    def first_command(self) -> Row | None:
        """Return the first command of the plan; None when there is none."""
        return next(iter(self.plan.get("commands", [])), None)


def hand_over(request: RunRequest, _: RunPaths) -> StepResult:
    """Check every question and write the page for whoever takes over. Raises Missing, Invalid."""
    root = request.root
    workspace = _read_workspace(root, request.is_alone)
    points = [_answer(workspace, *question) for question in QUESTIONS]
    failed = [point["id"] for point in points if not point["passed"]]
    document = {"ready": not failed, "points": points, **_next_work(workspace)}
    paths = RunPaths.of_workspace(root)
    document, written = page_files.write_formats(paths, READINESS, document)
    summary = f"ready; all {len(points)} questions answered with yes"
    blockers = (document["next_command"] or {}).get("blocked_by")
    if blockers:
        summary += f", but the next command is blocked: {blockers[0]}"
    if failed:
        summary = f"not ready: {', '.join(failed)}"
    return StepResult(summary, written, passed=not failed)


def _read_workspace(root: Path, look_at_all: bool) -> Workspace:
    faults: list[str] = []

    def attempt(read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except PostRunError as error:
            faults.append(str(error))
            return None

    decided = attempt(ledger.decided_runs, root) or set()
    registry = attempt(_open_checked, root, REGISTRY) or tables.of_rows(root, REGISTRY, [])
    registered = attempt(_registered_runs, registry) or set()
    folders = run_folders.list_folders(root)
    # In a whole closing step 8 has looked at closed runs in turn.
    believed: set[str] = set()
    if not look_at_all:
        believed = registered & (attempt(ledger.audited_runs, root) or set())
        believed.intersection_update(folders)
    artifacts = _find_artifacts(root, sorted(set(folders) - believed))
    closed = {run for run in artifacts if "governance_remediation_plan" in artifacts[run]}
    lacking = {run: names for run, names in artifacts.items() if len(names) < len(_BEGUN)}
    ledger_path = locations.workspace_path(root, "stage_ledger")
    _note(RunPaths.of_workspace(root).relative(ledger_path), decided)
    _note(locations.RUNS, [*folders, *map(repr, lacking.items())])
    return Workspace(
        root=root,
        decided=decided,
        folders=folders,
        closed=believed | closed,
        lacking=lacking,
        rules=configuration.load("handoff"),
        registry=registry,
        registered=registered,
        queue=attempt(_open_checked, root, QUEUE) or tables.of_rows(root, QUEUE, []),
        patterns=attempt(_open_checked, root, PATTERNS) or tables.of_rows(root, PATTERNS, []),
        plan=attempt(documents.read_optional, RunPaths.of_workspace(root), PLAN) or {},
        faults=faults,
        look_at_all=look_at_all,
    )


def _note(path: str, facts: Collection[str]) -> None:
    """Note what is known of the runs as an input of this step."""
    text = "\n".join(sorted(facts))
    digest = disk.content_digest(text.encode(errors="backslashreplace"))
    step_notes.note(path, digest, len(facts))


def _open_checked(root: Path, name: str) -> IndexedTable:
    """Return a table of which every row fits its schema; an empty one when there is none.

    Raises Missing for one that cannot be read, Invalid.
    """
    # The question which artifacts are there names what is not there.
    if not disk.is_present(locations.workspace_path(root, name)):
        return tables.of_rows(root, name, [])
    table = tables.open_existing(root, name)
    tables.note(table)
    tables.check_rows(table)
    return table


def _registered_runs(registry: IndexedTable) -> set[str]:
    return {run for (run,) in registry.ask(f"SELECT run FROM {REGISTRY}")}


def _find_artifacts(root: Path, folders: Sequence[str]) -> Artifacts:
    """Return for each of these run folders which of the artifacts of a closing it has."""
    paths = RunPaths.of_workspace(root)
    names = {paths.path(artifact).name: artifact for artifact in _BEGUN}
    found = run_folders.find_files(root, folders, names.keys())
    artifacts: Artifacts = {}
    for folder, files in found.items():
        artifacts[folder] = [names[file] for file in files]
    return artifacts


def _answer(
    workspace: Workspace, name: str, question: str, expected: str, find: "Find"
) -> dict[str, Any]:
    """Return a question with its answer: yes when nothing was found that speaks against it."""
    try:
        findings = list(find(workspace))
    except PostRunError as error:
        findings = [str(error)]
    observed = "; ".join(findings[:_SHOWN]) or expected
    if len(findings) > _SHOWN:
        observed += f"; and {len(findings) - _SHOWN} more"
    return {
        "id": name,
        "question": question.format(**workspace.rules),
        "passed": not findings,
        "expected": expected,
        "observed": observed,
    }


def _missing_documents(workspace: Workspace) -> Iterator[str]:
    for name in workspace.rules["reading_list"]:
        if not disk.is_file(PROJECT / name):
            yield name


def _documents_not_linked(workspace: Workspace) -> Iterator[str]:
    index = PROJECT / workspace.rules["docs_index"]
    text = (disk.read_optional(index) or b"").decode(errors="replace")
    links = _LINK.findall(text)
    for name in workspace.rules["reading_list"]:
        if name not in links:
            yield name


def _missing_state(workspace: Workspace) -> Iterator[str]:
    for name in workspace.rules["state"]:
        if not disk.is_file(locations.workspace_path(workspace.root, name)):
            yield name


def _not_registered(workspace: Workspace) -> Iterator[str]:
    for run in sorted(workspace.closed - workspace.registered):
        yield f"{run} has no row"
    for run in sorted(workspace.registered - workspace.closed):
        yield f"{run} has a row but no folder"


def _stale_in_queue(workspace: Workspace) -> Iterator[str]:
    current = {
        "made_from_registry_sha256": _digest(workspace.root, REGISTRY),
        "policy_sha256": configuration.digest(configuration.load("candidate_queue_policy")),
        "catalogue_sha256": configuration.digest(configuration.load("governance_checks")),
    }
    for row in workspace.queue.select():
        if any(row[name] != digest for name, digest in current.items()):
            yield f"rank {row['rank']}"
    if not workspace.queue.count() and workspace.registry.count("factor IS NOT NULL"):
        yield "an empty queue"


def _changed_since_plan(workspace: Workspace) -> Iterator[str]:
    made_from = workspace.plan.get("made_from", {})
    for name in (QUEUE, REGISTRY):
        if made_from.get(name) != _digest(workspace.root, name):
            yield name


def _differences_of_patterns(workspace: Workspace) -> Iterator[str]:
    failed = set()
    for row in workspace.registry.select("failed_checks IS NOT NULL"):
        for check in failure_history.split_ids(row["failed_checks"]):
            failed.add((row["run"], check))
    listed = set(workspace.patterns.ask(f'SELECT run, "check" FROM {PATTERNS}'))
    for run, check in sorted(failed ^ listed):
        yield f"{check} of {run}"


def _half_closed(workspace: Workspace) -> Iterator[str]:
    for folder, artifacts in workspace.lacking.items():
        for name in _CLOSED:
            if artifacts and name not in artifacts:
                yield f"{folder} lacks {name}"


def _unknown_command(workspace: Workspace) -> Iterator[str]:
    command = workspace.first_command
    if command is None:
        if workspace.queue.count():
            yield "no planned command"
    elif command["argv"] is None and not command["blocked_by"]:
        yield "a command that cannot run, and no reason"


def _decisions_without_folder(workspace: Workspace) -> Iterator[str]:
    """Yield what decisions and run folders do not agree on.

    Folders of the ledger's first version could be moved away.
    """
    without_folder = sorted(workspace.decided.difference(workspace.folders))
    for run, decision in ledger.decisions(workspace.root, without_folder).items():
        if decision["schema_version"] > 1:
            yield f"row {decision['number']} decides on {run}, which has no folder"
    for run in sorted(workspace.closed - workspace.decided):
        yield f"{run} was closed, and no row decides on it"


def _ledger_faults(workspace: Workspace) -> list[str]:
    if not workspace.look_at_all:
        return ledger.verify(workspace.root)
    with ledger_index.read_whole():
        return ledger.verify(workspace.root)


def _changed_runs(workspace: Workspace) -> Iterator[str]:
    # In a whole closing step 8 has just looked.
    in_turn = None if workspace.look_at_all else 0
    changed = closed_runs.find_changed(
        workspace.root,
        workspace.registry,
        load_policy(),
        in_turn,
    )
    paths = RunPaths.of_workspace(workspace.root)
    for error in changed.errors.values():
        yield paths.without_root(error)
    for run in sorted(changed.rows):
        yield f"the row of {run} does not follow from the run"


Find = Callable[[Workspace], Iterable[str]]
# Id, question, what is expected, and what finds all that speaks against it.
QUESTIONS: tuple[tuple[str, str, str, Find], ...] = (
    (
        "reading_list_present",
        "Is every document of the reading list there?",
        "all there",
        _missing_documents,
    ),
    (
        "reading_list_linked",
        "Does {docs_index} link the whole list?",
        "all linked",
        _documents_not_linked,
    ),
    ("state_present", "Is every state artifact there?", "all there", _missing_state),
    (
        "state_valid",
        "Does every state artifact fit its schema?",
        "all valid",
        lambda workspace: workspace.faults,
    ),
    (
        "registry_current",
        "Has the registry one row for every closed run?",
        "every run",
        _not_registered,
    ),
    (
        "queue_current",
        "Was the queue made from today's registry and policies?",
        "made from them",
        _stale_in_queue,
    ),
    (
        "plan_current",
        "Was the plan made from today's queue and registry?",
        "made from both",
        _changed_since_plan,
    ),
    (
        "patterns_current",
        "Does the pattern table have every failure, and no other?",
        "the same",
        _differences_of_patterns,
    ),
    (
        "no_run_half_closed",
        "Is every run that was begun closed to the end?",
        "all closed",
        _half_closed,
    ),
    (
        "ledger_intact",
        "Is the ledger's chain intact, and its view current?",
        "intact",
        _ledger_faults,
    ),
    (
        "decisions_and_folders_agree",
        "Has every decision its run folder, and every closed run its decision?",
        "the same runs",
        _decisions_without_folder,
    ),
    (
        "runs_as_recorded",
        "Is every run of the registry as it was recorded when it was closed?",
        "as recorded",
        _changed_runs,
    ),
    (
        "next_command_known",
        "Can the first command run, or is its blocker named?",
        "yes",
        _unknown_command,
    ),
)


def _next_work(workspace: Workspace) -> Row:
    """Return what the next person needs to know first."""
    number = workspace.rules["last_runs"]
    last = workspace.registry.select(
        columns=_RUN_COLUMNS,
        order=f"{_NEWEST_FIRST} LIMIT {number}",
    )
    best = workspace.queue.select()[: workspace.rules["top_candidates"]]
    high_items: Rows = []
    to_repair = workspace.registry.select(
        _TO_REPAIR,
        columns=["run"],
        order=_NEWEST_FIRST,
    )
    for row in to_repair:
        high_items += _high_items(workspace.root, row["run"])
    return {
        "last_runs": last,
        "open_high_items": high_items,
        "top_candidates": tables.select(best, _CANDIDATE_COLUMNS),
        "next_command": _next_command(workspace.first_command),
    }


def _high_items(root: Path, run: str) -> Iterator[Row]:
    """Yield the High items of a run's remediation plan; none when it cannot be read.

    One that was changed is the answer to another question.
    """
    plan = None
    with suppress(Invalid):
        plan = documents.try_read(RunPaths(root, run, None), "governance_remediation_plan").value
    for item in (plan or {"items": []})["items"]:
        if item["severity"] == "High":
            yield {"run": run, "check": item["check"], "remedy": item["remedy"]}


def _next_command(command: Row | None) -> Row | None:
    if command is None:
        return None
    selected = {name: command[name] for name in ("rank", "tag", "blocked_by")}
    return {**selected, "line": planning.command_line(command)}


def _digest(root: Path, name: str) -> str | None:
    path = locations.workspace_path(root, name)
    try:
        return known_files.digest(root, path)
    except Missing:
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Check the workspace."""
    return cli.step_main(hand_over, FLAGS, argv, needs_run=False, name="handoff-readiness")


if __name__ == "__main__":
    raise SystemExit(main())
