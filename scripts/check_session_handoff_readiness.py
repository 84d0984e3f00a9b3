"""Say whether the work can change hands: everything there, linked, valid and current, and what comes next.

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
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import planning
from postrun.store import configuration, csv_files, json_files, ledger, page_files

READINESS, PLAN = "handoff_readiness", "next_run_plan"
REGISTRY, QUEUE, PATTERNS = (
    "factor_experiment_registry",
    "factor_candidate_queue",
    "failure_patterns",
)
_CLOSING = (
    "evidence_manifest",
    "governance_audit_check",
    "governance_remediation_plan",
)  # what a closed run has
_LINK = re.compile(r"\]\(([^)#\s]+)")


@dataclass(frozen=True)
class Point:
    """One question of the handoff and its answer."""

    id: str
    question: str
    passed: bool
    expected: str
    observed: str


@dataclass(frozen=True)
class State:
    """The workspace as it lies on disk. A table or plan that cannot be read is empty, and `flaws` says why."""

    root: Path
    rules: dict[str, Any]
    registry: list[dict[str, Any]]
    queue: list[dict[str, Any]]
    patterns: list[dict[str, Any]]
    plan: dict[str, Any]
    flaws: tuple[str, ...]


def hand_over(request: RunRequest, _: RunPaths) -> StepResult:
    """Ask every question, and write the page that one would want to be handed."""
    state = _observe(request.root)
    points = [ask(state) for ask in QUESTIONS]
    document = {
        "ready": all(point.passed for point in points),
        "points": [asdict(point) for point in points],
        **_next(state),
    }
    lying = json_files.write(RunPaths.of_workspace(request.root), READINESS, document)
    path, page = (
        locations.workspace_path(request.root, READINESS),
        locations.workspace_path(request.root, READINESS, ".md"),
    )
    page_files.write(page, f"{READINESS}.md", **lying)
    missed = [point.id for point in points if not point.passed]
    words = (
        f"not ready: {', '.join(missed)}"
        if missed
        else f"ready; {len(points)} questions answered with yes"
    )
    return StepResult(words, (path, page), passed=not missed)


def _observe(root: Path) -> State:
    flaws: list[str] = []
    found = {name: _try(flaws, _table, root, name) or [] for name in (REGISTRY, QUEUE, PATTERNS)}
    plan = _try(flaws, json_files.read, RunPaths.of_workspace(root), PLAN) or {}
    _try(flaws, ledger.read_rows, root)
    return State(
        root,
        configuration.load("handoff"),
        found[REGISTRY],
        found[QUEUE],
        found[PATTERNS],
        plan,
        tuple(flaws),
    )


def _try(flaws: list[str], read: Callable[..., Any], *what: Any) -> Any:
    try:
        return read(*what)
    except Missing:
        return None  # the question about what is there names it
    except PostRunError as error:
        flaws.append(str(error))
        return None


def _table(root: Path, name: str) -> list[dict[str, Any]]:
    """Read a table and hold every row against its schema."""
    path = locations.workspace_path(root, name)
    rows = csv_files.read_rows(path, json_files.columns(name))
    for row in rows:
        json_files.check(row, name, path)
    return rows


def _point(id: str, question: str, wanting: Sequence[str], expected: str) -> Point:
    """Answer yes when nothing is wanting."""
    observed = "; ".join(wanting[:5]) + (
        f"; and {len(wanting) - 5} more" if len(wanting) > 5 else ""
    )
    return Point(id, question, not wanting, expected, observed or expected)


def _reading_there(state: State) -> Point:
    wanting = [name for name in state.rules["reading_list"] if not (PROJECT / name).is_file()]
    return _point(
        "reading_list_present", "Is every document of the reading list there?", wanting, "all there"
    )


def _reading_linked(state: State) -> Point:
    index = PROJECT / state.rules["docs_index"]
    links = set(_LINK.findall(index.read_text(encoding="utf-8"))) if index.is_file() else set()
    wanting = [name for name in state.rules["reading_list"] if name not in links]
    return _point(
        "reading_list_linked", f"Does {index.name} link the whole list?", wanting, "all linked"
    )


def _state_there(state: State) -> Point:
    wanting = [
        name
        for name in state.rules["state"]
        if not locations.workspace_path(state.root, name).is_file()
    ]
    return _point("state_present", "Is every state artifact there?", wanting, "all there")


def _state_valid(state: State) -> Point:
    return _point(
        "state_valid", "Does every state artifact fit its schema?", state.flaws, "all valid"
    )


def _registry_complete(state: State) -> Point:
    closed = {path.parent.name for path in _runs(state.root, "governance_remediation_plan")}
    known = {row["run"] for row in state.registry}
    wanting = [f"{run} has no row" for run in sorted(closed - known)]
    wanting += [f"{run} has a row but no folder" for run in sorted(known - closed)]
    return _point(
        "registry_current", "Has the registry one row for every closed run?", wanting, "every run"
    )


def _queue_current(state: State) -> Point:
    today = {
        "made_from_registry_sha256": _digest(state.root, REGISTRY),
        "policy_sha256": configuration.digest(configuration.load("candidate_queue_policy")),
        "catalogue_sha256": configuration.digest(configuration.load("governance_checks")),
    }
    wanting = [
        f"rank {row['rank']}"
        for row in state.queue
        if any(row[name] != today[name] for name in today)
    ]
    if not state.queue and any(row["factor"] is not None for row in state.registry):
        wanting.append("an empty queue")
    return _point(
        "queue_current",
        "Was the queue made from today's registry and policies?",
        wanting,
        "made from them",
    )


def _plan_current(state: State) -> Point:
    made_from = state.plan.get("made_from", {})
    wanting = [
        name for name in (QUEUE, REGISTRY) if made_from.get(name) != _digest(state.root, name)
    ]
    return _point(
        "plan_current",
        "Was the plan made from today's queue and registry?",
        wanting,
        "made from both",
    )


def _patterns_current(state: State) -> Point:
    failed = {
        (row["run"], check)
        for row in state.registry
        for check in (row["failed_checks"] or "").split(";")
        if check
    }
    known = {(row["run"], row["check"]) for row in state.patterns}
    wanting = [f"{check} of {run}" for run, check in sorted(failed ^ known)]
    return _point(
        "patterns_current",
        "Does the pattern table have every failure, and no other?",
        wanting,
        "the same",
    )


def _all_closed(state: State) -> Point:
    begun = {
        path.parent
        for artifact in ("run_detection", *_CLOSING)
        for path in _runs(state.root, artifact)
    }
    wanting = [
        f"{folder.name} lacks {artifact}"
        for folder in sorted(begun)
        for artifact in _CLOSING
        if not RunPaths(state.root, folder.name, None).path(artifact).is_file()
    ]
    return _point(
        "no_run_half_closed",
        "Is every run that was begun closed to the end?",
        wanting,
        "all closed",
    )


def _chain_intact(state: State) -> Point:
    return _point(
        "ledger_intact",
        "Is the ledger's chain intact, and its view current?",
        ledger.verify(state.root),
        "intact",
    )


def _command_ready(state: State) -> Point:
    first = next(iter(state.plan.get("commands", [])), None)
    wanting = []
    if first is None:
        wanting = ["no planned command"] if state.queue else []
    elif first["argv"] is None and not first["blocked_by"]:
        wanting = ["a command that cannot run, and no reason"]
    return _point(
        "next_command_known", "Can the first command run, or is its blocker named?", wanting, "yes"
    )


QUESTIONS: tuple[Callable[[State], Point], ...] = (
    _reading_there,
    _reading_linked,
    _state_there,
    _state_valid,
    _registry_complete,
    _queue_current,
    _plan_current,
    _patterns_current,
    _all_closed,
    _chain_intact,
    _command_ready,
)


def _next(state: State) -> dict[str, Any]:
    """Gather what the next person wants to know first."""
    newest = sorted(state.registry, key=lambda row: (row["started"], row["run"]), reverse=True)
    last = newest[: state.rules["last_runs"]]
    best = state.queue[: state.rules["top_candidates"]]
    shown = ("run", "decision_tag", "factor", "overall_pass", "audit_passed", "total", "decision")
    ranked = ("rank", "factor", "priority", "action", "run")
    return {
        "last_runs": [{name: row[name] for name in shown} for row in last],
        "open_high_items": [item for row in last for item in _high_items(state.root, row["run"])],
        "top_candidates": [{name: row[name] for name in ranked} for row in best],
        "next_command": _first_command(state),
    }


def _high_items(root: Path, run: str) -> Iterator[dict[str, str]]:
    plan = json_files.try_read(RunPaths(root, run, None), "governance_remediation_plan").members
    for item in plan.get("items", []):
        if item["severity"] == "High":
            yield {"run": run, "check": item["check"], "remedy": item["remedy"]}


def _first_command(state: State) -> dict[str, Any] | None:
    first = next(iter(state.plan.get("commands", [])), None)
    if first is None:
        return None
    line = planning.quoted(first["argv"]) if first["argv"] else None
    return {
        "rank": first["rank"],
        "tag": first["tag"],
        "line": line,
        "blocked_by": first["blocked_by"],
    }


def _runs(root: Path, artifact: str) -> list[Path]:
    assert ARTIFACTS[artifact].home is Home.RUN
    return list((root / locations.RUNS).glob(f"*/{RunPaths(root, 'x', None).path(artifact).name}"))


def _digest(root: Path, name: str) -> str | None:
    path = locations.workspace_path(root, name)
    return disk.sha256(path) if path.is_file() else None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step on the workspace."""
    return cli.step_main(hand_over, __doc__, argv, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
