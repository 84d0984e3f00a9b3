"""The ledger as it is, whatever is wrong with it; decisions without a run folder."""

import json

import pytest

from harness.verified import ClosedRuns
from postrun.verify import ledger_rows
from postrun.verify.findings import Kind
from postrun.verify.ledger_rows import LEDGER, LedgerLines


def test_the_lines_of_each_run(closed: ClosedRuns) -> None:
    known = ledger_rows.read(closed.root)
    run = closed.run_paths().run
    kinds = [json.loads(line)["kind"] for line in known.by_run()[run]]
    assert kinds == ["decision", "audit"]
    assert known.about([run]).lines == list(known.by_run()[run])
    assert known.decisions()[run]["number"] == 1
    assert not known.is_of_first_version
    assert len(known.digests) == 6


def test_lines_that_cannot_be_read_are_passed_over(closed: ClosedRuns) -> None:
    closed.edit(LEDGER, lambda content: content.replace(b"\n", b"\r\n") + b'half "\xff\n')
    known = ledger_rows.read(closed.root)
    assert len(known.by_run()) == 3
    assert known.rows[-1] == {}
    [finding, *_] = ledger_rows.check_chain(closed.root, known)
    assert (finding.kind, finding.file) == (Kind.BROKEN, LEDGER)


def test_a_ledger_that_cannot_be_read_is_named(closed: ClosedRuns) -> None:
    path = closed.root / LEDGER
    path.unlink()
    path.mkdir()
    known = ledger_rows.read(closed.root)
    [finding] = ledger_rows.check_chain(closed.root, known)
    assert (finding.actual, known.lines) == ("a folder", ())


def test_a_decision_without_folder_is_allowed_in_the_first_version_only() -> None:
    rows = [{"run": "a", "number": 1, "schema_version": 1}]
    rows += [{"run": "b", "number": 2, "schema_version": 2, "kind": "decision"}]
    known = LedgerLines(["", ""], rows)
    findings = ledger_rows.check_folders(known, {"c"})
    assert [(finding.kind, finding.file) for finding in findings] == [
        (Kind.LISTED, "audit/workstation_runs/a"),
        (Kind.BROKEN, "audit/workstation_runs/b"),
    ]
    assert list(ledger_rows.check_folders(known, {"a", "b"})) == []


def test_an_audit_that_only_repeats_the_one_before_is_named(closed: ClosedRuns) -> None:
    known = ledger_rows.read(closed.root)
    again = {**known.rows[-1], "number": 7, "recorded_at": "2030-01-01T00:00:00Z"}
    doubled = LedgerLines([*known.lines, ""], [*known.rows, again])
    [finding] = ledger_rows.check_chain(closed.root, doubled)
    assert finding.expected == "in row 7 something that no row before it says"
    other = LedgerLines([*known.lines, ""], [*known.rows, {**again, "passed": None}])
    assert list(ledger_rows.check_chain(closed.root, other)) == []


@pytest.mark.parametrize("kind", ["approval", "seal"])
def test_a_file_is_signed_by_one_row(closed: ClosedRuns, kind: str) -> None:
    known = ledger_rows.read(closed.root)
    signed = {"kind": kind, "number": 7, "run": None, "file": "audit/seals/1.dsse.json"}
    rows = [*known.rows, signed, {**signed, "number": 8}]
    doubled = LedgerLines([*known.lines, "", ""], rows)
    [finding] = ledger_rows.check_chain(closed.root, doubled)
    assert finding.expected == "in row 8 something that no row before it says"


def test_a_failure_is_settled_by_one_row(closed: ClosedRuns) -> None:
    known = ledger_rows.read(closed.root)
    settled = {"kind": "settlement", "number": 7, "run": "a", "check": "it", "reason": "why"}
    rows = [*known.rows, settled, {**settled, "number": 8, "check": "other"}]
    lines = [*known.lines, "", ""]
    assert list(ledger_rows.check_chain(closed.root, LedgerLines(lines, rows))) == []
    again = {**settled, "number": 9, "reason": "another"}
    doubled = LedgerLines([*lines, ""], [*rows, again])
    [finding] = ledger_rows.check_chain(closed.root, doubled)
    assert finding.expected == "in row 9 something that no row before it says"
