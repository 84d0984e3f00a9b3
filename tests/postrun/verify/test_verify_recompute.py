"""What steps compute again, and when that may be compared."""

import json
from typing import Any

import pytest

from harness.verified import ClosedRuns
from postrun.core import version
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import documents, json_files
from postrun.store.records import Computed
from postrun.verify import files, recompute
from postrun.verify.recompute import Again

NAME = "governance_remediation_plan"


def row_of(closed: ClosedRuns) -> dict[str, Any]:
    record = closed.run().record or {"files": []}
    [row] = [row for row in record["files"] if row["path"] == closed.path(NAME)]
    return dict(row)


def compare(closed: ClosedRuns, row: dict[str, Any], content: bytes) -> list[str]:
    again = Again({row["path"]: Computed(content, row_of(closed)["inputs"])})
    findings = recompute.compare(closed.root, {"files": [row]}, again)
    return [f"{finding.kind} {finding.actual}" for finding in findings]


def test_what_is_computed_is_collected_and_not_written(closed: ClosedRuns) -> None:
    run_paths = closed.run_paths()
    before = (closed.root / closed.path(NAME)).read_bytes()

    def write(_: RunRequest, run_paths: RunPaths) -> None:
        document = json.loads(before)
        document["waiting"] = ["x"]
        for stamp in ("schema_version", "program_version", "generated_at"):
            del document[stamp]
        documents.write(run_paths, NAME, document)

    def refuse(*_: object) -> None:
        raise Invalid(closed.root / "audit/x", "a", "b")

    again = recompute.compute(
        RunRequest(closed.root), run_paths, [("write", write), ("refuse", refuse)]
    )
    assert json.loads(again.computed[closed.path(NAME)].content)["waiting"] == ["x"]
    assert again.errors == {"refuse": "audit/x: expected a, found b"}
    assert again.written == set()
    assert (closed.root / closed.path(NAME)).read_bytes() == before


def test_a_file_that_says_something_else_is_broken(closed: ClosedRuns) -> None:
    row = row_of(closed)
    content = (closed.root / row["path"]).read_bytes()
    assert compare(closed, row, content) == []
    later = json.loads(content) | {"generated_at": "2030-01-01T00:00:00Z"}
    assert compare(closed, row, json_files.encode(later)) == []
    other = json.loads(content) | {"audit_passed": 1}
    assert compare(closed, row, json_files.encode(other)) == ["broken something else"]
    # A file other than recorded is named by its digest.
    unrecorded = {**row, "sha256": files.of_bytes(b"")}
    assert compare(closed, unrecorded, json_files.encode(other)) == []


def test_what_another_version_or_policy_wrote_is_listed(
    closed: ClosedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_of(closed)
    assert [source["path"] for source in row["inputs"]] == [
        closed.path("governance_audit_check"),
        "configs/governance_checks.json",
    ]
    _, policy = row["inputs"]
    policies = [row["inputs"][0], {**policy, "sha256": "0" * 64}]
    assert compare(closed, {**row, "inputs": policies}, b"") == [
        "listed not recomputed: written with another policy "
        "(configs/governance_checks.json) (1 file)"
    ]
    version.program_version.cache_clear()
    monkeypatch.setattr(version, "RELEASE", "9.9.9")
    [line] = compare(closed, row, b"")
    assert line == f"listed not recomputed: written by {row['program_version']} (1 file)"
    version.program_version.cache_clear()


def test_a_file_made_from_other_inputs_is_stale(closed: ClosedRuns) -> None:
    row = row_of(closed)
    row["inputs"] = row["inputs"][1:]
    assert compare(closed, row, b"") == ["stale one of others"]
