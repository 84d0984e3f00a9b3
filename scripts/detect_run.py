"""Find the run of a decision tag on the workstation, and the gate report that belongs to it.

Reads the workstation, in one round trip; in a second one when the report is not in gate_results/.
Writes run_detection.json into the local run folder. The tag is matched exactly. Of several runs the
newest with a context counts; of several reports the newest that was made between that run's start
and its result. Reports are looked for where the run's command.sh says (--out-dir), else in
gate_results/. A run that failed is detected without a report of its own, too.
A run that cannot be closed as it is, without a valid result or without a report that can be read,
is detected with --abandoned "reason"; the reason is recorded and holds until the run can be closed.
Exit codes: 0 found; 2 wrong usage, or nothing to abandon; 3 result.json is missing, or the report
of a run whose exit code is 0; 4 result.json or a report is broken or cannot be read; 5 no such run,
the nearest tags are listed, or several reports fit; 6 the workstation did not answer; 10 processes
of the run are still at work.

    python scripts/detect_run.py --tag committee_2026-02-21_run4 --host bench
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_evidence, flags.add_abandoned)
FLAGS.answer_help(__name__)

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from postrun import cli
from postrun.core import locations
from postrun.core.errors import AmbiguousRun
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.decide import report_window
from postrun.decide.missing_report import NOTHING_THERE
from postrun.decide.report_window import Window
from postrun.detect import closing, reports, runs
from postrun.detect.reports import ReportRow
from postrun.detect.runs import ChosenRun, RunResult
from postrun.remote.answers import RemoteListing, ReportListing
from postrun.remote.workstation import Workstation, open_workstation
from postrun.store import configuration, documents, run_lookup


def detect(request: RunRequest, _: RunPaths) -> StepResult:
    """Detect one run.

    Raises Usage, Missing, Invalid, AmbiguousRun, Unreachable, NotFinished.
    """
    run = run_lookup.requested_run(request)
    asked_report = run_lookup.requested_report(request)
    tag = run_lookup.requested_tag(request)
    workstation = open_workstation(request)
    listing = workstation.list_run(
        tag,
        run and f"{locations.RUNS}/{run}",
        asked_report,
    )

    try:
        chosen = runs.choose(listing, tag, run)
    except AmbiguousRun as error:
        hint = configuration.why_not_configured(request.host, request.remote_root)
        error.add_hint(hint)
        raise
    earlier = _earlier_detection(request, chosen)
    is_given_up = request.abandoned or earlier.get("abandoned")
    result = runs.find_result(listing, chosen, may_be_missing=bool(is_given_up))
    detection = Detection(
        request,
        workstation,
        listing,
        chosen,
        earlier,
        result,
        asked_report,
    )
    document = _make_document(detection)
    document["overrides"] = {
        "run_folder": run,
        "gate_folder": run_lookup.requested_gate(request),
    }
    run_paths = RunPaths(request.root, chosen.folder, document["gate_folder"])
    documents.write(run_paths, "run_detection", document)
    written = run_paths.path("run_detection")
    return StepResult(_summary(document), (written,))


@dataclass(frozen=True)
class Detection:
    """What was asked for, and what the first round trip to the workstation found."""

    request: RunRequest
    workstation: Workstation
    listing: RemoteListing
    chosen: ChosenRun
    earlier: Json  # run_detection.json of an earlier detection
    result: RunResult | None  # None for a dead run
    asked_report: str | None  # path from the root


def _make_document(detection: Detection) -> Json:
    """Return the content of run_detection.json.

    Raises Usage, Missing, Invalid, AmbiguousRun; NotFinished when processes are at work.
    """
    listing = detection.listing
    chosen = detection.chosen
    result = detection.result
    runs.note_context(listing, chosen)
    at_start, at_end = _utc_offsets(detection)
    span = runs.report_window_of(listing, chosen, result, at_start, at_end)
    rows = _list_reports(detection, span)
    own_gates = [row["gate_folder"] for row in rows if row["belongs"]]
    ignored_programs = configuration.workstation()["ignored_programs"]
    runs.check_no_processes(listing, chosen, own_gates, ignored_programs)
    is_end_known = result is None or span.ended is not None
    report, reason = reports.choose(rows, detection.asked_report, chosen, is_end_known)
    abandoned = closing.reason_to_give_up(
        chosen,
        result,
        reports.folders_to_search(listing, chosen),
        rows,
        report is not None,
        detection.request.abandoned,
        detection.earlier,
    )
    return {
        "decision_tag": chosen.tag,
        "run_folder": chosen.folder,
        "run_folders": chosen.same_tag,
        "has_context": listing.file(chosen.folder, "context.json") is not None,
        "exit_code": result and result.exit_code,
        "gate_folder": report and report["gate_folder"],
        "gate_home": reports.home(report),
        "gate_folder_reason": reason,
        "report_candidates": [row for row in rows if row["objection"] != NOTHING_THERE],
        "utc_offset": report_window.format_offset(at_start),
        "utc_offset_at_end": report_window.format_offset(at_end),
        "abandoned": abandoned,
        "contradictions": chosen.contradictions,
        "notes": chosen.notes,
    }


def _list_reports(detection: Detection, span: Window) -> list[ReportRow]:
    """Return the reports that were considered.

    The first look finds reports in gate_results/ by the tag. Where that is not enough, or the run's
    command says another place, a second one reads all whose folder's time fits.
    """
    chosen = detection.chosen
    listing = detection.listing
    workstation = detection.workstation
    by_tag = ReportListing(listing.files, listing.unusable)
    rows = reports.list_candidates(by_tag, chosen, span)
    folders = reports.folders_to_search(listing, chosen)
    has_own = any(row["belongs"] for row in rows)
    if detection.asked_report:
        return rows
    if has_own and folders == [locations.GATES]:
        return rows
    first, last = report_window.gate_folders_between(span)
    by_time = workstation.list_reports(folders, first, last)
    relative = reports.relative_folders(by_time)
    if relative != list(by_time.places):
        by_time = workstation.list_reports(relative, first, last)
    more = reports.list_candidates(by_time, chosen, span)
    own_folder = next(iter(by_time.places), locations.GATES)
    return reports.merge(rows, more, own_folder)


def _utc_offsets(detection: Detection) -> tuple[timedelta | None, timedelta | None]:
    """Return the workstation's offsets; this machine's own clock says nothing of the workstation's.

    What an earlier detection recorded at the workstation holds.
    """
    at_start, at_end = runs.utc_offsets(detection.listing, detection.chosen.folder)
    if detection.request.no_sync:
        at_end = report_window.parse_offset(detection.earlier.get("utc_offset_at_end"))
    return at_start, at_end


def _earlier_detection(request: RunRequest, chosen: ChosenRun) -> Json:
    """Return what an earlier detection wrote, such as why the run was given up."""
    run_paths = RunPaths(request.root, chosen.folder, None)
    # One that cannot be read, or that was changed, is written again.
    return documents.read_existing(run_paths, "run_detection")


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
    return cli.step_main(
        detect,
        FLAGS,
        argv,
        name="detect-run",
        lock=cli.RUN,
        finds_run=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
