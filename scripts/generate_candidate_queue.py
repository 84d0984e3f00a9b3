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
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import disk, locations
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history, scoring
from postrun.decide.failure_history import Run
from postrun.store import check_catalogue, configuration, csv_files, json_files, page_files
from postrun.store.check_catalogue import Check

QUEUE, REGISTRY, POLICY = (
    "factor_candidate_queue",
    "factor_experiment_registry",
    "candidate_queue_policy",
)
MODES = ("mixed", "robust_only", "exploration_only")
ROBUST, EXPLORATION = "robust", "exploration"
POINTS = (
    *("overall_pass", "audit_passed", "data_quality_passed", "watchlist_rerun", "high_items"),
    *("latest_severity", "latest_family", "earlier_severity", "earlier_family"),
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


def rank(request: RunRequest, _: RunPaths) -> StepResult:
    """Make the queue anew from the registry."""
    source = locations.workspace_path(request.root, REGISTRY)
    if not source.exists():
        raise Missing(
            source,
            "a registry",
            "nothing there",
            "register a run first: make factor-registry TAG=...",
        )
    rules = configuration.load(POLICY)
    mode = request.mode or rules["mode"]
    registry = csv_files.read_rows(source, json_files.columns(REGISTRY))
    found = candidates(registry, rules, check_catalogue.checks())
    queue = choose(found, rules, mode)
    made = {
        "mode": mode,
        "policy_version": rules["policy_version"],
        "policy_sha256": configuration.digest(rules),
        "catalogue_sha256": configuration.digest(configuration.load("governance_checks")),
        "made_from_registry_sha256": disk.sha256(source),
    }
    written = _write(request.root, queue, made, _around(registry, found, queue, rules, mode))
    return StepResult(f"{len(queue)} of {len(found)} factors queued, mode {mode}", written)


def candidates(
    registry: Iterable[Row], rules: Mapping[str, Any], checks: Mapping[str, Check]
) -> list[Row]:
    """Give one candidate per factor, made of its latest run: highest priority first."""
    rows = {row["run"]: row for row in registry}
    parts = failure_history.by_factor(
        failure_history.of_row(row) for row in rows.values() if row["factor"] is not None
    )
    found = [_candidate(rows[runs[-1].run], runs, rules, checks) for runs in parts]
    return sorted(found, key=lambda row: (-row["priority"], -row["total"], row["factor"]))


def _candidate(
    row: Row, runs: Sequence[Run], rules: Mapping[str, Any], checks: Mapping[str, Check]
) -> Row:
    latest, earlier = runs[-1].failed, _earlier(runs)
    points = _points(row, rules)
    for when, counts in (("latest", dict.fromkeys(latest, 1)), ("earlier", earlier)):
        for side in ("severity", "family"):
            points[f"{when}_{side}"] = _lost(counts, side, rules["penalties"][side], checks)
    return {
        **{name: row[name] for name in _COPIED},
        **{f"points_{name}": points[name] for name in POINTS},
        "priority": float(row["total"] + sum(points[name] for name in POINTS)),
        "action": rules["actions"][row["decision"]],
        "latest_failures": ";".join(latest) or None,
        "earlier_failures": ";".join(f"{check}:{count}" for check, count in earlier.items())
        or None,
    }


def _earlier(runs: Sequence[Run]) -> dict[str, int]:
    """Count per check the runs before the latest that failed it, when it is not resolved."""
    counts = {
        pattern.check: sum(run != runs[-1].run for run in pattern.runs)
        for pattern in failure_history.patterns(runs).values()
        if pattern.state != failure_history.RESOLVED
    }
    return {check: count for check, count in sorted(counts.items()) if count}


def _points(row: Row, rules: Mapping[str, Any]) -> dict[str, float]:
    """Give what the run's standing adds, and what its High items take."""
    earned = {
        "overall_pass": row["overall_pass"] is True,
        "audit_passed": row["audit_passed"],
        "data_quality_passed": row["data_quality_passed"],
        "watchlist_rerun": row["decision"] == scoring.WATCH,
    }
    bonuses = {name: float(rules["bonuses"][name] if so else 0) for name, so in earned.items()}
    return {**bonuses, "high_items": 0.0 - rules["penalties"]["high_item"] * row["high_items"]}


def _lost(
    counts: Mapping[str, int], side: str, rule: Mapping[str, float], checks: Mapping[str, Check]
) -> float:
    """Give the points lost on one side (severity or family); a check that is no longer asked costs nothing."""
    asked = {check: count for check, count in counts.items() if check in checks}
    return 0.0 - sum(rule[getattr(checks[check], side)] * count for check, count in asked.items())


def kind(row: Row) -> str:
    """Say which kind of slot a candidate is for."""
    return EXPLORATION if row["decision"] == scoring.RESEARCH else ROBUST


def qualifies(row: Row, rules: Mapping[str, Any]) -> bool:
    """Say whether a candidate's score is enough for its decision."""
    least = rules["least_totals"]
    bounds = [least["any"], least[scoring.RESEARCH] if row["decision"] == scoring.RESEARCH else 0]
    return bool(row["total"] >= max(bounds))


def choose(found: Sequence[Row], rules: Mapping[str, Any], mode: str) -> list[Row]:
    """Fill the slots of a mode from candidates that come highest priority first; the queue has their order.

    A slot that one kind leaves open goes to the other, where the mode has slots for both. When no candidate gets a
    slot, those with the best score go in as exploration.
    """
    slots = rules["modes"][mode]
    room = sum(slots.values())
    able = [row for row in found if qualifies(row, rules) and slots[kind(row)]]
    taken = [
        row
        for name in (ROBUST, EXPLORATION)
        for row in [row for row in able if kind(row) == name][: slots[name]]
    ]
    others = [row for row in able if row not in taken][: room - len(taken)]
    chosen = [{**row, "slot": kind(row), "admitted": "qualified"} for row in taken]
    chosen += [{**row, "slot": kind(row), "admitted": "open_slot"} for row in others]
    if not chosen:
        best = sorted(found, key=lambda row: -row["total"])[:room]
        chosen = [{**row, "slot": EXPLORATION, "admitted": "fallback"} for row in best]
    place = {row["factor"]: number for number, row in enumerate(found)}
    chosen.sort(key=lambda row: place[row["factor"]])
    return [{"rank": number, **row} for number, row in enumerate(chosen, start=1)]


def _around(
    registry: Sequence[Row], found: Sequence[Row], queue: Sequence[Row], rules: Any, mode: str
) -> Row:
    """Gather what the page says beside the queue: who is not in it and why, and what was no candidate."""
    queued = {row["factor"] for row in queue}
    others = [row for row in found if row["factor"] not in queued]
    out = [
        {**row, "qualifies": qualifies(row, rules), "kind": kind(row)} for row in others[:_SHOWN]
    ]
    nameless = sum(row["factor"] is None for row in registry)
    return {
        "left_out": out,
        "more": len(others) - len(out),
        "nameless": nameless,
        "slots": rules["modes"][mode],
    }


def _write(root: Path, queue: Sequence[Row], made: Row, around: Row) -> tuple[Path, ...]:
    path, page = (locations.workspace_path(root, QUEUE, suffix) for suffix in (".csv", ".md"))
    columns = json_files.columns(QUEUE)
    rows = [{name: {**row, **made}[name] for name in columns} for row in queue]
    csv_files.write_rows(
        path, rows, columns, lambda row: json_files.check(row, QUEUE, f"{path}: {row['factor']}")
    )
    page_files.write(page, f"{QUEUE}.md", rows=rows, points=POINTS, **made, **around)
    return path, page


def _add_mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode", choices=MODES, help="which slots there are (default: as the policy says)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Make the queue."""
    return cli.step_main(rank, __doc__, argv, _add_mode, needs_run=False)


if __name__ == "__main__":
    raise SystemExit(main())
