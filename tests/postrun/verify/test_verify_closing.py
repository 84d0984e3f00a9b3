"""Files of ours against their record, and a record against the ledger."""

import json
from typing import Any

import pytest

from harness.programs import run_script
from harness.verified import ClosedRuns
from postrun.store import json_files
from postrun.verify import closing
from postrun.verify.findings import Finding, Kind

LEDGER = "audit/stage_ledger.jsonl"


def found(closed: ClosedRuns, number: int = 0) -> list[Finding]:
    return list(closing.check_run(closed.run(number)))


def change_record(closed: ClosedRuns, change: Any) -> None:
    path = closed.root / closed.path("closing_record")
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(json_files.encode(document))


def test_a_closed_run_is_what_its_record_says(closed: ClosedRuns) -> None:
    assert [found(closed, number) for number in range(3)] == [[], [], []]


def test_an_edited_file_is_named_with_its_step(closed: ClosedRuns) -> None:
    path = closed.path("governance_remediation_plan", suffix=".md")
    closed.edit(path, lambda content: content + b"!")
    [finding] = found(closed)
    assert (finding.kind, finding.file) == (Kind.BROKEN, path)
    assert finding.hint == "make it again: make remediation-plan TAG='run0'"


def test_an_edited_audit_is_not_that_of_the_ledger_either(closed: ClosedRuns) -> None:
    path = closed.path("governance_audit_check")
    closed.edit(path, lambda content: content.replace(b"true", b"false", 1))
    assert [finding.file for finding in found(closed)] == [path, path]
    assert "the audit of row 2 of the ledger" in found(closed)[0].expected


def test_a_file_that_the_record_does_not_list_is_named(closed: ClosedRuns) -> None:
    path = closed.path("run_detection")
    change_record(
        closed,
        lambda record: record.update(
            files=[row for row in record["files"] if row["path"] != path],
        ),
    )
    assert path in {finding.file for finding in found(closed)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda record: record.update(program_version="0.0.9"), "the record that row 2"),
        (lambda record: record.update(open=True), "the record of a closing that came to its end"),
        (lambda record: record.update(complete=None), "the record of a closing that came to"),
        (lambda record: record["ledger_rows"].pop(), "the ledger's 2 rows about this run"),
        (lambda record: record.update(gate_folder=None), "the gate folder"),
    ],
)
def test_a_record_that_was_edited_is_named(closed: ClosedRuns, change: Any, expected: str) -> None:
    change_record(closed, change)
    findings = found(closed)
    assert {finding.file for finding in findings} == {closed.path("closing_record")}
    assert any(finding.expected.startswith(expected) for finding in findings)


def test_another_layout_of_a_record_is_an_edit(closed: ClosedRuns) -> None:
    closed.edit(closed.path("closing_record"), lambda content: content.replace(b": ", b":  ", 1))
    [finding] = found(closed)
    assert finding.actual == "another layout"


def test_a_record_that_is_gone_is_allowed_for_the_ledgers_first_version_only(
    closed: ClosedRuns,
) -> None:
    (closed.root / closed.path("closing_record")).unlink()
    [finding] = found(closed)
    assert finding.kind is Kind.BROKEN
    run = closed.run()
    decision = {**run.rows[0], "schema_version": 1}
    of_first_version = type(run)(
        run.run_paths, run.documents, run.present, {}, (decision,), run.lines[:1]
    )
    [finding] = closing.check_run(of_first_version)
    assert (finding.kind, finding.actual) == (
        Kind.LISTED,
        "no record: closed by an earlier release",
    )


def test_a_row_that_only_the_record_holds_is_missing_in_the_ledger(closed: ClosedRuns) -> None:
    run = closed.run()
    shortened = type(run)(
        run.run_paths, run.documents, run.present, {}, run.rows[:1], run.lines[:1]
    )
    assert LEDGER in {finding.file for finding in closing.check_run(shortened)}
    without = type(run)(run.run_paths, run.documents, run.present, {}, (), ())
    expected = f"a decision on {run.run_paths.run}, which was closed"
    assert expected in {finding.expected for finding in closing.check_run(without)}


def test_what_was_made_from_a_former_file_is_stale(closed: ClosedRuns) -> None:
    record = closed.run().record
    assert record is not None
    known = {closed.path("governance_audit_check"): "0" * 64}
    names = {finding.file for finding in closing.find_stale(record, known, str)}
    assert closed.path("governance_remediation_plan") in names
    assert closed.path("run_detection") not in names


def test_a_record_of_the_tables_names_itself(closed: ClosedRuns) -> None:
    path = "audit/workspace_record.json"
    content = (closed.root / path).read_bytes()
    # The layout and every digest of a file stay: only what a table was made from is another.
    closed.edit(path, lambda content: content.replace(b"production_gates_report", b"_", 1))
    done = run_script("verify_workspace", "--local-root", str(closed.root), "-q")
    assert done.code == 4
    assert done.out.startswith(f"broken: {path}: expected SHA-256 ")
    (closed.root / path).write_bytes(content)
    assert run_script("verify_workspace", "--local-root", str(closed.root)).code == 0
