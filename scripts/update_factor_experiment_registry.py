"""Keep the factor experiment registry: one scored row for every closed run, failed or not.

Reads  the run's gate report, context, audit and remediation plan; configs/scoring_policy.json
Writes audit/factor_registry/factor_experiment_registry.csv and factor_experiment_leaderboard.md
Every row follows from its run folder and the policy alone. After a change of the policy every row
is scored again, with a message; --rebuild makes the same table, byte for byte, from the folders.
Cost: one read and one write of the table, which grow with the runs in it; a rebuild reads every run
once, on all cores.
Exit codes: 0 done, 2 usage, 3 no audit or plan yet, 4 an input or the policy is invalid, 9 locked.

    python scripts/update_factor_experiment_registry.py --tag committee_2026-02-21_run4
    python scripts/update_factor_experiment_registry.py --rebuild
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from postrun import cli
from postrun.core import locations, terminal, values
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates, scoring
from postrun.decide.check_results import ERROR, FAIL, PASS, SKIPPED
from postrun.store import (
    configuration,
    json_files,
    page_files,
    run_folders,
    run_lookup,
    tables,
)
from postrun.store.tables import Row

REGISTRY = "factor_experiment_registry"
LEADERBOARD = "factor_experiment_leaderboard"
TOP = 20  # rows of the leaderboard


@dataclass(frozen=True)
class Policy:
    """The scoring policy and the digest by which a row names it."""

    rules: Row
    digest: str


def register(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Add the run's row to the registry, or replace it."""
    policy = _load_policy()
    known = tables.read_table(request.root, REGISTRY)
    rows = {}
    rescored = 0
    for row in known:
        if row["policy_sha256"] != policy.digest:
            row = score_row(row, policy)
            rescored += 1
        # Registries of earlier releases count the overall verdict as a gate.
        failed_gates = _without_overall(row["failed_gates"])
        rows[row["run"]] = {**row, "failed_gates": failed_gates}
    row = score_row(read_facts(run_paths), policy)
    rows[run_paths.run] = row
    written = _write(request.root, rows.values(), known, policy)
    runs = terminal.counted(len(rows), "run")
    summary = f"{row['decision']}, score {row['total']:.1f}; {runs}"
    if rescored:
        again = terminal.counted(rescored, "row")
        summary += f"; the policy changed, {again} scored again"
    return StepResult(summary, written)


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Write the registry from every closed run folder of the workspace, whatever it held before."""
    policy = _load_policy()
    runs = run_folders.list_closed(request.root)
    read_run = partial(_read_facts_of, request.root)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as workers:
        facts = workers.map(read_run, runs, chunksize=64)
        rows = [score_row(row, policy) for row in facts]
    written = _write(request.root, rows, (), policy)
    runs_read = terminal.counted(len(rows), "run")
    return StepResult(f"{runs_read}, from the run folders alone", written)


def _read_facts_of(root: Path, run: str) -> Row:
    run_dir = root / locations.RUNS / run
    request = RunRequest(root=root, run_dir=run_dir)
    return read_facts(run_lookup.locate(request))


def read_facts(run_paths: RunPaths) -> Row:
    """Return what follows from a run's folders alone. Raises Missing, Invalid."""
    name = run_paths.name
    report = None
    if run_paths.gate:
        report = json_files.read_optional(run_paths, "production_gates_report")
    audit = json_files.read(run_paths, "governance_audit_check")
    plan = json_files.read(run_paths, "governance_remediation_plan")
    detection = json_files.read_optional(run_paths, "run_detection") or {}
    # The report of an abandoned run may cover a part only: the run counts as a trial, and measures
    # nothing.
    counted = report
    if detection.get("abandoned"):
        counted = None
    overall = gates.overall(counted)
    inputs = gates.inputs(report)
    answers = {check["id"]: check["answer"] for check in audit["checks"]}
    severities = [item["severity"] for item in plan["items"]]
    failed_gates = [reading.gate for reading in gates.failed(counted)]
    return {
        "run": run_paths.run,
        "decision_tag": audit["decision_tag"],
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": values.text(inputs.get("strategy")),
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


def _without_overall(failed_gates: str | None) -> str | None:
    """Return the failed gates without `overall_pass`, which older registries list last."""
    if failed_gates is None:
        return None
    names = failed_gates.removesuffix(gates.OVERALL)
    return names.removesuffix(";") or None


def score_row(row: Row, policy: Policy) -> Row:
    """Return a row with its score. Only the row itself is used, never its run folder."""
    return {
        **row,
        **scoring.score(row, policy.rules),
        "policy_version": policy.rules["policy_version"],
        "policy_sha256": policy.digest,
    }


def _write(
    root: Path,
    rows: Iterable[Row],
    known: Iterable[Row],
    policy: Policy,
) -> tuple[Path, ...]:
    """Write table and leaderboard."""
    ordered = sorted(rows, key=lambda row: row["run"])
    path = tables.write_table(root, REGISTRY, ordered, known)
    page = locations.workspace_path(root, LEADERBOARD)
    best = sorted(ordered, key=lambda row: (-row["total"], row["run"]))
    facts = {
        "rows": best[:TOP],
        "count": len(ordered),
        "top": TOP,
        "version": policy.rules["policy_version"],
    }
    page_files.write(page, f"{LEADERBOARD}.md", **facts)
    return path, page


def _load_policy() -> Policy:
    rules = configuration.load("scoring_policy")
    return Policy(rules, configuration.digest(rules))


def main(argv: Sequence[str] | None = None) -> int:
    """Register one run, or with --rebuild all of them."""
    return cli.step_main(register, __doc__, argv, rebuild=rebuild)


if __name__ == "__main__":
    raise SystemExit(main())
