"""All checks of one run together."""

import verify_workspace
from harness.verified import ClosedRuns
from postrun.verify import ledger_rows, one_run
from postrun.verify.one_run import RunResult


def check(closed: ClosedRuns) -> RunResult:
    run = closed.run_paths().run
    lines = ledger_rows.read(closed.root).by_run()[run]
    return one_run.check(closed.root, verify_workspace.COMPUTATIONS.of_run, run, lines)


def test_a_closed_run_is_whole(closed: ClosedRuns) -> None:
    result = check(closed)
    assert (result.run, result.findings) == (closed.run_paths().run, ())
    assert result.files == len(closed.run().present)


def test_what_a_digest_names_is_not_named_for_its_schema_again(closed: ClosedRuns) -> None:
    path = closed.path("governance_remediation_plan")
    closed.edit(path, lambda content: content.replace(b'"items"', b'"other"'))
    findings = check(closed).findings
    assert [finding.file for finding in findings] == [path]
