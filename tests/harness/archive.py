"""Closed runs without their evidence: registry rows and audits as the steps leave them, made
quickly and in numbers.

Archive(root).close(run_folder("2026-02-21_031500"), "momentum", failed=("exit_code_zero",))
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postrun.core import disk, locations, run_names
from postrun.store import check_catalogue, csv_files, json_files

REGISTRY = "factor_experiment_registry"
CHECKS = check_catalogue.checks()
_METRICS = (
    "test_ic_x1_0",
    "test_ic_x1_5",
    "test_ic_x2_0",
    "wf_mean",
    "wf_pos_ratio",
    "beta",
    "turnover_overlap",
)
_UNMEASURED = (
    *_METRICS,
    "size_corr",
    "industry_coverage",
    "factor_gate_pass",
    "q_value",
    "not_measured",
)


def run_folder(stamp: str, tag: str = "t") -> str:
    return f"{stamp}_production_gates_{tag}"


def registry_row(run: str, factor: str | None = "momentum", **changes: Any) -> dict[str, Any]:
    """Give one whole row: a clean run with score 70; lists (`failed_checks` and the like) are given
    joined by `;`.
    """
    name = run_names.parse_run_name(run)
    assert name is not None
    row: dict[str, Any] = {
        "run": run,
        "decision_tag": name.tag,
        "started": name.stamp,
        "factor": factor,
        "strategy": None,
        "owner": "hui",
        "gate_folder": None,
        "decision": "watchlist_rerun",
        "total": 70.0,
        "quality": 50.0,
        "cost": 10.0,
        "walk_forward": 20.0,
        "risk": 20.0,
        "statistical": 0.0,
        "governance": 20.0,
        "overall_pass": True,
        "audit_passed": True,
        "data_quality_passed": True,
        "ledger_row_present": True,
        "high_items": 0,
        "failed_gates": None,
        "failed_checks": None,
        "skipped_checks": None,
        "policy_version": 1,
        "policy_sha256": "0" * 64,
        **dict.fromkeys(_UNMEASURED),
        **dict.fromkeys(json_files.later_columns(REGISTRY)),
        **changes,
    }
    return {column: row[column] for column in json_files.columns(REGISTRY)}


class Archive:
    """A workspace whose registry grows run by run."""

    def __init__(self, root: Path) -> None:
        disk.DRY_RUN.set(False)  # a --dry-run before this would go on in the same process
        self.root = root
        self.rows: dict[str, dict[str, Any]] = {}

    def close(
        self, run: str, factor: str | None, failed: Sequence[str] = (), skipped: Sequence[str] = ()
    ) -> None:
        """Leave what steps 5, 6 and 8 leave."""
        self.audit(run, factor, failed, skipped)
        self.register(run, factor, failed, skipped)

    def audit(
        self, run: str, factor: str | None, failed: Sequence[str] = (), skipped: Sequence[str] = ()
    ) -> None:
        folder = self.root / locations.RUNS / run
        folder.mkdir(parents=True, exist_ok=True)
        checks = [_answer(check, failed, skipped) for check in CHECKS]
        name = run_names.parse_run_name(run)
        assert name is not None
        document = {
            "schema_version": 1,
            "generated_at": "2026-02-21T12:00:00Z",
            "run_folder": run,
            "gate_folder": None,
            "decision_tag": name.tag,
            "factor": factor,
            "owner": "hui",
            "overall_pass": None,
            "failed_gates": [],
            "passed": not failed and not skipped,
            "checks": checks,
            "not_finite": [],
        }
        json_files.check(document, "governance_audit_check", run)
        (folder / "governance_audit_check.json").write_text(json.dumps(document))
        (folder / "governance_remediation_plan.json").write_text(
            "{}"
        )  # marks the run as closed; nothing here reads it
        (folder / "run_detection.json").write_text("{}")

    def register(
        self, run: str, factor: str | None, failed: Sequence[str] = (), skipped: Sequence[str] = ()
    ) -> None:
        joined = {
            "failed_checks": ";".join(failed) or None,
            "skipped_checks": ";".join(skipped) or None,
        }
        self.put(registry_row(run, factor, audit_passed=not failed, **joined))

    def put(self, *rows: dict[str, Any]) -> None:
        self.rows |= {row["run"]: row for row in rows}
        ordered = [self.rows[run] for run in sorted(self.rows)]
        path = locations.workspace_path(self.root, REGISTRY)
        # Any check of rows: these need none.
        content = csv_files.encode_rows(path, ordered, json_files.columns(REGISTRY), bool)
        disk.replace(path, content)

    def read(self, artifact: str, suffix: str = "") -> bytes:
        return locations.workspace_path(self.root, artifact, suffix).read_bytes()

    def table(self, artifact: str) -> list[dict[str, Any]]:
        return csv_files.read_rows(
            locations.workspace_path(self.root, artifact), json_files.columns(artifact)
        )


def _answer(check: str, failed: Sequence[str], skipped: Sequence[str]) -> dict[str, Any]:
    asked = CHECKS[check]
    answer = "fail" if check in failed else "skipped" if check in skipped else "pass"
    said = {"expected": "yes", "observed": f"{check}: {answer}\nas seen", "evidence": None}
    shown = {
        "id": check,
        "question": asked.question,
        "family": asked.family,
        "severity": asked.severity,
    }
    return {**shown, "answer": answer, **said}
