"""Where things are in a workspace."""

from pathlib import Path

import pytest

from postrun.core import locations
from postrun.core.locations import PROJECT, RunPaths

RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"


@pytest.mark.parametrize(
    ("name", "suffix", "gate", "path"),
    [
        ("result", "", GATE, f"audit/workstation_runs/{RUN}/result.json"),
        ("monitor_events", "", None, f"audit/workstation_runs/{RUN}/monitor_events.jsonl"),
        (
            "governance_audit_check",
            ".md",
            GATE,
            f"audit/workstation_runs/{RUN}/governance_audit_check.md",
        ),
        ("production_gates_report", "", GATE, f"gate_results/{GATE}/production_gates_report.json"),
        (
            "production_gates_run_review",
            ".html",
            GATE,
            f"gate_results/{GATE}/production_gates_run_review.html",
        ),
        (
            "production_gates_run_review",
            "",
            None,
            f"audit/workstation_runs/{RUN}/production_gates_run_review.json",
        ),
        (
            "production_gates_final_summary",
            "",
            None,
            f"audit/workstation_runs/{RUN}/production_gates_final_summary.md",
        ),
        ("stage_ledger", "", None, "audit/stage_ledger.jsonl"),
        ("stage_audit_log", "", GATE, "docs/production_research/STAGE_AUDIT_LOG.md"),
        ("factor_candidate_queue", ".md", None, "audit/factor_registry/factor_candidate_queue.md"),
        ("failure_patterns", "", None, "audit/failure_patterns/failure_patterns.csv"),
        ("handoff_readiness", "", None, "audit/session_handoff/handoff_readiness.json"),
    ],
)
def test_every_artifact_has_its_path(
    tmp_path: Path, name: str, suffix: str, gate: str | None, path: str
) -> None:
    run_paths = RunPaths(tmp_path, RUN, gate)
    assert run_paths.path(name, suffix) == tmp_path / path
    assert run_paths.relative(run_paths.path(name, suffix)) == path


def test_configs_come_with_the_project_whatever_the_workspace(tmp_path: Path) -> None:
    assert RunPaths(tmp_path, RUN, GATE).path("workstation") == PROJECT / "configs/workstation.json"
    assert locations.workspace_path(tmp_path, "handoff") == PROJECT / "configs/handoff.json"
    assert (
        locations.workspace_path(tmp_path, "stage_ledger") == tmp_path / "audit/stage_ledger.jsonl"
    )


def test_a_path_outside_has_no_relative_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="subpath"):
        RunPaths(tmp_path / "workspace", RUN, None).relative(tmp_path / "x")
