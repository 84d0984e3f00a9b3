"""What the steps of a run give again from its evidence."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

import verify_workspace
from harness.verified import ClosedRuns
from postrun import audit
from postrun.core import locations
from postrun.core.locations import PROJECT, RunPaths
from postrun.store import configuration, json_files
from postrun.verify import files, recompute_run
from postrun.verify.findings import Finding, Kind

STEPS = verify_workspace.COMPUTATIONS.of_run


def found(closed: ClosedRuns, number: int = 0) -> list[Finding]:
    return list(recompute_run.check(STEPS, closed.run(number), set()))


def forge(closed: ClosedRuns, artifact: str, old: bytes, new: bytes, suffix: str = "") -> str:
    """Edit a file and what its record says of it, as whoever edits both would."""
    path = closed.path(artifact, suffix=suffix)
    closed.edit(path, lambda content: content.replace(old, new, 1))
    record = closed.root / closed.path("closing_record")
    document = json.loads(record.read_bytes())
    for row in document["files"]:
        if row["path"] == path:
            row["sha256"] = files.of_bytes((closed.root / path).read_bytes())
    record.write_bytes(json_files.encode(document))
    return path


def test_every_file_of_a_closed_run_is_computed_again(closed: ClosedRuns) -> None:
    assert [found(closed, number) for number in range(3)] == [[], [], []]


@pytest.mark.parametrize(
    ("artifact", "suffix"),
    [
        ("production_gates_final_summary", ".md"),
        ("governance_remediation_plan", ".md"),
        ("production_gates_run_review", ".html"),
        ("production_gates_run_review", ".md"),
    ],
)
def test_a_page_that_was_forged_with_its_record_is_named(
    closed: ClosedRuns, artifact: str, suffix: str
) -> None:
    run_paths = closed.run_paths()
    run = closed.run()
    path = closed.path(artifact, suffix=suffix)
    recorded = {row["path"]: row for row in (run.record or {})["files"]}
    closed.edit(path, lambda content: content.replace(b"run0", b"run9", 1))
    # Only the record in memory: that of the disk is checked against the ledger by every reader.
    recorded[path]["sha256"] = files.of_bytes((run_paths.root / path).read_bytes())
    [finding] = recompute_run.check(STEPS, run, set())
    assert (finding.kind, finding.file) == (Kind.BROKEN, path)


def test_a_record_that_was_forged_is_refused_by_the_steps(closed: ClosedRuns) -> None:
    forge(closed, "governance_audit_check", b"false", b"true")
    findings = found(closed)
    assert {finding.kind for finding in findings} == {Kind.BROKEN}
    assert "closing_record.json: expected the record" in findings[0].actual
    assert list(recompute_run.check(STEPS, closed.run(), {"audit/x"})) == []


def test_without_their_times_files_give_no_audit(closed: ClosedRuns) -> None:
    path = closed.run_paths().path("result")
    later = time.time() + 60
    os.utime(path, (later, later))
    [finding] = found(closed)
    assert (finding.kind, finding.file) == (Kind.LISTED, closed.path("governance_audit_check"))
    assert "times of files are later" in finding.actual


def test_a_decision_that_the_evidence_does_not_give_is_named(closed: ClosedRuns) -> None:
    """The ledger is rewritten from its first row on, and with it the view."""
    path = closed.root / "audit/stage_ledger.jsonl"
    lines = path.read_bytes().splitlines()
    rows = list(map(json.loads, lines))
    rows[2] |= {"result": "pass", "reasons": []}
    written: list[bytes] = []
    for row in rows:
        row["previous_sha256"] = files.of_bytes(written[-1]) if written else None
        written.append(json_files.encode_line(row).rstrip(b"\n"))
    path.write_bytes(b"".join(line + b"\n" for line in written))
    view = closed.path("stage_audit_log")
    old, new = files.of_bytes(lines[-1]).encode(), files.of_bytes(written[-1]).encode()
    closed.edit(view, lambda content: content.replace(old, new))
    for number in range(3):
        run = closed.run(number)
        held = {**(run.record or {}), "ledger_rows": list(run.lines)}
        record = run.run_paths.path("closing_record")
        record.write_bytes(json_files.encode(held))
    findings = found(closed, 1)
    assert "audit/stage_ledger.jsonl" in {finding.file for finding in findings}


def test_another_baseline_makes_the_audit_one_of_another_policy(
    closed: ClosedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked then is another question than what is asked today: not broken, not hidden."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "configs", project / "configs")
    path = project / "configs/statistics_policy.json"
    policy = json.loads(path.read_bytes())
    policy["policy_version"] += 1
    policy["baseline"]["at_least"]["min_pos_ratio"] = 0.99
    path.write_text(json.dumps(policy))
    monkeypatch.setattr(locations, "PROJECT", project)
    monkeypatch.setattr(configuration, "_PROJECT", RunPaths(project, "", None))
    findings = found(closed)
    assert {finding.kind for finding in findings} == {Kind.LISTED}
    [finding] = findings
    assert finding.file == closed.path("governance_audit_check")
    # Its two formats, and the page on the decision, which says whether it passed.
    reason = "written with another policy (configs/statistics_policy.json) (6 files)"
    assert finding.actual == f"not recomputed: {reason}"


def test_an_audit_of_an_earlier_catalogue_is_what_that_version_wrote(
    closed: ClosedRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the present audit is the earlier one: today's catalogue asks one question less."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "configs", project / "configs")
    path = project / "configs/governance_checks.json"
    catalogue = json.loads(path.read_bytes())
    dropped = catalogue["checks"].pop()
    path.write_text(json.dumps(catalogue))
    monkeypatch.setattr(locations, "PROJECT", project)
    monkeypatch.setattr(configuration, "_PROJECT", RunPaths(project, "", None))
    monkeypatch.delitem(audit.CHECKS, dropped["id"])
    findings = found(closed)
    assert {finding.kind for finding in findings} == {Kind.LISTED}
    assert all("configs/governance_checks.json" in finding.actual for finding in findings)
