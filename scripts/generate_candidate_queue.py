"""Choose what deserves the next run: the latest run of each factor, by a priority in parts.

Reads  audit/factor_registry/factor_experiment_registry.csv and, for the windows that a family
       needs, factor_statistics.csv; configs/candidate_queue_policy.json and, for severity and
       family of failed checks, configs/governance_checks.json
Writes audit/factor_registry/factor_candidate_queue.csv and .md
--mode (mixed, robust_only, exploration_only) is used instead of the policy's mode. A run that names
no factor is no candidate. A factor whose latest run lost to luck, or cannot be compared, takes no
slot of the robust kind: another run would be one more trial. Each check that failed costs points:
once for the latest run of the factor, and once for every earlier run that failed it, unless a later
run passed it and none after that failed it again. Failures are read from the registry, which step 8
has just brought up to date, and not from the pattern table, which step 11 writes later: so the
order in which runs are closed does not matter.
Exit codes: 0 done, 2 usage, 3 no registry yet, 4 the registry or the policy is invalid, 9 locked.

    python scripts/generate_candidate_queue.py --mode robust_only
"""

import argparse

from postrun import flags

MODES = ("mixed", "robust_only", "exploration_only")


def add_mode(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the slots."""
    meaning = "which kinds of candidates get a place in the queue (default: the policy's mode)"
    parser.add_argument("--mode", choices=MODES, help=meaning)


FLAGS = flags.ScriptFlags(__doc__, flags.add_target, add_mode)
FLAGS.answer_help(__name__)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from postrun import cli
from postrun.core import terminal
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import failure_history as history
from postrun.decide import scoring, verdicts
from postrun.store import check_catalogue, configuration, page_files, tables
from postrun.store.check_catalogue import Check
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

QUEUE = "factor_candidate_queue"
REGISTRY = "factor_experiment_registry"
FAMILIES = "factor_statistics"
POLICY = "candidate_queue_policy"
ROBUST = "robust"
EXPLORATION = "exploration"
# What is added to the score to make the priority, in the order of the columns `points_<name>`.
PARTS = (
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
# Columns that a candidate has from the registry.
_FROM_REGISTRY = [
    "factor",
    "run",
    "decision_tag",
    "started",
    "gate_folder",
    "decision",
    "verdict",
    "total",
    "high_items",
]
# Of a table with many columns, to read those that count takes a fifth of the time.
_COLUMNS = (
    *_FROM_REGISTRY,
    *("family", "overall_pass", "audit_passed", "data_quality_passed"),
    *("failed_checks", "skipped_checks"),
)
# Another run of these would be one more trial, and mend nothing.
LOSERS = (verdicts.DOES_NOT_SURVIVE, verdicts.NOT_COMPARABLE)
# In SQL: the latest run of each factor, and all runs of those of which any failed a check.
_LATEST = f"""
    run IN (SELECT max(run) FROM {REGISTRY} WHERE factor IS NOT NULL GROUP BY factor)
"""
_WITH_FAILURES = f"""
    factor IN (SELECT factor FROM {REGISTRY} WHERE failed_checks IS NOT NULL)
"""
_MOST_LEFT_OUT = 10  # factors not in the queue that the page lists

Counts = dict[str, int]


@dataclass(frozen=True)
class Policy:
    """The rules of the queue, the mode that is in force, and the catalogue of checks."""

    rules: Row
    mode: str
    checks: Mapping[str, Check]

    @property
    def slots(self) -> Row:
        """Return how many candidates of each kind the mode takes."""
        slots: Row = self.rules["modes"][self.mode]
        return slots


def rank(request: RunRequest, _: RunPaths) -> StepResult:
    """Write the queue from the registry. Raises Missing, Invalid."""
    hint = "register a run first: make factor-registry TAG=..."
    registry = tables.open_existing(request.root, REGISTRY, hint)
    tables.note(registry)
    rules = configuration.load(POLICY)
    mode = request.mode or rules["mode"]
    policy = Policy(rules, mode, check_catalogue.checks())
    # An earlier release wrote no such table: the windows are then not known.
    families = tables.open_table(request.root, FAMILIES)
    tables.note(families)
    candidates = make_candidates(registry, policy, families.select())
    queue = choose(candidates, policy)
    catalogue = configuration.load("governance_checks")
    sources = {
        "mode": policy.mode,
        "policy_version": rules["policy_version"],
        "policy_sha256": configuration.digest(rules),
        "catalogue_sha256": configuration.digest(catalogue),
        "made_from_registry_sha256": registry.digest,
    }
    queued = {row["factor"] for row in queue}
    left_out = []
    for row in candidates:
        if row["factor"] not in queued:
            left_out.append(row)
    for row in queue:
        row.update(sources)
        del row["qualifies"]
    path = tables.write_table(request.root, QUEUE, queue)
    content = {
        "rows": queue,
        "parts": PARTS,
        "left_out": left_out[:_MOST_LEFT_OUT],
        "more": len(left_out[_MOST_LEFT_OUT:]),
        "slots": policy.slots,
        "losers": LOSERS,
        "nameless": registry.count("factor IS NULL"),
        **sources,
    }
    workspace = RunPaths.of_workspace(request.root)
    page = page_files.write(workspace, QUEUE, ".md", content)
    factors = terminal.counted(len(candidates), "factor")
    summary = f"{len(queue)} of {factors} queued, mode {policy.mode}"
    return StepResult(summary, (path, page))


def rank_as_before(request: RunRequest, workspace: RunPaths) -> StepResult:
    """Write the queue in the mode in which it was written before. Raises Missing, Invalid."""
    former = tables.read_unproven(request.root, QUEUE)
    modes = {row["mode"] for row in former}
    # Every row holds the mode of the whole queue.
    if len(modes) == 1:
        mode = modes.pop()
        request = replace(request, mode=mode)
    return rank(request, workspace)


def make_candidates(
    registry: IndexedTable,
    policy: Policy,
    families: Rows,
) -> Rows:
    """Return one candidate per factor, made of its latest run: highest priority first.

    `families` are the rows of their statistics: how many windows each has and needs.
    """
    by_family = {row["family"]: row for row in families}
    histories = {}
    with_failures = registry.select(_WITH_FAILURES, columns=history.COLUMNS)
    for of_factor in history.by_factor(map(history.from_registry, with_failures)):
        histories[of_factor[-1].factor] = of_factor
    candidates = []
    for row in registry.select(_LATEST, columns=_COLUMNS):
        alone = [history.from_registry(row)]
        of_factor = histories.get(row["factor"], alone)
        candidate = _make_candidate(
            row,
            of_factor,
            policy,
        )
        family = by_family.get(row["family"], {})
        for name in ("windows", "windows_needed"):
            candidate[name] = family.get(name)
        candidates.append(candidate)
    return sorted(candidates, key=_sort_key)


def _sort_key(row: Row) -> tuple[float, float, str]:
    return -row["priority"], -row["total"], row["factor"]


def _make_candidate(
    row: Row,
    runs: history.History,
    policy: Policy,
) -> Row:
    """Return a factor as a candidate: `row` is its latest run, `runs` are all its runs."""
    latest = dict.fromkeys(runs[-1].failed, 1)  # each failed in one run, this one
    earlier = _count_earlier(runs)
    points = _points_of_run(row, policy.rules)
    for aspect in ("severity", "family"):
        points[f"latest_{aspect}"] = _penalty(latest, aspect, policy)
        points[f"earlier_{aspect}"] = _penalty(earlier, aspect, policy)
    candidate = {name: row[name] for name in _FROM_REGISTRY}
    # Floats are added in the order of the columns: another order may give another last digit.
    added = 0.0
    for name in PARTS:
        candidate[f"points_{name}"] = points[name]
        added += points[name]
    candidate["priority"] = float(row["total"] + added)
    candidate["action"] = policy.rules["actions"][row["decision"]]
    candidate["latest_failures"] = ";".join(latest) or None
    earlier_failures = [f"{check}:{count}" for check, count in earlier.items()]
    candidate["earlier_failures"] = ";".join(earlier_failures) or None
    candidate["slot"] = ROBUST
    if row["decision"] == scoring.RESEARCH:
        candidate["slot"] = EXPLORATION
    candidate["qualifies"] = qualifies(row, policy.rules)
    return candidate


def _count_earlier(runs: history.History) -> Counts:
    """Return how many runs before the latest failed each check that is not resolved."""
    latest = runs[-1].run
    patterns = history.find_patterns(runs)
    counts = {}
    for check in sorted(patterns):
        pattern = patterns[check]
        earlier_runs = set(pattern.runs) - {latest}
        count = len(earlier_runs)
        if count and pattern.state != history.RESOLVED:
            counts[check] = count
    return counts


def _points_of_run(row: Row, rules: Row) -> dict[str, float]:
    """Return the bonuses of the latest run, and the penalty for its High items."""
    earned = {
        "overall_pass": row["overall_pass"] is True,
        "audit_passed": row["audit_passed"],
        "data_quality_passed": row["data_quality_passed"],
        "watchlist_rerun": row["decision"] == scoring.WATCH,
    }
    points = {}
    for name, is_earned in earned.items():
        points[name] = float(rules["bonuses"][name] * is_earned)
    penalty = rules["penalties"]["high_item"] * row["high_items"]
    points["high_items"] = 0.0 - penalty  # not -penalty, which writes no item as -0.0
    return points


def _penalty(counts: Counts, aspect: str, policy: Policy) -> float:
    """Return the points lost for failed checks by their severity or family, as 0 or less.

    `counts` are the runs that failed each check. One that is no longer asked costs nothing.
    """
    rule = policy.rules["penalties"][aspect]
    lost = 0.0
    for check, count in counts.items():
        if check in policy.checks:
            kind = getattr(policy.checks[check], aspect)
            lost += rule[kind] * count
    return 0.0 - lost


def qualifies(row: Row, rules: Row) -> bool:
    """Return whether a run's score is high enough for its decision."""
    least = rules["least_totals"]
    required = least["any"]
    if row["decision"] == scoring.RESEARCH:
        required = max(required, least[scoring.RESEARCH])
    return bool(row["total"] >= required)


def choose(candidates: Rows, policy: Policy) -> Rows:
    """Return the queue: the slots of the mode, filled with candidates, highest priority first.

    A slot that one kind leaves open goes to a candidate of the other, which keeps its own kind;
    only mixed has slots for both. One that lost to luck takes no slot of the other kind.
    """
    slots = policy.slots
    total = sum(slots.values())
    qualified = [row for row in candidates if row["qualifies"] and slots[row["slot"]] > 0]
    admitted = {}
    for slot, number in slots.items():
        of_kind = [row for row in qualified if row["slot"] == slot]
        for row in of_kind[:number]:
            admitted[row["factor"]] = (slot, "qualified")
    for row in qualified:
        is_loser = row["verdict"] in LOSERS
        if len(admitted) < total and not is_loser:
            place = row["slot"], "open_slot"
            admitted.setdefault(row["factor"], place)
    # Nobody qualifies for the mode: so that research goes on, those with the best score go in as
    # exploration, in every mode, and whether or not they would qualify for another one.
    if not admitted:
        best = sorted(candidates, key=lambda row: -row["total"])
        for row in best[:total]:
            admitted[row["factor"]] = (EXPLORATION, "fallback")
    queue: Rows = []
    for row in candidates:
        factor = row["factor"]
        if factor in admitted:
            slot, reason = admitted[factor]
            rank_number = len(queue) + 1
            position = {"rank": rank_number, "slot": slot, "admitted": reason}
            queue.append({**row, **position})
    return queue


def main(argv: Sequence[str] | None = None) -> int:
    """Write the queue."""
    return cli.step_main(rank, FLAGS, argv, needs_run=False, name="candidate-queue")


if __name__ == "__main__":
    raise SystemExit(main())
