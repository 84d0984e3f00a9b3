"""Rows of the registry: each follows from its run folder and the policy alone."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from postrun.core import disk, locations, step_notes, values
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.decide import approval, gates, scoring
from postrun.decide.check_results import ERROR, FAIL, PASS, SKIPPED
from postrun.store import (
    approvals,
    configuration,
    documents,
    ledger,
    run_folders,
    run_lookup,
    signing_keys,
    tables,
)
from postrun.store.tables import Row, Rows

REGISTRY = "factor_experiment_registry"


@dataclass(frozen=True)
class Policy:
    """The scoring policy and the digest by which a row names it."""

    rules: Row
    digest: str


@dataclass
class Registered:
    """The rows of the registry, and the runs that it lacks."""

    rows: Rows
    errors: dict[str, str] = field(default_factory=dict)  # by run: why it could not be read
    was_recorded: bool = True  # false: made again from the run folders


def load_policy() -> Policy:
    """Return the scoring policy. Raises Missing, Invalid.

    Where it asks for approvals, those whose approval counts belong to it.
    """
    rules = configuration.load("scoring_policy")
    digest = configuration.digest(rules)
    if rules["approval"]["asked"]:
        signers = signing_keys.allowed_signers()
        signers_digest = disk.content_digest(signers)
        digest = configuration.digest([rules, signers_digest])
    return Policy(rules, digest)


def read(root: Path, policy: Policy) -> Registered:
    """Return the registry as it was recorded; else made again from the run folders.

    A table that is made again keeps a row without a run folder when its decision is of the ledger's
    first version: such folders could be moved away.
    """
    rows = tables.read_recorded(root, REGISTRY)
    if rows is not None:
        return Registered(rows)
    made = make_all(root, policy)
    made.was_recorded = False
    present = set(made.errors)
    for row in made.rows:
        present.add(row["run"])
    for row in tables.read_unproven(root, REGISTRY):
        run = row["run"]
        decision = ledger.decision(root, run) or {}
        is_old = decision.get("schema_version") == 1
        if is_old and run not in present:
            made.rows.append(row)
    return made


def make_all(root: Path, policy: Policy) -> Registered:
    """Return the row of every closed run folder. The runs that cannot be read are named."""
    runs = run_folders.list_closed(root)
    read_one = partial(read_run, root)
    with step_notes.unnoted():
        facts, errors = run_folders.read_all(root, runs, read_one)
    rows = []
    for facts_of_run in facts.values():
        row = score_row(root, facts_of_run, policy)
        rows.append(row)
    return Registered(rows, errors)


def read_run(root: Path, run: str) -> Row:
    """Return what follows from the folders of one run. Raises PostRunError."""
    run_dir = root / locations.RUNS / run
    request = RunRequest(root=root, run_dir=run_dir)
    run_paths = run_lookup.locate(request)
    return read_facts(run_paths)


def read_facts(run_paths: RunPaths) -> Row:
    """Return what follows from a run's folders alone. Raises Missing, Invalid."""
    name = run_paths.name
    report = None
    if run_paths.gate:
        report = documents.read(run_paths, "production_gates_report")
    audit = documents.read(run_paths, "governance_audit_check")
    plan = documents.read(run_paths, "governance_remediation_plan")
    detection = documents.read_optional(run_paths, "run_detection") or {}
    counted = report
    # The report of an abandoned run may cover only a part. The run counts as a trial, but its
    # numbers do not count.
    if detection.get("abandoned"):
        counted = None
    overall = gates.overall(counted)
    inputs = gates.inputs(report)
    strategy = inputs.get("strategy")
    answers = {}
    for check in audit["checks"]:
        answers[check["id"]] = check["answer"]
    severities = [item["severity"] for item in plan["items"]]
    failed_gates = [reading.gate for reading in gates.failed(counted)]
    return {
        "run": run_paths.run,
        "decision_tag": audit["decision_tag"],
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": values.text(strategy),
        "owner": audit["owner"],
        "gate_folder": run_paths.gate,
        "overall_pass": values.boolean(overall),
        "audit_passed": audit["passed"],
        "data_quality_passed": answers["data_quality_passed"] == PASS,
        "ledger_row_present": answers["ledger_row_present"] == PASS,
        "high_items": severities.count("High"),
        **scoring.measure(counted),
        "failed_gates": ";".join(failed_gates) or None,
        "failed_checks": _join_checks(answers, FAIL, ERROR),
        "skipped_checks": _join_checks(answers, SKIPPED),
    }


def _join_checks(answers: Row, *kinds: str) -> str | None:
    checks = []
    for check, answer in answers.items():
        if answer in kinds:
            checks.append(check)
    return ";".join(checks) or None


def score_row(root: Path, row: Row, policy: Policy) -> Row:
    """Return a row with its score. Only the row itself is used, and approvals where asked for.

    Raises Missing where approvals cannot be checked.
    """
    rules = policy.rules
    score = scoring.score(row, rules)
    scored = {**row, **score}
    approved = _approved(root, scored, rules["approval"])
    return {
        **scored,
        **approved,
        "policy_version": rules["policy_version"],
        "policy_sha256": policy.digest,
    }


def _approved(root: Path, row: Row, rule: Row) -> Row:
    """Return the decision on a run after its approvals, and what is said about these."""
    decision = row["decision"]
    if not approval.is_asked(decision, rule):
        return {"decision": decision, "approval": None}
    run_paths = RunPaths(root, row["run"], row["gate_folder"])
    # One run whose approvals cannot be read stops no closing of another.
    problem = approvals.why_unreadable(run_paths)
    if problem:
        return {"decision": approval.AWAITING, "approval": problem}
    with step_notes.unnoted():
        owner = approvals.find_owner(row["owner"])
        signed = approvals.read(run_paths, row["owner"])
    decision, explanation = approval.decide(rule, owner, signed)
    return {"decision": decision, "approval": explanation}
