"""The handoff: each question can say no, and says why."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import check_session_handoff_readiness as handoff
import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import watch_runs
from harness import factory
from harness.golden import Golden
from postrun.core import locations
from postrun.store import configuration


def close(remote: Path, local: Path, tag: str, *more: str) -> int:
    return conductor.main(
        ["--tag", tag, "--remote-root", str(remote), "--local-root", str(local), *more]
    )


@pytest.fixture
def closed(remote: Path, local: Path) -> Path:
    """Give a workspace with one closed run."""
    factory.make_run(remote)
    assert close(remote, local, factory.TAG) == 0
    return local


def readiness(local: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        locations.workspace_path(local, "handoff_readiness").read_text()
    )
    return document


def missed(local: Path) -> dict[str, str]:
    return {
        point["id"]: point["observed"]
        for point in readiness(local)["points"]
        if not point["passed"]
    }


def add_line(local: Path, name: str) -> None:
    path = locations.workspace_path(local, name)
    path.write_bytes(path.read_bytes() + b"\n")
    forget_record(local)


def take_away(local: Path, name: str) -> None:
    path = locations.workspace_path(local, name)
    path.rename(path.with_suffix(".away"))


def change_text(local: Path, name: str, old: str, new: str) -> None:
    path = locations.workspace_path(local, name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget_record(local)


def forget_record(local: Path) -> None:
    """Leave a workspace as earlier releases did: no record says what its tables must be."""
    locations.workspace_path(local, "workspace_record").unlink(missing_ok=True)


def edit(local: Path) -> None:
    """Change a table of which a record says what it must be."""
    path = locations.workspace_path(local, "factor_experiment_registry")
    path.write_text(path.read_text().replace(",promote_", ",watchlist_"))


def remove_run(local: Path) -> None:
    (run,) = (local / locations.RUNS).iterdir()
    run.rename(local / "elsewhere")


def change_report(local: Path) -> None:
    for report in local.glob("gate_results/*/production_gates_report.json"):
        report.write_bytes(report.read_bytes() + b" ")


def other_policy(local: Path, name: str) -> None:
    """Have the queue made by a policy that is not today's."""
    change_text(
        local, "factor_candidate_queue", configuration.digest(configuration.load(name)), "0" * 64
    )


def half_close(local: Path) -> None:
    folder = local / locations.RUNS / "2026-03-01_010101_production_gates_half"
    folder.mkdir()
    (folder / "evidence_manifest.json").write_text("{}")


def unregistered(local: Path) -> None:
    folder = local / locations.RUNS / "2026-03-01_010101_production_gates_new"
    folder.mkdir()
    for name in ("evidence_manifest", "governance_audit_check", "governance_remediation_plan"):
        (folder / f"{name}.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "point", "words"),
    [
        (
            lambda local: take_away(local, "failure_pattern_summary"),
            "state_present",
            "failure_pattern_summary",
        ),
        (
            lambda local: change_text(local, "factor_experiment_registry", ",promote_", ",buy_"),
            "state_valid",
            "buy_",
        ),
        (
            lambda local: change_text(local, "next_run_plan", '"argv"', '"args"'),
            "state_valid",
            "next_run_plan",
        ),
        (unregistered, "registry_current", "2026-03-01_010101_production_gates_new has no row"),
        (lambda local: add_line(local, "factor_experiment_registry"), "queue_current", "rank 1"),
        (lambda local: other_policy(local, "candidate_queue_policy"), "queue_current", "rank 1"),
        (lambda local: other_policy(local, "governance_checks"), "queue_current", "rank 1"),
        (
            lambda local: add_line(local, "factor_candidate_queue"),
            "plan_current",
            "factor_candidate_queue",
        ),
        (
            lambda local: add_line(local, "factor_experiment_registry"),
            "plan_current",
            "factor_experiment_registry",
        ),
        (edit, "state_valid", "expected the file that workspace_record.json lists"),
        (remove_run, "decisions_and_folders_agree", "row 1 decides on "),
        (unregistered, "decisions_and_folders_agree", "was closed, and no row decides on it"),
        (change_report, "runs_as_recorded", "expected the file that evidence_manifest.json lists"),
        (half_close, "no_run_half_closed", "half lacks governance_audit_check"),
        (
            lambda local: change_text(local, "stage_ledger", '"owner": "hui"', '"owner": "bo"'),
            "ledger_intact",
            "digest",
        ),
        (
            lambda local: take_away(local, "next_run_plan"),
            "next_command_known",
            "no planned command",
        ),
    ],
)
def test_each_question_can_say_no(
    closed: Path,
    spoil: Callable[[Path], None],
    point: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(closed)
    assert handoff.main(["--local-root", str(closed)]) == 1
    assert words in missed(closed)[point]
    assert point in capsys.readouterr().err


@pytest.mark.parametrize("program", [conductor, monitor_then_finalize, watch_runs])
def test_a_run_that_is_half_closed_changes_no_other_runs_exit_code(
    program: ModuleType, remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = f"{factory.TAG}.{os.getpid()}"  # of this test alone: processes are looked for by it
    factory.make_run(remote, tag=tag)
    (local / locations.RUNS).mkdir(parents=True)
    half_close(local)
    flags = ["--remote-root", str(remote), "--local-root", str(local)]
    if program is not conductor:
        flags += ["--interval", "0.1", "--grace", "0.1"]
    if program is watch_runs:
        flags.append("--all")
    else:
        flags += ["--tag", tag]
    assert program.main(flags) == 0
    assert "not ready: " in capsys.readouterr().err
    assert "lacks" in missed(local)["no_run_half_closed"]
    assert handoff.main(["--local-root", str(local)]) == 1


def test_a_pattern_that_is_missing_is_named(remote: Path, local: Path) -> None:
    factory.make_run(remote, change=lambda made: made.result.update(exit_code=3))
    close(remote, local, factory.TAG)
    path = locations.workspace_path(local, "failure_patterns")
    path.write_text(path.read_text().splitlines()[0] + "\n")
    forget_record(local)
    assert handoff.main(["--local-root", str(local)]) == 1
    assert "exit_code_zero of" in missed(local)["patterns_current"]


@pytest.mark.parametrize(
    ("document", "point"),
    [("docs/nothing.md", "reading_list_present"), ("pyproject.toml", "reading_list_linked")],
)
def test_the_reading_list_is_held_against_the_documents(
    closed: Path, document: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = configuration.load
    changed = {**load("handoff"), "reading_list": [document]}
    monkeypatch.setattr(
        configuration, "load", lambda name: changed if name == "handoff" else load(name)
    )
    assert handoff.main(["--local-root", str(closed)]) == 1
    assert missed(closed)[point] == document


def test_a_name_that_no_file_can_have_is_an_answer(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = configuration.load
    changed = {**load("handoff"), "reading_list": ["x" * 5000]}
    monkeypatch.setattr(
        configuration, "load", lambda name: changed if name == "handoff" else load(name)
    )
    assert handoff.main(["--local-root", str(closed)]) == 1
    assert "File name too long" in missed(closed)["reading_list_present"]


def test_a_clean_workspace_is_ready_and_says_what_comes_next(closed: Path) -> None:
    document = readiness(closed)
    assert document["ready"] is True
    assert [run["decision_tag"] for run in document["last_runs"]] == [factory.TAG]
    assert document["open_high_items"] == []
    assert document["top_candidates"][0]["factor"] == "momentum_12_1"
    assert document["next_command"]["tag"] == "committee_2026-02-21_run1"
    assert document["next_command"]["blocked_by"], (
        "the factory's workstation has no launcher, and that is named"
    )


def test_open_high_items_are_shown(remote: Path, local: Path) -> None:
    factory.make_run(remote, change=lambda made: made.result.update(exit_code=3))
    close(remote, local, factory.TAG)
    assert [item["check"] for item in readiness(local)["open_high_items"]] == ["exit_code_zero"]


def test_an_empty_workspace_is_not_ready(local: Path) -> None:
    assert handoff.main(["--local-root", str(local)]) == 1
    assert "state_present" in missed(local)


def test_the_page_is_the_golden_one(closed: Path, golden: Golden) -> None:
    page = locations.workspace_path(closed, "handoff_readiness", ".md").read_text()
    golden("handoff_readiness.md", page)
