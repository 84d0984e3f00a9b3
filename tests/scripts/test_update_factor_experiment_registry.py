"""The registry: one row per closed run, a function of its folder and the policy."""

import csv
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import post_run_sync_and_finalize as conductor
import update_factor_experiment_registry as registry
from harness import factory
from harness.archive import run_folder
from harness.factory import Documents
from harness.golden import Golden
from harness.workspace import location_flags
from postrun.core import locations, run_names
from postrun.core.locations import RunPaths
from postrun.store import configuration, json_files

NAME = "factor_experiment_registry"


def close(remote: Path, local: Path, tag: str, *more: str) -> int:
    flags = [
        "--tag",
        tag,
        *location_flags(remote, local),
    ]
    return conductor.main([*flags, *more])


def rows(local: Path) -> dict[str, dict[str, str]]:
    with locations.workspace_path(local, NAME).open(newline="") as table:
        return {row["decision_tag"]: row for row in csv.DictReader(table)}


def pages(local: Path) -> tuple[bytes, bytes]:
    leaderboard = locations.workspace_path(local, "factor_experiment_leaderboard")
    return locations.workspace_path(local, NAME).read_bytes(), leaderboard.read_bytes()


def test_a_passing_run_is_scored_in_parts(remote: Path, local: Path) -> None:
    factory.make_run(remote)
    assert close(remote, local, factory.TAG) == 0
    row = rows(local)[factory.TAG]
    parts = [
        float(row[name]) for name in ("cost", "walk_forward", "risk", "statistical", "governance")
    ]
    assert parts == pytest.approx([14.1, 10 + 2.4 + 10, 20, 8, 20])
    assert float(row["total"]) == pytest.approx(sum(parts))
    assert (row["decision"], row["audit_passed"], row["not_measured"]) == (
        "promote_candidate",
        "true",
        "",
    )


def unmeasured(made: Documents) -> None:
    made.report["risk_diagnostics"].update(beta_vs_spy=float("nan"), industry_coverage=None)
    made.report["gates"].update(
        risk_gate_beta_abs=False, risk_gate_industry_coverage=False, overall_pass=False
    )


def crashed(made: Documents) -> None:
    made.report, made.result["exit_code"] = None, 137


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            unmeasured,
            {
                "risk": "8.0",
                "not_measured": "beta;industry_coverage",
                "overall_pass": "false",
                "beta": "",
            },
        ),
        (
            crashed,
            {"quality": "0.0", "overall_pass": "", "gate_folder": "", "factor": "momentum_12_1"},
        ),
    ],
)
def test_what_was_not_measured_earns_nothing(
    remote: Path, local: Path, change: Callable[[Documents], None], told: dict[str, str]
) -> None:
    factory.make_run(remote, change=change)
    close(remote, local, factory.TAG)
    row = rows(local)[factory.TAG]
    assert {name: row[name] for name in told} == told
    assert float(row["total"]) <= 75


def test_failed_checks_are_in_the_row(remote: Path, local: Path) -> None:
    factory.make_run(remote, change=crashed)
    close(remote, local, factory.TAG)
    row = rows(local)[factory.TAG]
    assert row["failed_checks"].split(";") == [
        "report_files_present",
        "report_readable",
        "exit_code_zero",
    ]
    assert "gates_recomputed" in row["skipped_checks"].split(";")
    assert row["high_items"] == "3"


def test_a_changed_policy_scores_every_row_again(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    factory.make_run(remote, tag="a")
    factory.make_run(remote, tag="b", stamp="2026-02-22_010101")
    close(remote, local, "a")
    before = float(rows(local)["a"]["total"])
    changed = {**configuration.load("scoring_policy"), "policy_version": 2}
    changed["statistical"] = {**changed["statistical"], "gate_points": 1}
    load = configuration.load
    monkeypatch.setattr(
        configuration, "load", lambda name: changed if name == "scoring_policy" else load(name)
    )
    close(remote, local, "b")
    assert "the policy changed, 1 row scored again" in capsys.readouterr().err
    assert float(rows(local)["a"]["total"]) == pytest.approx(before - 5)
    assert {row["policy_version"] for row in rows(local).values()} == {"2"}


@pytest.mark.parametrize("spoil", ['{"policy_version": 1', '{"policy_version": 1, "costs": {}}'])
def test_a_policy_with_a_flaw_is_refused(
    remote: Path,
    local: Path,
    spoil: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    factory.make_run(remote)
    close(remote, local, factory.TAG, "--to", "remediation-plan")
    project = tmp_path / "project"
    shutil.copytree(locations.PROJECT / "configs", project / "configs")
    (project / "configs/scoring_policy.json").write_text(spoil)
    monkeypatch.setattr(locations, "PROJECT", project)
    assert registry.main(["--tag", factory.TAG, "--local-root", str(local)]) == 4
    assert "scoring_policy.json" in capsys.readouterr().err
    assert not locations.workspace_path(local, NAME).exists()


def test_an_open_run_is_refused(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry.main(["--tag", "nobody", "--local-root", str(local)]) == 3
    assert "expected a detected run" in capsys.readouterr().err


def mixed(remote: Path, local: Path, count: int) -> list[str]:
    """Close three real runs (good, failing, crashed), then copy their folders under other names."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("good", {}),
        ("weak", {"passing": False}),
        ("dead", {"change": crashed}),
    ]
    made = []
    for number, (tag, options) in enumerate(kinds):
        made.append(
            factory.make_run(remote, tag=tag, stamp=f"2026-01-0{number + 1}_010101", **options)
        )
        close(remote, local, tag, "--to", "remediation-plan")
    folders = []
    for number in range(count):
        source = made[number % 3]
        folder = run_folder(
            f"2025-{1 + number % 12:02d}-{1 + number // 12 % 28:02d}_{number % 24:02d}0101",
            f"m{number}",
        )
        _copy(local, source, folder)
        folders.append(folder)
    return folders


def _copy(local: Path, source: Documents, folder: str) -> None:
    """Give a closed run another name, in its folder and in what the registry reads of it."""
    target = local / locations.RUNS / folder
    target.mkdir()
    name = run_names.parse_run_name(folder)
    assert name is not None
    for artifact in ("run_detection", "governance_audit_check", "governance_remediation_plan"):
        path = RunPaths(local, source.run_folder, None).path(artifact)
        document = json.loads(path.read_text())
        document.update(run_folder=folder, decision_tag=name.tag)
        RunPaths(local, folder, None).path(artifact).write_bytes(json_files.encode(document))


def test_runs_in_any_order_are_the_same_as_a_rebuild(remote: Path, local: Path) -> None:
    folders = mixed(remote, local, 30)
    everything = sorted(path.name for path in (local / locations.RUNS).iterdir())
    request = [*everything]
    random.Random(7).shuffle(request)
    for folder in request:
        assert (
            registry.main(
                ["--run-dir", str(local / locations.RUNS / folder), "--local-root", str(local)]
            )
            == 0
        )
    grown = pages(local)
    assert registry.main(["--rebuild", "--local-root", str(local)]) == 0
    assert pages(local) == grown
    table = rows(local)
    assert len(table) == len(folders) + 3
    assert [row["run"] for row in table.values()] == everything


def test_the_overall_verdict_is_no_failed_gate(remote: Path, local: Path) -> None:
    """Registries of earlier programs list it; closing any run takes it out of every row, as a
    rebuild does.
    """
    factory.make_run(remote, tag="weak", passing=False)
    close(remote, local, "weak")
    assert rows(local)["weak"]["failed_gates"] == "wf_gate_positive_mean;wf_gate_pos_ratio"
    table = locations.workspace_path(local, NAME)
    of_earlier_program = "wf_gate_pos_ratio;overall_pass,"
    table.write_text(table.read_text().replace("wf_gate_pos_ratio,", of_earlier_program))
    assert rows(local)["weak"]["failed_gates"].endswith(";overall_pass")
    factory.make_run(remote, tag="good", stamp="2026-02-22_010101")
    close(remote, local, "good")
    assert rows(local)["weak"]["failed_gates"] == "wf_gate_positive_mean;wf_gate_pos_ratio"
    incremental = pages(local)
    assert registry.main(["--rebuild", "--local-root", str(local)]) == 0
    assert pages(local) == incremental


def test_the_leaderboard_is_the_golden_one(remote: Path, local: Path, golden: Golden) -> None:
    mixed(remote, local, 0)
    registry.main(["--rebuild", "--local-root", str(local)])
    golden("factor_experiment_leaderboard.md", pages(local)[1].decode())


def test_hostile_text_does_no_harm(remote: Path, local: Path) -> None:
    evil = "=cmd()|`<script>alert(1)</script>\nx"

    def change(made: Documents) -> None:
        made.context.update(owner=evil)
        made.report["inputs"].update(factor="=cmd()|x", strategy="@y")

    factory.make_run(remote, change=change)
    close(remote, local, factory.TAG)
    _, page = pages(local)
    row = rows(local)[factory.TAG]
    assert (row["owner"], row["factor"], row["strategy"]) == ("'" + evil, "'=cmd()|x", "'@y")
    assert b"<script>" not in page
    # Each of the three tables has rows of one length.
    for part in page.decode().split("## ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("|")]
        assert len({line.count("|") - line.count("\\|") for line in lines}) == 1
