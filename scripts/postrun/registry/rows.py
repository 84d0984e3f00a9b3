"""Rows of the registry: each follows from its run folder and the policy alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from postrun.core import disk, locations, step_notes, values
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.decide import approval, gates, scoring
from postrun.decide.check_results import ERROR, FAIL, PASS, SKIPPED
from postrun.registry import trial_rows, trials
from postrun.store import (
    approvals,
    configuration,
    documents,
    ledger,
    run_folders,
    run_lookup,
    shards,
    signing_keys,
    tables,
)
from postrun.store.shards import Read, Reading
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

REGISTRY = "factor_experiment_registry"


# In SQL: a row that other policies made.
OTHER_POLICY = "policy_sha256 IS NOT ?"
# What other runs may change. All other columns follow from the run and the policy alone.
STANDING = ("verdict", "repeats", "not_reproduced")
_DECIDED = ("decision", "approval", *STANDING)


@dataclass(frozen=True)
class Policy:
    """The scoring policy, the statistics policy, and the digest by which a row names them."""

    rules: Row
    statistics: Row
    digest: str


@dataclass
class Made:
    """The rows that follow from the run folders."""

    rows: Rows
    errors: dict[str, str]  # by run: why it could not be read


@dataclass
class Registered:
    """The registry, and the runs that it lacks."""

    table: IndexedTable
    errors: dict[str, str] = field(default_factory=dict)  # by run: why it could not be read
    was_recorded: bool = True  # false: made again from the run folders
    made_again: int = 0  # how many rows another policy had made

    @property
    def recorded_rows(self) -> Rows:
        """Return the rows of the table as it is recorded; none when they were made again."""
        if self.was_recorded:
            return self.table.select()
        return []


def load_policy() -> Policy:
    """Return the policies. Raises Missing, Invalid.

    Where they ask for approvals, those whose approval counts belong to them.
    """
    rules = configuration.load("scoring_policy")
    statistics = configuration.load("statistics_policy")
    parts = [rules, statistics]
    if rules["approval"]["asked"]:
        signers = signing_keys.allowed_signers()
        signers_digest = disk.content_digest(signers)
        parts.append(signers_digest)
    digest = configuration.digest(parts)
    return Policy(rules, statistics, digest)


def read(root: Path, policy: Policy) -> Registered:
    """Return the registry as it was recorded, when the present policy made every row.

    Else every row is made again from its run folder. A row whose run cannot be read stays, so that
    the trial counts; so does one without a run folder when its decision is of the ledger's first
    version: such folders could be moved away.
    """
    recorded = tables.open_recorded(root, REGISTRY)
    others = 0
    if recorded is not None:
        others = recorded.count(OTHER_POLICY, policy.digest)
        if others == 0:
            return Registered(recorded)
    made = make_all(root, policy)
    present = {row["run"] for row in made.rows}
    if recorded is not None:
        known = recorded.select()
    else:
        known = tables.read_unproven(root, REGISTRY)
        present |= made.errors.keys()
    for row in known:
        run = row["run"]
        if run in present:
            continue
        if run in made.errors or _was_moved_away(root, run):
            kept = score_row(row, policy)
            made.rows.append(kept)
    return Registered(
        tables.of_rows(root, REGISTRY, made.rows),
        made.errors,
        was_recorded=False,
        made_again=others,
    )


def _was_moved_away(root: Path, run: str) -> bool:
    """Return whether a run without a folder was decided on when folders could be moved away."""
    decision = ledger.decision(root, run) or {}
    return decision.get("schema_version") == 1


def make_all(root: Path, policy: Policy) -> Made:
    """Return the row of every closed run folder. The runs that cannot be read are named."""
    read_rows, errors = shards.read_all(root, reading(policy))
    return Made(list(read_rows.values()), errors)


def reading(policy: Policy) -> Reading[Row]:
    """Return how the rows of all closed runs are read, and that a row is JSON as it is."""
    return Reading(
        name="factor-registry",
        list_runs=run_folders.list_closed,
        read=partial(_read_runs, policy),
        to_json=dict,
        from_json=dict,
    )


def _read_runs(policy: Policy, root: Path, runs: Sequence[str]) -> Read[Row]:
    read_one = partial(read_run, root, policy)
    with step_notes.unnoted():
        return run_folders.read_all(root, runs, read_one)


def read_run(root: Path, policy: Policy, run: str) -> Row:
    """Return the row of one run, as it follows from its folders. Raises PostRunError."""
    run_dir = root / locations.RUNS / run
    request = RunRequest(root=root, run_dir=run_dir)
    run_paths = run_lookup.locate(request)
    return make_row(run_paths, policy)


def make_row(run_paths: RunPaths, policy: Policy) -> Row:
    """Return the row of a run: what follows from its folders and the policy alone.

    What follows from other runs, too, is not decided on yet. Raises Missing, Invalid.
    """
    report = None
    if run_paths.gate:
        report = documents.read(run_paths, "production_gates_report")
    detection = documents.read_optional(run_paths, "run_detection") or {}
    counted = report
    # The report of an abandoned run may cover only a part. The run counts as a trial, but its
    # numbers do not count.
    if detection.get("abandoned"):
        counted = None
    row = _governance(run_paths)
    inputs = gates.inputs(report)
    overall = gates.overall(counted)
    strategy = inputs.get("strategy")
    failed_gates = [reading.gate for reading in gates.failed(counted)]
    row |= {
        "strategy": values.text(strategy),
        "overall_pass": values.boolean(overall),
        "failed_gates": ";".join(failed_gates) or None,
        **scoring.measure(counted),
        **trial_rows.read(run_paths, report, counted, policy.statistics),
    }
    return score_row(row, policy)


def _governance(run_paths: RunPaths) -> Row:
    """Return who ran a run, and what its audit and its remediation plan say."""
    audit = documents.read(run_paths, "governance_audit_check")
    plan = documents.read(run_paths, "governance_remediation_plan")
    answers = {}
    for check in audit["checks"]:
        answers[check["id"]] = check["answer"]
    severities = [item["severity"] for item in plan["items"]]
    return {
        "run": run_paths.run,
        "decision_tag": audit["decision_tag"],
        "started": run_paths.name.stamp,
        "factor": audit["factor"],
        "owner": audit["owner"],
        "gate_folder": run_paths.gate,
        "audit_passed": audit["passed"],
        "data_quality_passed": answers["data_quality_passed"] == PASS,
        "ledger_row_present": answers["ledger_row_present"] == PASS,
        "high_items": severities.count("High"),
        "failed_checks": _join_checks(answers, FAIL, ERROR),
        "skipped_checks": _join_checks(answers, SKIPPED),
    }


def _join_checks(answers: Row, *kinds: str) -> str | None:
    checks = []
    for check, answer in answers.items():
        if answer in kinds:
            checks.append(check)
    return ";".join(checks) or None


def undecided(row: Row) -> Row:
    """Return a row without what other runs may change."""
    return {**row, **dict.fromkeys(_DECIDED)}


def score_row(row: Row, policy: Policy) -> Row:
    """Return a row with its score and its family. Only the row and the policy are used."""
    return {
        **undecided(row),
        **scoring.score(row, policy.rules),
        "family": trials.family_of(row["factor"], policy.statistics),
        "policy_version": policy.rules["policy_version"],
        "policy_sha256": policy.digest,
    }


def decide(root: Path, row: Row, policy: Policy) -> Row:
    """Return a row with its decision, once it has its verdict.

    Raises Missing where approvals are asked for and cannot be checked.
    """
    rules = policy.rules
    decision = scoring.decide(row, rules["decisions"])
    if not approval.is_asked(decision, rules["approval"]):
        return {**row, "decision": decision, "approval": None}
    run_paths = RunPaths(root, row["run"], row["gate_folder"])
    # One run whose approvals cannot be read stops no closing of another.
    problem = approvals.why_unreadable(run_paths)
    if problem:
        return {**row, "decision": approval.AWAITING, "approval": problem}
    with step_notes.unnoted():
        owner = approvals.find_owner(row["owner"])
        signed = approvals.read(run_paths, row["owner"])
    decision, explanation = approval.decide(rules["approval"], owner, signed)
    return {**row, "decision": decision, "approval": explanation}
