"""Gather what the final summary says, and write it."""

from postrun.core import disk, step_notes
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store import (
    checked_files,
    command_file,
    documents,
    ledger,
    make_lines,
    next_action,
    page_files,
)
from postrun.store.json_files import Reading
from postrun.summary import description

SUMMARY, REPORT = "production_gates_final_summary", "production_gates_report"
_AUDIT = "governance_audit_check"
_STAGES = ("wf_stress", "risk_diagnostics", "statistical_gates")


def write(run_paths: RunPaths, decision: Json, audit_passed: bool | None) -> None:
    """Write the page on a decision; `audit_passed` is None before the audit.

    Its only time is that of the ledger's row, so writing it again changes nothing. Two steps write
    it, from the same inputs. Raises Missing, Invalid.
    """
    with step_notes.performing("finalize-gate-run"):
        note_decision(run_paths, decision)
        if audit_passed is not None:
            _note_audit(run_paths)
        content = _content(run_paths, decision)
        content["audit_passed"] = audit_passed
        content["next_action"] = next_action.after(decision, audit_passed)
        content["commands"] = _commands(
            run_paths,
            decision,
            content,
        )
        page_files.write(run_paths, SUMMARY, ".md", content)


def _commands(
    run_paths: RunPaths,
    decision: Json,
    content: Json,
) -> list[str]:
    """Return the lines to type next, most urgent first."""
    targets: tuple[str, ...] = ()
    if content["audit_passed"] is None:
        targets = ("governance-audit", "remediation-plan")
    elif content["next_action"] == next_action.REPAIR:
        targets = ("finalize",)
    elif content["next_action"] == next_action.NEXT_RUN:
        targets = ("next-run-plan",)
    tag = make_lines.value("TAG", decision["decision_tag"])
    host = make_lines.source_host(content["manifest"])
    values = [tag, *host]
    lines = []
    for target in targets:
        line = make_lines.page_line(target, run_paths.root, *values)
        lines.append(line)
    return lines


def note_decision(run_paths: RunPaths, decision: Json) -> None:
    """Note a row of the ledger as an input of the running step."""
    path = run_paths.path("stage_ledger")
    digest = ledger.row_digest(decision)
    step_notes.note(run_paths.relative(path), digest, rows=1)


def _note_audit(run_paths: RunPaths) -> None:
    path = run_paths.path(_AUDIT)
    if disk.is_file(path):
        digest = disk.sha256(path)
        step_notes.note(run_paths.relative(path), digest)


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
    size = 0
    for file in manifest["files"]:
        size += file["size"]
    stages = {}
    for stage in _STAGES:
        stages[stage] = gates.section(report, stage)
    context = description.read_context(run_paths)
    _, source = description.owner_and_notes(run_paths, context, report)
    return {
        "row": row,
        "described_by": source,
        "report": report is not None,
        "factor": options.get("factor") or factor,
        "strategy": options.get("strategy") or strategy,
        "readings": gates.readings(report),
        "cost_rows": gates.cost_rows(report),
        **stages,
        "not_finite": reading.not_finite,
        "manifest": manifest,
        "size": size,
    }
