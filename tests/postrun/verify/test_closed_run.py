"""What a run folder, its gate folder and the ledger say of a run."""

from harness.verified import ClosedRuns
from postrun.verify import closed_run
from postrun.verify.closed_run import AUDIT, DECISION


def test_a_closed_run(closed: ClosedRuns) -> None:
    run = closed.run(1)
    assert run.is_closed
    assert run.tag == "run1"
    assert run.folders[1] == f"gate_results/{closed.made[1].gate_folder}"
    assert [closed_run.kind(row) for row in run.rows] == [DECISION, AUDIT]
    assert run.decision == run.rows[0]
    assert run.audit == run.rows[1]
    assert closed.path("production_gates_report", 1) in run.present


def test_an_audit_of_an_earlier_decision_says_nothing(closed: ClosedRuns) -> None:
    run = closed.run()
    later = {**run.rows[0], "number": 9}
    rows = (*run.rows, later)
    corrected = type(run)(run.run_paths, run.documents, run.present, {}, rows, run.lines)
    assert (corrected.decision, corrected.audit) == (later, None)


def test_a_run_without_rows_and_pages_is_not_closed(closed: ClosedRuns) -> None:
    run = closed.run()
    open_run = type(run)(run.run_paths, {}, frozenset(), {}, (), ())
    assert not open_run.is_closed
    assert open_run.tag == "run0"
    with_page = frozenset([closed.path("governance_audit_check")])
    assert type(run)(run.run_paths, {}, with_page, {}, (), ()).is_closed


def test_documents_that_cannot_be_read_are_missing(closed: ClosedRuns) -> None:
    for artifact in ("evidence_manifest", "closing_record"):
        (closed.root / closed.path(artifact)).write_text("{}")
    run = closed.run()
    assert (run.manifest, run.record) == (None, None)
    assert run.run_paths.gate == closed.made[0].gate_folder
    assert run.is_closed
