"""Write the decision on a run: a row in the stage ledger, its readable view, and the final summary.

Reads run_detection.json (or --run-dir and --report-json), evidence_manifest.json, context.json,
result.json and the gate report. The decision is `pass` when the exit code is zero, overall_pass is
true, every gate is the same when worked out again from its metric and threshold, and nothing was
skipped; otherwise `fail`, with every reason. A run that is closed with --abandoned needs no result,
and fails.
A row is added only when the run's last row has another decision, other evidence, or another reason
for which the run was abandoned; the new row has the number of the row that it corrects.
Writes audit/stage_ledger.jsonl, docs/production_research/STAGE_AUDIT_LOG.md,
production_gates_final_summary.md.
Exit code: 0 recorded, whatever the decision; 3 something is missing; 4 something is broken;
5 it is not clear which run is meant.

    python scripts/finalize_gate_run.py --tag committee_2026-02-21_run4
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_decision)
FLAGS.answer_help(__name__)

import json
from typing import Any

from postrun import cli
from postrun.core import disk, run_names, values
from postrun.core.artifacts import Home
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.run_names import RunName
from postrun.core.values import Json
from postrun.decide import gates, missing_report
from postrun.store import configuration, documents, ledger, ledger_view, records
from postrun.summary import description, page
from postrun.summary.page import REPORT, SUMMARY

_WRITTEN = ("stage_ledger", "stage_audit_log", SUMMARY)

NO_REPORT = "no gate report"

# The audit comes before any promotion.
_NEXT_ACTION = {
    "pass": "governance audit, then committee review",
    "fail": "governance audit, then remediation plan",
}
_DETECT = 'detect it again; --abandoned "reason" closes the run as a fail'
_SYNC = (
    "copy the run here first: make sync-run TAG=..., "
    "or close it with --no-sync when it is here already"
)


def finalize(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Decide, record the decision and write its page; return the decision in a line.

    Raises Missing, Invalid, AmbiguousRun.
    """
    name = run_paths.name
    manifest = documents.read(run_paths, "evidence_manifest", _SYNC)
    detection = documents.read_optional(run_paths, "run_detection") or {}
    abandoned = detection.get("abandoned")
    result, given_reasons = None, []
    if abandoned is not None:
        given_reasons = [f"abandoned: {abandoned}"]
    if abandoned is None or detection.get("exit_code") is not None:
        result = documents.read(run_paths, "result")
    report = None
    if run_paths.gate:
        report = documents.read(run_paths, REPORT)
    why_no_report = missing_report.explain(detection)
    if why_no_report == missing_report.NONE:
        why_no_report = NO_REPORT
    evident_reasons = reasons(name, result, report, why_no_report)
    all_reasons = given_reasons + evident_reasons
    if report is None and all_reasons == [why_no_report]:
        # Nothing is known that fails the run: the report may be where nobody looked.
        expected = "one, as its exit code is 0"
        raise Missing(f"gate report of {run_paths.run}", expected, why_no_report, _DETECT)
    verdict = "fail" if all_reasons else "pass"
    described = _description(run_paths, request.objective, result, report)
    decision = {
        "kind": ledger.DECISION,
        **described,
        "result": verdict,
        "next_action": _NEXT_ACTION[verdict],
        "evidence_sha256": ledger.evidence_digest(manifest),
        "reasons": all_reasons,
    }
    # Recorded first: the page names the number of the row.
    row, is_new = _record(run_paths, decision, given_reasons)
    audit = ledger.audit(run_paths.root, run_paths.run) or {}
    page.write(run_paths, row, audit.get("passed"))
    written = tuple(map(run_paths.path, _WRITTEN))
    summary = _summary(row, is_new)
    return StepResult(summary, written)


def reasons(
    name: RunName,
    result: Json | None,
    report: Json | None,
    why_no_report: str = NO_REPORT,
) -> list[str]:
    """Return everything in result and report that speaks against a pass.

    An abandoned run may have no result (None).
    """
    against = []
    code = gates.exit_code(result)
    if result is not None and code != 0:
        against.append(f"exit code {code}")
    if report is None:
        return [*against, why_no_report]
    # Only a real `true` is a pass.
    overall = gates.overall(report)
    if overall is not True:
        against.append(f"{gates.OVERALL} is {_as_json(overall)}")
    failed = [gate.gate for gate in gates.failed(report)]
    if failed:
        against.append(f"failed: {', '.join(failed)}")
    for gate in gates.disagreements(report):
        reported = _as_json(gate.reported)
        recomputed = _as_json(gate.recomputed)
        against.append(f"{gate.gate} is reported {reported}, recomputed {recomputed}")
    unofficial = gates.unofficial(report)
    if unofficial:
        against.append(f"not official: {', '.join(unofficial)}")
    tag = gates.inputs(report).get("decision_tag")
    if run_names.folder_tag(tag) != name.tag:
        against.append(f"the gate report carries the decision tag {_as_json(tag)}")
    return against


def _as_json(value: Any) -> str:
    return json.dumps(value)[:80]


def _description(
    run_paths: RunPaths,
    objective: str | None,
    result: Json | None,
    report: Json | None,
) -> Json:
    """Return what the row is about."""
    context = description.read_context(run_paths)
    described, _ = description.owner_and_notes(run_paths, context, report)
    settings = configuration.workstation()
    name = run_paths.name
    tag = run_names.raw_tag(name, context or {}, result or {}, gates.inputs(report))
    command = run_paths.path("command")
    command_ref = None
    if disk.is_present(command):
        command_ref = run_paths.relative(command)
    artifact = run_paths.folder(Home.RUN)
    if run_paths.gate is not None:
        artifact = run_paths.path(REPORT)
    return {
        "run": run_paths.run,
        "date": name.started.date().isoformat(),
        "stage": settings.get("ledger_stage", run_names.WORKFLOW),
        "decision_tag": tag,
        "owner": values.text(described.get("owner")),
        "objective": objective or values.text(described.get("notes")),
        "command_ref": command_ref,
        "artifact_ref": run_paths.relative(artifact),
    }


def _record(
    run_paths: RunPaths,
    decision: Json,
    given_reasons: list[str],
) -> tuple[Json, bool]:
    """Return the ledger's row for this decision, and whether it is new; update the view."""
    root, run = run_paths.root, run_paths.run
    records.check_ledger(root)
    records.begin(run_paths)
    row = ledger.decision(root, run)
    is_new = row is None or _differs(row, decision, given_reasons)
    if row is None or is_new:
        decision["corrects"] = (row or {}).get("number")
        row = ledger.append(root, decision)
    ledger_view.publish(root)
    return row, is_new


def _differs(
    row: Json,
    decision: Json,
    given_reasons: list[str],
) -> bool:
    """Return whether a row differs from this decision.

    A reason that a person gave is a decision; the other reasons follow from the evidence.
    """
    if row["result"] != decision["result"]:
        return True
    if row["evidence_sha256"] != decision["evidence_sha256"]:
        return True
    return not set(given_reasons) <= set(row["reasons"])


def _summary(row: Json, is_new: bool) -> str:
    decision = row["result"]
    if row["reasons"]:
        decision += f" ({'; '.join(row['reasons'])})"
    how = "as in"
    if is_new:
        how = "entered as"
    return f"{decision}, {how} ledger row {row['number']}"


def main(argv: flags.Argv = None) -> int:
    """Run this step alone."""
    return cli.step_main(finalize, FLAGS, argv, name="finalize-gate-run")


if __name__ == "__main__":
    raise SystemExit(main())
