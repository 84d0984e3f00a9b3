"""The last line of a closing: the verdict, why, what to do next, and the one page to open."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk, locations, terminal
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.decide import approval, scoring, verdicts
from postrun.store import (
    configuration,
    documents,
    ledger,
    make_lines,
    next_action,
    tables,
)
from postrun.store.check_catalogue import SEVERITIES

REVIEW, PLAN = "production_gates_run_review", "governance_remediation_plan"
SUMMARY = "production_gates_final_summary"
REGISTRY, TRIALS = "factor_experiment_registry", "trial_statistics"
_NEXT_RUNS = "next_run_plan"
_MOST_NAMES = 3
# Why luck is not ruled out, where there is no number that says it.
_WITHOUT_CHANCE = {
    verdicts.TOO_FEW_WINDOWS: "too few windows were measured to tell it from luck",
    verdicts.NOT_MEASURED: "nothing says that it is not luck: no series of windows",
    verdicts.NOT_COMPARABLE: "not comparable: its thresholds are weaker than the baseline",
}

Row = dict[str, Any]


@dataclass(frozen=True)
class ClosingLine:
    """What a person reads last. `colour` is that of the verdict."""

    verdict: str
    rest: str
    colour: str

    def __str__(self) -> str:
        """Return the whole line."""
        return f"{self.verdict}{self.rest}"


@dataclass(frozen=True)
class ClosedRun:
    """What ledger, audit and registry say of a closed run; empty for what is not there."""

    request: RunRequest
    run_paths: RunPaths
    decision: Row
    audit: Row
    plan: Row
    registered: Row
    trial: Row

    @property
    def survives(self) -> bool:
        """Return whether luck is ruled out."""
        return self.trial.get("verdict") == verdicts.SURVIVES

    @property
    def audit_passed(self) -> bool | None:
        """Return the audit's answer; None when there is none."""
        return self.audit.get("passed")


def describe(request: RunRequest, run_paths: RunPaths) -> ClosingLine | None:
    """Return the line on a closed run; None without a decision. Raises Missing, Invalid."""
    root, run = run_paths.root, run_paths.run
    decision = ledger.decision(root, run)
    if decision is None:
        return None
    closed = ClosedRun(
        request,
        run_paths,
        decision,
        documents.read_optional(run_paths, "governance_audit_check") or {},
        documents.read_optional(run_paths, PLAN) or {},
        _row_of(root, REGISTRY, run),
        _row_of(root, TRIALS, run),
    )
    verdict, colour = _verdict(closed)
    parts = [_audit(closed)]
    if "decision" in closed.registered:
        parts.append(closed.registered["decision"])
    rest = f"; {'; '.join(parts)}. Next: {_next(closed)}."
    page = _page(run_paths)
    if page is not None:
        rest += f" Open {locations.shown_path(page)}"
    return ClosingLine(f"closed: {verdict}", rest, colour)


def _row_of(root: Path, name: str, run: str) -> Row:
    """Return a run's row of a table; empty when it has none."""
    # One run that is closed early, or a closing of a few steps, has no table yet.
    table = tables.open_recorded(root, name)
    if table is None:
        return {}
    rows = table.select("run = ?", [run])
    return next(iter(rows), {})


def _verdict(closed: ClosedRun) -> tuple[str, str]:
    """Return the result with its reason, and its colour."""
    decision = closed.decision
    if decision["result"] == "fail":
        failed = closed.plan.get("failed_gates") or ()
        # A run that left no report has no gates: the ledger's reasons say what it lacked.
        if not failed:
            return f"FAIL ({'; '.join(decision['reasons'])})", terminal.RED
        gates = [gate["gate"] for gate in failed]
        number = terminal.counted(len(gates), "gate")
        return f"FAIL, {number} ({_named(gates)})", terminal.RED
    if not closed.trial:
        return "PASS", terminal.GREEN
    if closed.survives:
        return f"PASS, and hardly luck: {_chance(closed)}", terminal.GREEN
    why = _WITHOUT_CHANCE.get(closed.trial["verdict"]) or _chance(closed)
    return f"PASS, but it may be luck: {why}", terminal.YELLOW


def _chance(closed: ClosedRun) -> str:
    """Return how often luck alone is as good, and how often it may be."""
    trial = closed.trial
    levels = configuration.load("statistics_policy")["levels"]
    patterns = verdicts.patterns(closed.registered["wf_n"])
    level = levels["decision"]
    chance = terminal.compared_chance(trial["p_family"], patterns, level)
    trials = trial["trials"]
    who = f"the best of {trials} worthless trials" if trials > 1 else "a worthless factor"
    asked = terminal.chance(level)
    text = f"{who} would look this good {chance} of the time (at most {asked} is asked)"
    most = levels["families"]["q"]
    if trial["q"] > most:
        text += f", q among all families {trial['q']:.3g} (at most {most:g} is asked)"
    return text


def _audit(closed: ClosedRun) -> str:
    """Return the audit's answer, with the checks that failed."""
    if closed.audit_passed is None:
        return "audit not made"
    if closed.audit_passed:
        return "audit passed"
    items = closed.plan.get("items") or ()
    counts = []
    for severity in SEVERITIES:
        number = sum(item["severity"] == severity for item in items)
        if number:
            counts.append(f"{number} {severity}")
    if not counts:
        return "audit failed"
    checks = [item["check"] for item in items]
    return f"audit failed ({', '.join(counts)}: {_named(checks)})"


def _named(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    if more > 0:
        shown += f" and {more} more"
    return shown


def _next(closed: ClosedRun) -> str:
    """Return what to do, with the line to type where there is one."""
    request, run_paths = closed.request, closed.run_paths
    # The registry knows more than the ledger: whether luck, or an approval, is in the way.
    action = next_action.after(closed.decision, closed.audit_passed)
    tag = make_lines.value("TAG", closed.decision["decision_tag"])
    if action == next_action.REPAIR:
        page = locations.shown_path(run_paths.path(PLAN, ".md"))
        command = make_lines.make_line("finalize", request, tag)
        return f"repair what {page} lists, then {command}"
    registered = closed.registered.get("decision")
    if registered == approval.AWAITING:
        command = make_lines.make_line("approve", request, tag)
        return f"an approval ({closed.registered['approval']}): {command}"
    is_promoted = registered in (None, scoring.PROMOTE)
    if action == next_action.REVIEW and is_promoted:
        return action
    if action == next_action.START_AGAIN:
        return action
    return _next_run(closed)


def _next_run(closed: ClosedRun) -> str:
    """Return what the plan has for this run's factor: a line to type, or what blocks it."""
    run_paths = closed.run_paths
    workspace = RunPaths.of_workspace(run_paths.root)
    plan = documents.read_optional(workspace, _NEXT_RUNS) or {"commands": []}
    page = locations.shown_path(workspace.path(_NEXT_RUNS, ".md"))
    for command in plan["commands"]:
        if command["source_run"] != run_paths.run:
            continue
        # A planned command repeats its source run: that alone is no new hypothesis.
        what = f"{command['action'].replace('_', ' ')} ({page})"
        if command["blocked_by"]:
            return f"{what}; its rerun is blocked: {command['blocked_by'][0]}"
        rank = f"RANK={command['rank']}"
        line = make_lines.make_line("next-run", closed.request, rank)
        return f"{what}; to run it again unchanged: {line}"
    return f"none for this run; what is planned: {page}"


def _page(run_paths: RunPaths) -> Path | None:
    """Return the page that says the most; None when there is none yet."""
    for name, suffix in ((REVIEW, ".html"), (SUMMARY, ".md")):
        path = run_paths.path(name, suffix)
        if disk.is_file(path):
            return path
    return None
