"""Choose what deserves the next run: the latest run of each factor, by a priority that shows all its parts.

Reads  audit/factor_registry/factor_experiment_registry.csv, configs/candidate_queue_policy.json and, for severity
       and family of failed checks, configs/governance_checks.json
Writes audit/factor_registry/factor_candidate_queue.csv and .md
--mode mixed, robust_only or exploration_only stands in for the policy's mode. A run without a factor is no candidate.
Failures count once per run and check: those of the latest run, and those of earlier runs whose check is not resolved,
that is, no later run of the factor passed it, or it came back. Both come from the registry, not from the pattern
table: that is written after this step, so it lacks this very run when a newer run of the factor was closed before it,
and what it calls open may be resolved by now. The registry is whole by now, so the order of closing has no say.
Exit codes: 0 done, 2 usage, 3 no registry yet, 4 the registry or the policy is invalid, 9 locked.

    python scripts/generate_candidate_queue.py --mode robust_only
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postrun import cli
from postrun.core import disk, locations, terminal
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history, scoring
from postrun.decide.failure_history import RESOLVED, Run
from postrun.store import check_catalogue, configuration, page_files, tables
from postrun.store.check_catalogue import Check

QUEUE, REGISTRY = "factor_candidate_queue", "factor_experiment_registry"
POLICY = "candidate_queue_policy"
MODES = ("mixed", "robust_only", "exploration_only")
ROBUST, EXPLORATION = "robust", "exploration"
POINTS = (
    "overall_pass",
    "audit_passed",
    "data_quality_passed",
    "watchlist_rerun",
    "high_items",
    "latest_severity",
    "latest_family",
    "earlier_severity",
    "earlier_family",
)
_COPIED = (
    "factor",
    "run",
    "decision_tag",
    "started",
    "gate_folder",
    "decision",
    "total",
    "high_items",
)
_SHOWN = 10  # factors left out that the page names

Row = dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """The rules of the queue, the mode that is in force, and the catalogue of checks."""

    rules: Mapping[str, Any]
    mode: str
    checks: Mapping[str, Check]

    @property
    def slots(self) -> Mapping[str, int]:
        """Return how many candidates of each kind the mode takes."""
        slots: Mapping[str, int] = self.rules["modes"][self.mode]
        return slots


def rank(request: RunRequest, _: RunPaths) -> StepResult:
    """Write the queue from the registry. Raises Missing, Invalid."""
    registry = locations.workspace_path(request.root, REGISTRY)
    if not registry.exists():
        hint = "register a run first: make factor-registry TAG=..."
        raise Missing(registry, "a registry", "nothing there", hint)
    rules = configuration.load(POLICY)
    policy = Policy(rules, request.mode or rules["mode"], check_catalogue.checks())
    rows = tables.read_table(request.root, REGISTRY)
    candidates = make_candidates(rows, policy)
    queue = choose(candidates, policy)
    sources = {
        "mode": policy.mode,
        "policy_version": rules["policy_version"],
        "policy_sha256": configuration.digest(rules),
        "catalogue_sha256": configuration.digest(configuration.load("governance_checks")),
        "made_from_registry_sha256": disk.sha256(registry),
    }
    queue = [{**row, **sources} for row in queue]
    path = tables.write_table(request.root, QUEUE, queue)
    page = locations.workspace_path(request.root, QUEUE, ".md")
    facts = {**sources, **_left_out(candidates, queue, policy)}
    facts["nameless"] = sum(row["factor"] is None for row in rows)
    page_files.write(page, f"{QUEUE}.md", rows=queue, points=POINTS, **facts)
    factors = terminal.counted(len(candidates), "factor")
    summary = f"{len(queue)} of {factors} queued, mode {policy.mode}"
    return StepResult(summary, (path, page))


def make_candidates(registry: Iterable[Row], policy: Policy) -> list[Row]:
    """Return one candidate per factor, made of its latest run: highest priority first."""
    rows = {row["run"]: row for row in registry if row["factor"] is not None}
    runs = map(failure_history.from_registry, rows.values())
    candidates = []
    for history in failure_history.by_factor(runs):
        latest = rows[history[-1].run]
        candidates.append(_make_candidate(latest, history, policy))
    return sorted(candidates, key=lambda row: (-row["priority"], -row["total"], row["factor"]))


def _make_candidate(row: Row, history: Sequence[Run], policy: Policy) -> Row:
    """Return a factor as a candidate: `row` is its latest run in the registry, `history` all its runs."""
    latest = history[-1].failed
    earlier = _count_earlier(history)
    points = _standing_points(row, policy.rules)
    for when, counts in (("latest", dict.fromkeys(latest, 1)), ("earlier", earlier)):
        for aspect in ("severity", "family"):
            points[f"{when}_{aspect}"] = _penalty(counts, aspect, policy)
    earlier_failures = [f"{check}:{count}" for check, count in earlier.items()]
    candidate = {name: row[name] for name in _COPIED}
    for name in POINTS:
        candidate[f"points_{name}"] = points[name]
    # The order of adding is part of the result: floats are added as the columns stand.
    candidate["priority"] = float(row["total"] + sum(points[name] for name in POINTS))
    candidate["action"] = policy.rules["actions"][row["decision"]]
    candidate["latest_failures"] = ";".join(latest) or None
    candidate["earlier_failures"] = ";".join(earlier_failures) or None
    return candidate


def _count_earlier(history: Sequence[Run]) -> dict[str, int]:
    """Return per check how many runs before the latest failed it; without the checks that are resolved."""
    latest = history[-1].run
    counts = {}
    for check, pattern in sorted(failure_history.find_patterns(history).items()):
        count = len(set(pattern.runs) - {latest})
        if count and pattern.state != RESOLVED:
            counts[check] = count
    return counts


def _standing_points(row: Row, rules: Mapping[str, Any]) -> dict[str, float]:
    """Return the bonuses of a run, and the penalty for its High items."""
    earned = {
        "overall_pass": row["overall_pass"] is True,
        "audit_passed": row["audit_passed"],
        "data_quality_passed": row["data_quality_passed"],
        "watchlist_rerun": row["decision"] == scoring.WATCH,
    }
    points = {}
    for name, is_earned in earned.items():
        points[name] = float(rules["bonuses"][name] * is_earned)
    points["high_items"] = 0.0 - rules["penalties"]["high_item"] * row["high_items"]
    return points


def _penalty(counts: Mapping[str, int], aspect: str, policy: Policy) -> float:
    """Return the points lost for failures, by severity or family. A check that is no longer asked costs nothing."""
    rule = policy.rules["penalties"][aspect]
    lost = 0.0
    for check, count in counts.items():
        if check in policy.checks:
            lost += rule[getattr(policy.checks[check], aspect)] * count
    return 0.0 - lost


def kind_of_slot(row: Row) -> str:
    """Return which kind of slot a candidate is for."""
    return EXPLORATION if row["decision"] == scoring.RESEARCH else ROBUST


def qualifies(row: Row, rules: Mapping[str, Any]) -> bool:
    """Return whether a candidate's score is high enough for its decision."""
    least = rules["least_totals"]
    required = least["any"]
    if row["decision"] == scoring.RESEARCH:
        required = max(required, least[scoring.RESEARCH])
    return bool(row["total"] >= max(required, 0))


def choose(candidates: Sequence[Row], policy: Policy) -> list[Row]:
    """Fill the slots of the mode from candidates that come highest priority first; the queue has their order.

    A slot that one kind leaves open goes to the other, where the mode has slots for both. When no candidate gets a
    slot, those with the best score go in as exploration.
    """
    admitted = _admit(candidates, policy)
    if not admitted:
        best = sorted(candidates, key=lambda row: -row["total"])
        for row in best[: sum(policy.slots.values())]:
            admitted[row["factor"]] = (EXPLORATION, "fallback")
    queue: list[Row] = []
    for row in candidates:
        if row["factor"] in admitted:
            slot, reason = admitted[row["factor"]]
            place = {"rank": len(queue) + 1, "slot": slot, "admitted": reason}
            queue.append({**row, **place})
    return queue


def _admit(candidates: Sequence[Row], policy: Policy) -> dict[str, tuple[str, str]]:
    """Return the factors that qualify for a slot: its kind, and whether it was left open by the other kind."""
    able = {}
    for row in candidates:
        if qualifies(row, policy.rules) and policy.slots[kind_of_slot(row)]:
            able[row["factor"]] = kind_of_slot(row)
    admitted = {}
    for slot, number in policy.slots.items():
        of_kind = [factor for factor, kind in able.items() if kind == slot]
        for factor in of_kind[:number]:
            admitted[factor] = (slot, "qualified")
    for factor, kind in able.items():
        if len(admitted) < sum(policy.slots.values()):
            admitted.setdefault(factor, (kind, "open_slot"))
    return admitted


def _left_out(candidates: Sequence[Row], queue: Sequence[Row], policy: Policy) -> Row:
    """Return what the page says of the candidates that are not in the queue."""
    queued = {row["factor"] for row in queue}
    others = [row for row in candidates if row["factor"] not in queued]
    shown = []
    for row in others[:_SHOWN]:
        why = {"qualifies": qualifies(row, policy.rules), "kind": kind_of_slot(row)}
        shown.append({**row, **why})
    return {"left_out": shown, "more": len(others) - len(shown), "slots": policy.slots}


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the slots."""
    words = "which slots there are (default: as the policy says)"
    parser.add_argument("--mode", choices=MODES, help=words)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the queue."""
    return cli.step_main(rank, __doc__, argv, add_mode, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
