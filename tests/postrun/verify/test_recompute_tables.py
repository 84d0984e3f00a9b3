"""What run folders and policies give again: tables and pages."""

import json

import pytest

import verify_workspace
from harness.verified import ClosedRuns
from postrun.core.locations import RunPaths
from postrun.store import json_files
from postrun.verify import closed_run, files, recompute_tables
from postrun.verify.findings import Finding, Kind, broken

RECORD = "audit/workspace_record.json"


def found(closed: ClosedRuns) -> list[Finding]:
    path = RunPaths.of_workspace(closed.root).path("workspace_record")
    record = closed_run.read_document(path, "workspace_record")
    computations = verify_workspace.COMPUTATIONS.of_tables
    return list(recompute_tables.check(computations, closed.root, record))


def forge(closed: ClosedRuns, path: str, old: bytes, new: bytes) -> None:
    """Edit a file, its digest in the record, and the digest that the record has of itself."""
    assert old in (closed.root / path).read_bytes()
    closed.edit(path, lambda content: content.replace(old, new, 1))
    document = json.loads((closed.root / RECORD).read_bytes())
    for row in document["files"]:
        if row["path"] == path:
            row["sha256"] = files.of_bytes((closed.root / path).read_bytes())
    del document["sha256"]
    document["sha256"] = files.of_bytes(json_files.encode(document))
    (closed.root / RECORD).write_bytes(json_files.encode(document))


def test_every_table_is_made_again(closed: ClosedRuns) -> None:
    assert found(closed) == []


@pytest.mark.parametrize(
    ("artifact", "suffix", "old", "new"),
    [
        ("factor_experiment_registry", ".csv", b"watchlist_rerun", b"promote_candidate"),
        ("factor_experiment_leaderboard", ".md", b"run1", b"run0"),
        ("failure_patterns", ".csv", b"exit_code_zero", b"evidence_unchanged"),
        ("failure_pattern_summary", ".md", b"exit_code_zero", b"other"),
    ],
)
def test_a_table_that_was_forged_with_its_record_is_named(
    closed: ClosedRuns, artifact: str, suffix: str, old: bytes, new: bytes
) -> None:
    path = closed.path(artifact, suffix=suffix)
    forge(closed, path, old, new)
    broken = {finding.file for finding in found(closed) if finding.kind is Kind.BROKEN}
    assert broken == {path}


def test_a_table_whose_runs_cannot_be_read_is_listed_beside_the_run(closed: ClosedRuns) -> None:
    audit = closed.path("governance_audit_check")
    closed.edit(audit, lambda content: content + b" ")
    findings = found(closed)
    registry = closed.path("factor_experiment_registry")
    # Alone, nothing would say that it could not be checked.
    assert {finding.kind for finding in findings if finding.file == registry} == {Kind.BROKEN}
    cause = broken(audit, "its digest", "another")
    explained = recompute_tables.without_consequences([cause, *findings])
    assert explained[0] == cause
    assert {finding.kind for finding in explained[1:]} == {Kind.LISTED}
    assert registry in {finding.file for finding in explained}
