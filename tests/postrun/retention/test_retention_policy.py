"""The retention policy: what it names, and that it cannot name what a step needs."""

from pathlib import Path
from typing import Any

import pytest

import steps
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.retention import policy
from postrun.store import configuration, json_files

RUN = "2026-02-21_031500_production_gates_t"
GATE = "production_gates_2026-02-21_031700"
RUN_PATHS = RunPaths(Path("/srv"), RUN, GATE)
SHARD = f"gate_results/{GATE}/walk_forward_stress/shard_01/momentum/walk_forward_summary.csv"


def with_rule(monkeypatch: pytest.MonkeyPatch, home: str, pattern: str) -> None:
    rule = {"home": home, "pattern": pattern, "why": "nobody reads it"}
    document: dict[str, Any] = {"policy_version": 9, "files": [rule]}
    json_files.check(document, policy.NAME, "policy")
    monkeypatch.setattr(configuration, "load", lambda _: document)


def load() -> policy.Policy:
    return policy.load(steps.needed_artifacts())


@pytest.mark.parametrize(
    ("path", "is_named"),
    [
        (f"audit/workstation_runs/{RUN}/run.log", True),
        (f"audit/workstation_runs/{RUN}/superseded_evidence/1/gate/x.csv", True),
        (SHARD, True),
        (f"audit/workstation_runs/{RUN}/result.json", False),
        (f"audit/workstation_runs/{RUN}/data_quality/run.log", False),
        (f"gate_results/{GATE}/walk_forward_stress/momentum/walk_forward_summary.csv", False),
        # A factor may have the name of a shard.
        (f"gate_results/{GATE}/walk_forward_stress/shard_x/walk_forward_summary.csv", False),
        ("audit/workstation_runs/another/run.log", False),
    ],
)
def test_what_the_shipped_policy_names(path: str, is_named: bool) -> None:
    assert bool(load().why(RUN_PATHS, path)) is is_named


def test_a_run_without_gate_folder_has_no_files_of_one() -> None:
    run_paths = RunPaths(Path("/srv"), RUN, None)
    path = f"audit/workstation_runs/{RUN}/walk_forward_stress/shard_01/f/x.csv"
    assert load().why(run_paths, path) == ""


def needed_files() -> list[str]:
    """Return a file for each artifact that a step opens of every run."""
    files = []
    for name in sorted(steps.needed_artifacts()):
        artifact = ARTIFACTS[name]
        if artifact.home in (Home.RUN, Home.GATE):
            files += [file.replace("*", "x") for file in artifact.files]
    return files


@pytest.mark.parametrize("file", needed_files())
def test_no_policy_names_what_a_step_needs(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rule(monkeypatch, "run", file)
    with pytest.raises(Invalid, match=r"files\[0\].pattern: expected one that cannot mean"):
        load()


@pytest.mark.parametrize(
    ("home", "pattern"),
    [
        ("run", "**"),
        ("run", "*"),
        ("run", "*.json"),
        ("run", "data_quality/**"),
        ("run", "approvals/**"),
        ("run", "closing_record.json"),
        ("run", "monitor_events.jsonl"),
        ("gate", "walk_forward_stress/**"),
        ("gate", "walk_forward_stress/shard_*/**"),
        ("gate", "*.csv"),
        ("gate", "statistical/*/*.csv"),
        ("gate", "production_gates_report.*"),
    ],
)
def test_a_wide_pattern_is_refused(
    home: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rule(monkeypatch, home, pattern)
    with pytest.raises(Invalid, match="name fewer files: a step of this project needs that one"):
        load()


def test_what_no_step_reads_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with_rule(monkeypatch, "gate", "diagnostics/**")
    assert load().version == 9


def test_run_log_may_go_because_the_table_of_steps_says_so() -> None:
    """Where a step opened it of every run, the shipped policy would be refused."""
    needed = steps.needed_artifacts()
    assert "run_log" not in needed
    with pytest.raises(Invalid, match=r"cannot mean run\.log"):
        policy.load(needed | {"run_log"})
