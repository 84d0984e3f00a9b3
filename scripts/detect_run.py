"""Find the run of a decision tag on the workstation, and the gate report that belongs to it.

Reads the workstation, in one round trip. Writes run_detection.json into the local run folder.
The tag is matched exactly. Of several runs the newest with a context counts; of several reports the
newest that was made between that run's start and its result. A run without a report of its own is
detected too. A dead run, without a valid result, is detected with --abandoned "reason"; the reason
is recorded and holds until there is a result.
Exit codes: 0 found; 2 wrong usage, or nothing to abandon; 3 result.json is missing; 4 result.json
is broken; 5 no such run, the nearest tags are listed; 6 the workstation did not answer; 10
processes of the run are still at work.

    python scripts/detect_run.py --tag committee_2026-02-21_run4 --host bench
"""

from collections.abc import Sequence

from postrun import cli
from postrun.core import locations, values
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.decide import report_window
from postrun.detect import reports, runs
from postrun.detect.runs import ChosenRun
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.remote.workstation import open_workstation
from postrun.store import configuration, json_files, run_lookup


def detect(request: RunRequest, _: RunPaths) -> StepResult:
    """Detect one run.

    Raises Usage, Missing, Invalid, AmbiguousRun, Unreachable, NotFinished.
    """
    run = run_lookup.requested_run(request)
    gate = run_lookup.requested_gate(request)
    tag = run_lookup.requested_tag(request)
    workstation = open_workstation(request)
    listing = workstation.list_run(
        tag,
        run and f"{locations.RUNS}/{run}",
        gate and f"{locations.GATES}/{gate}/{run_lookup.REPORT}",
    )

    chosen = runs.choose(listing, tag, run)
    recorded = _recorded_reason(request, chosen)
    result, abandoned = runs.check_end(listing, chosen, request.abandoned, recorded)
    document = _make_document(listing, chosen, result, gate)
    document["abandoned"] = abandoned
    document["overrides"] = {"run_folder": run, "gate_folder": gate}
    run_paths = RunPaths(request.root, chosen.folder, document["gate_folder"])
    json_files.write(run_paths, "run_detection", document)
    written = run_paths.path("run_detection")
    return StepResult(_summary(document), (written,))


def _make_document(
    listing: RemoteListing,
    chosen: ChosenRun,
    result: RemoteFile | None,
    asked_gate: str | None,
) -> Json:
    """Return the content of run_detection.json; `result` is None for a dead run.

    Raises Missing when there is no such gate report, NotFinished when processes are at work.
    """
    runs.note_context(listing, chosen)
    at_start, at_end = runs.utc_offsets(listing, chosen.folder)
    span = runs.report_window_of(listing, chosen, result, at_start, at_end)
    candidates = reports.list_candidates(listing, chosen, span)
    own_gates = [row["gate_folder"] for row in candidates if row["belongs"]]
    ignored_programs = configuration.workstation()["ignored_programs"]
    runs.check_no_processes(listing, chosen, own_gates, ignored_programs)
    gate, reason = reports.choose(candidates, asked_gate, chosen)
    return {
        "decision_tag": chosen.tag,
        "run_folder": chosen.folder,
        "run_folders": chosen.same_tag,
        "has_context": listing.file(chosen.folder, "context.json") is not None,
        "gate_folder": gate,
        "gate_folder_reason": reason,
        "report_candidates": candidates,
        "utc_offset": report_window.format_offset(at_start),
        "utc_offset_at_end": report_window.format_offset(at_end),
        "contradictions": chosen.contradictions,
        "notes": chosen.notes,
    }


def _recorded_reason(request: RunRequest, chosen: ChosenRun) -> str | None:
    """Return why an earlier detection let this run pass without a result, if it did."""
    run_paths = RunPaths(request.root, chosen.folder, None)
    # One that cannot be read is written again.
    earlier = json_files.try_read(run_paths, "run_detection")
    return values.text(earlier.members.get("abandoned"))


def _summary(document: Json) -> str:
    gate = document["gate_folder"]
    report = document["gate_folder_reason"]
    if gate:
        report = f"report {gate} ({report})"
    parts = [document["run_folder"], report]
    if document["abandoned"]:
        parts.append(f"abandoned: {document['abandoned']}")
    parts += document["contradictions"] + document["notes"]
    return "; ".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step."""
    flags = (cli.add_evidence, cli.add_abandoned)
    return cli.step_main(
        detect,
        __doc__,
        argv,
        *flags,
        lock=cli.RUN,
        finds_run=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
