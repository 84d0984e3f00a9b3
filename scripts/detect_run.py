"""Find the run of a decision tag on the workstation, and the gate report that belongs to it.

Reads the workstation, in one round trip. Writes run_detection.json into the local run folder.
The tag is matched exactly. Of several runs the newest with a context counts; of several reports the newest that was
made between that run's start and its result. A run without a report of its own is detected too. A dead run, without
a valid result, is detected with --abandoned "reason"; the reason is recorded and holds until there is a result.
Exit codes: 0 found; 2 wrong usage, or nothing to abandon; 3 result.json is missing; 4 result.json is broken; 5 no
such run, the nearest tags are listed; 6 the workstation did not answer; 10 processes of the run are still at work.

    python scripts/detect_run.py --tag committee_2026-02-21_run4 --host bench --remote-root /srv/quant
"""

from collections.abc import Sequence
from typing import Any

from postrun import cli
from postrun.core import locations
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import report_window
from postrun.detect import reports, runs
from postrun.detect.runs import Finding
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.remote.workstation import open_workstation
from postrun.store import configuration, json_files, run_lookup


def detect(request: RunRequest, _: RunPaths) -> StepResult:
    """Detect one run. Raises Usage, Missing, Invalid, Unclear, Unreachable, NotFinished."""
    run, gate, tag = (
        run_lookup.requested_run(request),
        run_lookup.requested_gate(request),
        run_lookup.requested_tag(request),
    )
    with open_workstation(request) as door:
        seen = door.list_run(
            tag,
            run and f"{locations.RUNS}/{run}",
            gate and f"{locations.GATES}/{gate}/{run_lookup.REPORT}",
        )
    found = runs.choose(seen, tag, run)
    ended, abandoned = runs.check_end(
        seen, found, request.abandoned, _abandoned_before(request, found)
    )
    document = judge(seen, found, ended, gate, configuration.workstation()["ignored_programs"])
    document["abandoned"] = abandoned
    document["overrides"] = {"run_folder": run, "gate_folder": gate}
    run_paths = RunPaths(request.root, found.name.folder, document["gate_folder"])
    json_files.write(run_paths, "run_detection", document)
    return StepResult(_words(document), (run_paths.path("run_detection"),))


def judge(
    seen: RemoteListing,
    found: Finding,
    result: RemoteFile | None,
    asked_gate: str | None,
    ignored: Sequence[str],
) -> dict[str, Any]:
    """Hold a run against the rules of identity; give what run_detection.json says. Raises as `detect` does."""
    runs.note_context(seen, found)
    at_start, at_end = runs.offsets(seen, found.name.folder)
    if result is None:
        span = report_window.open_window(found.name.started, at_start, found.matches)
    else:
        span = report_window.window(found.name.started, at_start, at_end, result.modified)
    if result and span.ended is None:
        found.notes.append(
            "preflight.json gives no offset, so the time of result.json bounds no report"
        )
    rows = reports.candidates(seen, found.tag, span)
    runs.check_rest(seen, found, [row["gate_folder"] for row in rows if row["belongs"]], ignored)
    gate, why = reports.choose(rows, asked_gate, found)
    return {
        "decision_tag": found.tag,
        "run_folder": found.name.folder,
        "run_folders": list(found.matches),
        "has_context": seen.file(found.name.folder, "context.json") is not None,
        "gate_folder": gate,
        "gate_folder_reason": why,
        "report_candidates": rows,
        "utc_offset": report_window.offset_words(at_start),
        "utc_offset_at_end": report_window.offset_words(at_end),
        "contradictions": found.contradictions,
        "notes": found.notes,
    }


def _abandoned_before(request: RunRequest, found: Finding) -> str | None:
    """Give the reason for which an earlier detection let this run pass without a result."""
    try:
        before = json_files.read_optional(
            RunPaths(request.root, found.name.folder, None), "run_detection"
        )
    except Invalid:  # it is written anew
        return None
    reason: str | None = before.get("abandoned") if before else None
    return reason


def _words(document: dict[str, Any]) -> str:
    gate, why = document["gate_folder"], document["gate_folder_reason"]
    report = f"report {gate} ({why})" if gate else why
    dead = [f"abandoned: {document['abandoned']}"] if document["abandoned"] else []
    odd = [*dead, *document["contradictions"], *document["notes"]]
    return "; ".join([document["run_folder"], report, *odd])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step."""
    flags = (cli.add_evidence, cli.add_abandoned)
    return cli.step_main(detect, __doc__, argv, *flags, lock=cli.RUN, finds_run=True)


if __name__ == "__main__":
    raise SystemExit(main())
