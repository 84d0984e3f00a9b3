"""Keep the factor experiment registry: one scored row for every run that was closed, failed ones included.

Reads  the run's gate report, context, audit and remediation plan; configs/scoring_policy.json
Writes audit/factor_registry/factor_experiment_registry.csv and factor_experiment_leaderboard.md
Every row is a function of its run folder and of the policy: a changed policy scores every row again (and says so),
and --rebuild makes the table from the run folders alone, byte for byte what the single closings made.
Cost: one read and one write of the table, which grow with the runs in it; a rebuild reads every run once, on all cores.
Exit codes: 0 done, 2 usage, 3 no audit or plan yet, 4 an input or the policy is invalid, 9 locked.

    python scripts/update_factor_experiment_registry.py --tag committee_2026-02-21_run4
    python scripts/update_factor_experiment_registry.py --rebuild
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import locations, run_names, values
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates, scoring
from postrun.store import configuration, csv_files, json_files, page_files, run_lookup

REGISTRY, LEADERBOARD, TOP = "factor_experiment_registry", "factor_experiment_leaderboard", 20
_COSTS = {"test_ic_x1_0": 1.0, "test_ic_x1_5": 1.5, "test_ic_x2_0": 2.0}
_METRICS = tuple(name for name in scoring.Measured.__dataclass_fields__ if name != "cost_ics")

Row = dict[str, Any]


def register(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Put the run's row into the registry."""
    rules, digest = _policy()
    rows = {
        row["run"]: row
        for row in csv_files.read_rows(_path(request.root), json_files.columns(REGISTRY))
    }
    outdated = [run for run, row in rows.items() if row["policy_sha256"] != digest]
    rows = {
        run: _scored(row, rules, digest) if run in outdated else row for run, row in rows.items()
    }
    rows[run_paths.run] = _scored(facts(run_paths), rules, digest)
    written = _write(
        request.root,
        rows.values(),
        changed={run_paths.run, *outdated},
        version=rules["policy_version"],
    )
    row = rows[run_paths.run]
    again = f"; the policy changed, {len(outdated)} rows scored again" if outdated else ""
    return StepResult(
        f"{row['decision']}, score {row['total']:.1f}; {len(rows)} runs{again}", written
    )


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Make the registry anew from every closed run folder of the workspace."""
    rules, digest = _policy()
    folders = sorted(
        path.parent.name
        for path in (request.root / locations.RUNS).glob("*/governance_remediation_plan.json")
    )
    runs = [folder for folder in folders if run_names.parse_run_name(folder)]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as workers:
        found = workers.map(partial(_facts_of, request.root), runs, chunksize=64)
        rows = [_scored(row, rules, digest) for row in found]
    written = _write(request.root, rows, changed=set(runs), version=rules["policy_version"])
    return StepResult(f"{len(rows)} runs, from their folders alone", written)


def _facts_of(root: Path, run: str) -> Row:
    return facts(run_lookup.locate(RunRequest(root=root, run_dir=root / locations.RUNS / run)))


def facts(run_paths: RunPaths) -> Row:
    """Gather what a run's folders say: the part of its row that no policy has a say in. Raises Missing, Invalid."""
    name = run_names.parse_run_name(run_paths.run)
    assert name is not None, "located runs have a run's name"
    report = (
        json_files.read_optional(run_paths, "production_gates_report") if run_paths.gate else None
    )
    ended = not (json_files.read_optional(run_paths, "run_detection") or {}).get("abandoned")
    audit = json_files.read(run_paths, "governance_audit_check")
    plan = json_files.read(run_paths, "governance_remediation_plan")
    given = gates.inputs(report)
    answers = {check["id"]: check["answer"] for check in audit["checks"]}
    counted = (
        report if ended else None
    )  # what a dead run left may be a part: it is a trial, and measures nothing
    readings = gates.readings(counted) if counted is not None else ()
    measured = scoring.measure(counted, tuple(_COSTS.values()))
    return {
        "run": run_paths.run,
        "decision_tag": name.tag,
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": values.text(given.get("strategy")),
        "owner": audit["owner"],
        "gate_folder": run_paths.gate,
        "overall_pass": values.boolean(gates.gates(counted).get(gates.OVERALL)),
        "audit_passed": audit["passed"],
        "data_quality_passed": answers["data_quality_passed"] == "pass",
        "ledger_row_present": answers["ledger_row_present"] == "pass",
        "high_items": sum(item["severity"] == "High" for item in plan["items"]),
        **dict(zip(_COSTS, measured.cost_ics, strict=True)),
        **{metric: getattr(measured, metric) for metric in _METRICS},
        "failed_gates": _joined(found.gate for found in readings if found.recomputed is False),
        "failed_checks": _joined(
            check for check, answer in answers.items() if answer in ("fail", "error")
        ),
        "skipped_checks": _joined(
            check for check, answer in answers.items() if answer == "skipped"
        ),
    }


def _scored(row: Mapping[str, Any], rules: Mapping[str, Any], digest: str) -> Row:
    """Score a row by the policy; only what the facts hold is used, so old rows need no folder to be scored again."""
    multipliers = rules["cost"]["multipliers"]
    by_multiplier = {multiplier: row[column] for column, multiplier in _COSTS.items()}
    costs = tuple(by_multiplier[multiplier] for multiplier in multipliers)
    measured = scoring.Measured(cost_ics=costs, **{metric: row[metric] for metric in _METRICS})
    standing = scoring.Standing(
        overall_pass=row["overall_pass"] is True,
        audit_passed=row["audit_passed"],
        data_quality_passed=row["data_quality_passed"],
        ledger_row_present=row["ledger_row_present"],
        high_items=row["high_items"],
    )
    score = scoring.score(measured, standing, rules)
    parts = (
        "decision",
        "total",
        "quality",
        "cost",
        "walk_forward",
        "risk",
        "statistical",
        "governance",
    )
    made = {
        **row,
        **{part: getattr(score, part) for part in parts},
        "not_measured": _joined(measured.missing(multipliers)),
        "policy_version": rules["policy_version"],
        "policy_sha256": digest,
    }
    return {name: made[name] for name in json_files.columns(REGISTRY)}


def _write(root: Path, rows: Iterable[Row], changed: set[str], version: int) -> tuple[Path, ...]:
    """Write table and leaderboard; only changed rows are held against the schema, the others were when they came."""
    ordered = sorted(rows, key=lambda row: row["run"])
    path, page = _path(root), locations.workspace_path(root, LEADERBOARD)

    def check(row: Row) -> None:
        if row["run"] in changed:
            json_files.check(row, REGISTRY, f"{path}: {row['run']}")

    csv_files.write_rows(path, ordered, json_files.columns(REGISTRY), check)
    best = sorted(ordered, key=lambda row: (-row["total"], row["run"]))[:TOP]
    page_files.write(
        page, f"{LEADERBOARD}.md", rows=best, count=len(ordered), top=TOP, version=version
    )
    return path, page


def _policy() -> tuple[Any, str]:
    rules = configuration.load("scoring_policy")
    return rules, configuration.digest(rules)


def _path(root: Path) -> Path:
    return locations.workspace_path(root, REGISTRY)


def _joined(names: Iterable[str]) -> str | None:
    return ";".join(names) or None


def main(argv: Sequence[str] | None = None) -> int:
    """Register one run, or with --rebuild all of them."""
    return cli.step_main(register, __doc__, argv, rebuild=rebuild)


if __name__ == "__main__":
    raise SystemExit(main())
