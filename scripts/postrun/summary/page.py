"""Gather what the final summary says, and write it."""

import hashlib
import shlex

from postrun.core import disk, step_notes
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store import checked_files, command_file, documents, ledger, page_files
from postrun.store.json_files import Reading
from postrun.summary import description

SUMMARY, REPORT = "production_gates_final_summary", "production_gates_report"
_AUDIT = "governance_audit_check"
_STAGES = ("wf_stress", "risk_diagnostics", "statistical_gates")


def write(run_paths: RunPaths, audit_passed: bool | None) -> None:
    """Write the page on the decision that holds; `audit_passed` is None before the audit.

    Its only time is that of the ledger's row, so writing it again changes nothing. Two steps write
    it: what it is made from is the same for both. Raises Missing, Invalid.
    """
    with step_notes.performing("finalize-gate-run"):
        decision = ledger.decision(run_paths.root, run_paths.run)
        assert decision is not None, "the decision is recorded before its page is written"
        note_decision(run_paths, decision)
        audit = run_paths.path(_AUDIT)
        if audit_passed is not None and audit.is_file():
            content = disk.read(audit)
            step_notes.note(run_paths.relative(audit), hashlib.sha256(content).hexdigest())
        content_of_page = {"audit_passed": audit_passed, **_content(run_paths, decision)}
        page_files.write(run_paths, SUMMARY, ".md", content_of_page)


def note_decision(run_paths: RunPaths, decision: Json) -> None:
    """Note a row of the ledger as an input of the step at work."""
    path = run_paths.relative(run_paths.path("stage_ledger"))
    step_notes.note(path, ledger.row_digest(decision), rows=1)


def _content(run_paths: RunPaths, row: Json) -> Json:
    """Return what the page says of a decision."""
    manifest = documents.read(run_paths, "evidence_manifest")
    reading = Reading()
    if run_paths.gate:
        reading = documents.read_with_places(run_paths, REPORT)
    report = reading.value
    options = gates.inputs(report)
    command = checked_files.read_if_there(run_paths, "command")
    factor = command_file.option_in(command, "--factor")
    strategy = command_file.option_in(command, "--strategy")
    sizes = [file["size"] for file in manifest["files"]]
    context = description.read_context(run_paths)
    _, source = description.owner_and_notes(run_paths, context, report)
    return {
        "row": row,
        "described_by": source,
        "tag_in_shell": shlex.quote(row["decision_tag"]),
        "report": report is not None,
        "factor": options.get("factor") or factor,
        "strategy": options.get("strategy") or strategy,
        "readings": gates.readings(report),
        "cost_rows": gates.cost_rows(report),
        **{stage: gates.section(report, stage) for stage in _STAGES},
        "not_finite": reading.not_finite,
        "manifest": manifest,
        "size": sum(sizes),
    }
