"""Write the decision on a run: one row in the stage ledger, its readable view, and the final summary on one page.

Reads run_detection.json (or --run-dir and --report-json), evidence_manifest.json, context.json, result.json and the
gate report. The decision is `pass` when the exit code is zero, overall_pass is true, every gate worked out again
from its metric and threshold agrees, and nothing was skipped; else `fail`, with every reason. A run that detection
took as abandoned needs no result, and fails. A row is added only when the run's last row says something else, rests
on other evidence, or gives another reason for which the run was abandoned; it names the row it corrects.
Writes audit/stage_ledger.jsonl, docs/production_research/STAGE_AUDIT_LOG.md, production_gates_final_summary.md.
Exit code: 0 recorded, whatever the decision; 3 something is missing; 4 something is broken; 5 not clear which run.

    python scripts/finalize_gate_run.py --tag committee_2026-02-21_run4
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from postrun import cli
from postrun.core import artifacts, locations, run_names
from postrun.core.errors import AmbiguousRun, Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.run_names import RunName
from postrun.decide import gates
from postrun.store import command_file, json_files, ledger, page_files

_NEXT = {  # the audit comes before any promotion
    "pass": "governance audit, then committee review",
    "fail": "governance audit, then remediation plan",
}
_SYNC = "bring the run home first: make sync-run TAG=..., or close it with --no-sync when it is here already"


def finalize(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Decide, record the decision, and write it down for reading. Raises Missing, Invalid, Unclear."""
    name = _name(run_paths)
    manifest = _manifest(run_paths)
    abandoned = _abandoned(run_paths)
    result = json_files.read(run_paths, "result") if abandoned is None else None
    report = (
        json_files.read(run_paths, "production_gates_report")
        if run_paths.gate is not None
        else None
    )
    given_up = [] if abandoned is None else [f"abandoned: {abandoned}"]
    against = [*given_up, *reasons(name, result, report)]
    wanted = {
        **_described(run_paths, name, request.objective),
        "result": "fail" if against else "pass",
        "next_action": _NEXT["fail" if against else "pass"],
        "evidence_sha256": ledger.evidence_digest(manifest),
        "reasons": against,
    }
    row, new = _recorded(run_paths, wanted, given_up)
    page = run_paths.path("production_gates_final_summary")
    page_files.write(
        page, "production_gates_final_summary.md", **_facts(run_paths, row, report, manifest)
    )
    written = [
        locations.workspace_path(run_paths.root, artifact)
        for artifact in ("stage_ledger", "stage_audit_log")
    ]
    words = f"{row['result']} ({'; '.join(row['reasons'])})" if row["reasons"] else row["result"]
    return StepResult(
        f"{words}, {'entered as' if new else 'as in'} ledger row {row['number']}", (*written, page)
    )


def reasons(
    name: RunName, result: dict[str, Any] | None, report: dict[str, Any] | None
) -> list[str]:
    """List everything in result and report that speaks against a pass; an abandoned run has no result."""
    found = (
        [] if result is None or result["exit_code"] == 0 else [f"exit code {result['exit_code']}"]
    )
    if report is None:
        return [*found, "no gate report"]
    overall = gates.gates(report).get(gates.OVERALL)
    if overall is not True:
        found.append(f"{gates.OVERALL} is {_told(overall)}")
    failed = [
        seen.gate
        for seen in gates.readings(report)
        if seen.recomputed is False and seen.gate != gates.OVERALL
    ]
    found += [f"failed: {', '.join(failed)}"] if failed else []
    for odd in gates.disagreements(report):
        found.append(
            f"{odd.gate} is reported {_told(odd.reported)}, recomputed {_told(odd.recomputed)}"
        )
    skipped = gates.unofficial(report)
    found += [f"not official: {', '.join(skipped)}"] if skipped else []
    tag = gates.inputs(report).get("decision_tag")
    if (
        re.sub(r"[ /:]", "_", str(tag)) != name.tag
    ):  # the launcher's own replacement in folder names
        found.append(f"the gate report carries the decision tag {_told(tag)}")
    return found


def _told(value: Any) -> str:
    return json.dumps(value)[:80]


def _name(run_paths: RunPaths) -> RunName:
    name = run_names.parse_run_name(run_paths.run)
    if name is None:
        raise AmbiguousRun(
            "run folder", f"a name like <time>_{run_names.WORKFLOW}_<tag>", repr(run_paths.run)
        )
    return name


def _manifest(run_paths: RunPaths) -> dict[str, Any]:
    path = run_paths.path("evidence_manifest")
    if not path.exists():
        raise Missing(path, "the manifest of the evidence", "nothing there", _SYNC)
    manifest: dict[str, Any] = json_files.read(run_paths, "evidence_manifest")
    return manifest


def _abandoned(run_paths: RunPaths) -> str | None:
    """Give the reason why the run was given up without a result; None for every other run."""
    detection = json_files.read_optional(run_paths, "run_detection") or {}
    reason: str | None = detection.get("abandoned")
    return reason


def _described(run_paths: RunPaths, name: RunName, objective: str | None) -> dict[str, Any]:
    """Say what the row is about. A context that is gone or broken leaves its words null; the audit names it."""
    try:
        context = json_files.read_optional(run_paths, "context") or {}
    except Invalid:
        context = {}
    started_by = run_paths.path("command")
    artifact = (
        run_paths.folder(artifacts.Home.RUN)
        if run_paths.gate is None
        else run_paths.path("production_gates_report")
    )
    return {
        "run": run_paths.run,
        "date": name.started.date().isoformat(),
        "stage": run_names.WORKFLOW,
        "decision_tag": name.tag,
        "owner": context.get("owner") or None,
        "objective": objective or context.get("notes") or None,
        "command_ref": run_paths.relative(started_by) if started_by.exists() else None,
        "artifact_ref": run_paths.relative(artifact),
    }


def _recorded(
    run_paths: RunPaths, wanted: dict[str, Any], given_up: Sequence[str]
) -> tuple[dict[str, Any], bool]:
    """Give the ledger's row for this decision, and whether it is new; bring the view up to date.

    `given_up` holds the reason in a person's own words, if there is one: it is a decision. The other reasons follow.
    """
    rows = ledger.read_rows(run_paths.root)
    last = ledger.latest_row(rows, run_paths.run)
    new = last is None or _says_other(last, wanted, given_up)
    if last is None or new:
        last = ledger.append(
            run_paths.root, {**wanted, "corrects": last["number"] if last else None}
        )
        rows.append(last)
    ledger.publish(
        run_paths.root, page_files.page("stage_audit_log.md", columns=ledger.COLUMNS, rows=rows)
    )
    return last, new


def _says_other(row: dict[str, Any], wanted: dict[str, Any], given_up: Sequence[str]) -> bool:
    changed = any(row[key] != wanted[key] for key in ("result", "evidence_sha256"))
    return changed or not set(given_up) <= set(row["reasons"])


def _facts(
    run_paths: RunPaths,
    row: dict[str, Any],
    report: dict[str, Any] | None,
    manifest: dict[str, Any],
) -> dict[str, Any]:
    """Gather what the page says. Its only time is the row's, so that writing it again changes nothing."""
    options = gates.inputs(report)
    named = {
        key: options.get(key) or command_file.option(run_paths.path("command"), f"--{key}")
        for key in ("factor", "strategy")
    }
    stages = ("wf_stress", "risk_diagnostics", "statistical_gates")
    return {
        "row": row,
        "report": report is not None,
        **named,
        "readings": gates.readings(report) if report is not None else (),
        "cost_rows": gates.cost_rows(report),
        **{stage: gates.section(report, stage) for stage in stages},
        "manifest": manifest,
        "size": sum(file["size"] for file in manifest["files"]),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run this step alone."""
    return cli.step_main(finalize, __doc__, argv, cli.add_decision)


if __name__ == "__main__":
    raise SystemExit(main())
