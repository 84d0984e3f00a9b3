"""The plan: from the audit and the catalogue alone, most severe first."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import governance_remediation_plan as remediation
import post_run_sync_and_finalize as conductor
from harness import arrival, factory, spoiled
from harness.golden import Golden
from postrun.core.errors import Invalid
from postrun.store import check_catalogue, json_files


@pytest.fixture
def run(local: Path, request: pytest.FixtureRequest) -> Path:
    """Return the folder of a run that was closed with the steps up to the audit."""
    made = factory.make_run(local, change=getattr(request, "param", None), **spoiled.OWN)
    arrival.arrive(local, made)
    flags = ["--tag", made.tag, "--local-root", str(local)]
    steps = ["--from", "finalize-gate-run", "--to", "governance-audit"]
    assert conductor.main([*flags, *steps]) in (0, 1)
    return made.run_dir(local)


def plan(local: Path) -> int:
    return remediation.main(["--tag", spoiled.OWN["tag"], "--local-root", str(local)])


def read(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "governance_remediation_plan.json").read_text())
    return document


def test_an_audit_that_passed_leaves_nothing_to_repair(
    run: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert plan(local) == 0
    told = capsys.readouterr()
    assert told.err == "remediation-plan: nothing to repair\n"
    assert told.out.splitlines() == [
        str(run / f"governance_remediation_plan.{kind}") for kind in ("json", "md")
    ]
    document = read(run)
    assert (document["audit_passed"], document["items"], document["waiting"]) == (True, [], [])
    assert "nothing to repair" in (run / "governance_remediation_plan.md").read_text()


@pytest.mark.parametrize("run", [spoiled.in_many_ways], indirect=True)
def test_items_come_from_audit_and_catalogue(
    run: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(local) == 0
    assert "remediation-plan: 4 to repair: 4 High" in capsys.readouterr().err
    document, known = read(run), check_catalogue.checks()
    assert [item["check"] for item in document["items"]] == [
        "no_stage_skipped",
        "data_quality_ran",
        "gates_recomputed",
        "walk_forward_recomputed",
    ]
    for item in document["items"]:
        check = known[item["check"]]
        assert (item["remedy"], item["severity"], item["family"]) == (
            check.remedy,
            check.severity,
            check.family,
        )
        assert item["answer"] == "fail"
        assert item["observed"]
        assert item["evidence"]
    assert "statistics_recomputed" in document["waiting"]
    assert [gate["gate"] for gate in document["failed_gates"]] == ["risk_gate_beta_abs"]


@pytest.mark.parametrize("run", [spoiled.in_many_ways], indirect=True)
def test_the_page_is_the_golden_one(run: Path, local: Path, golden: Golden) -> None:
    plan(local)
    page = (run / "governance_remediation_plan.md").read_text()
    golden("governance_remediation_plan.md", page)


@pytest.mark.parametrize("run", [spoiled.in_many_ways], indirect=True)
def test_only_the_audit_is_read(run: Path, local: Path) -> None:
    plan(local)
    before = (run / "governance_remediation_plan.json").read_bytes()
    for name in ("context.json", "result.json", "evidence_manifest.json"):
        (run / name).unlink()
    plan(local)
    assert (run / "governance_remediation_plan.json").read_bytes() == before


def row(check: str, answer: str) -> dict[str, Any]:
    known = check_catalogue.checks()[check]
    said = {"answer": answer, "expected": "yes", "observed": "no", "evidence": None}
    return {
        "id": check,
        "question": known.question,
        "family": known.family,
        "severity": known.severity,
        **said,
    }


def audit(*rows: dict[str, Any]) -> dict[str, Any]:
    run = "2026-02-21_031500_production_gates_run1"
    head: dict[str, Any] = {
        "run_folder": run,
        "gate_folder": None,
        "decision_tag": "run1",
        "failed_gates": [],
    }
    return {**head, "passed": False, "checks": list(rows)}


def test_high_comes_first_and_errors_are_items() -> None:
    rows = [
        row("evidence_verified", "fail"),
        row("exit_code_zero", "error"),
        row("tag_used_once", "fail"),
        row("preflight_passed", "fail"),
        row("tags_agree", "pass"),
        row("data_quality_passed", "skipped"),
    ]
    low = {**check_catalogue.checks()}
    low["evidence_verified"] = dataclasses.replace(low["evidence_verified"], severity="Low")
    found = remediation.plan(audit(*rows), low)
    assert [(item["check"], item["severity"]) for item in found["items"]] == [
        ("exit_code_zero", "High"),
        ("preflight_passed", "High"),
        ("tag_used_once", "Medium"),
        ("evidence_verified", "Low"),
    ]
    assert found["items"][0]["answer"] == "error"
    assert found["waiting"] == ["data_quality_passed"]
    whole = json_files.stamped(found, remediation.ARTIFACT)
    assert json_files.findings(whole, remediation.ARTIFACT) == []


def test_a_check_that_the_catalogue_does_not_have_is_refused() -> None:
    odd = {**row("tags_agree", "fail"), "id": "moon_full"}
    with pytest.raises(Invalid, match="moon_full"):
        remediation.plan(audit(odd), check_catalogue.checks())


def test_without_an_audit_there_is_no_plan(
    run: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "governance_audit_check.json").unlink()
    assert plan(local) == 3
    assert (
        "governance_audit_check.json: expected a file, found nothing there; audit the run first"
        in capsys.readouterr().err
    )
    assert not (run / "governance_remediation_plan.json").exists()


def test_a_broken_audit_is_refused(
    run: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "governance_audit_check.json"
    path.write_text(path.read_text().replace('"answer": "pass"', '"answer": "perhaps"', 1))
    assert plan(local) == 4
    said = capsys.readouterr().err
    assert "governance_audit_check.json: expected the file that closing_record.json lists" in said
    assert "make it again: make governance-audit TAG=" in said


def test_planning_twice_changes_no_byte(
    run: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(local)
    files = [run / f"governance_remediation_plan.{kind}" for kind in ("json", "md")]
    before = [path.read_bytes() for path in files]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    plan(local)
    assert [path.read_bytes() for path in files] == before
