"""Which gate report is the run's own."""

from datetime import datetime
from typing import Any

from postrun.core import locations, run_names, values
from postrun.core.errors import Missing
from postrun.decide import gates, report_window
from postrun.decide.report_window import Window
from postrun.detect.runs import ChosenRun
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.store import json_files
from postrun.store.run_lookup import REPORT

ReportRow = dict[str, Any]  # as run_detection.json lists the reports that were considered


def list_candidates(
    listing: RemoteListing,
    run: ChosenRun,
    span: Window,
) -> list[ReportRow]:
    """Return a row for each report that mentions the tag or was asked for, sorted by folder."""
    rows = []
    for path, file in sorted(listing.files.items()):
        if path.startswith(f"{locations.GATES}/"):
            rows.append(_candidate(file, run, span))
    return rows


def _candidate(file: RemoteFile, run: ChosenRun, span: Window) -> ReportRow:
    """Return whether a report belongs to the run, and why not."""
    row: ReportRow = {
        "gate_folder": file.path.split("/")[1],
        "decision_tag": None,
        "generated_at": None,
        "belongs": False,
        "objection": None,
    }
    if file.content is None:
        size = f"{file.size} bytes that cannot, or are too many"
        row["objection"] = f"{file.path}: expected a report that can be read, found {size}"
        return row
    reading = json_files.try_parse(file.content, file.path)
    if reading.problem:
        row["objection"] = reading.problem
        return row
    inputs = gates.inputs(reading.value)
    row["decision_tag"] = values.text(inputs.get("decision_tag"))
    row["generated_at"] = values.text(reading.members.get("generated_at"))
    if run.has_tag(row["decision_tag"]):
        row["objection"] = report_window.why_not_this_run(
            span,
            row["generated_at"],
            run_names.gate_started(row["gate_folder"]),
            file.modified,
        )
    else:
        row["objection"] = f"its inputs name tag {row['decision_tag']!r}"
    row["belongs"] = row["objection"] is None
    return row


def choose(
    rows: list[ReportRow],
    asked: str | None,
    chosen_run: ChosenRun,
) -> tuple[str | None, str]:
    """Return the gate folder and the reason: the one asked for, else the newest of this run.

    None, when no report belongs to it. Raises Missing.
    """
    if asked is not None:
        _check_asked(rows, asked, chosen_run)
        return asked, "it was asked for"
    own_rows = [row for row in rows if row["belongs"]]
    if not own_rows:
        reasons = ["no report belongs to this run"]
        reasons += [f"{row['gate_folder']}: {row['objection']}" for row in rows]
        return None, "; ".join(reasons)
    newest = max(own_rows, key=_time_and_folder)
    if len(own_rows) == 1:
        return newest["gate_folder"], "the only report of this run"
    note = f"{len(own_rows)} reports belong to this run; the newest counts"
    chosen_run.notes.append(note)
    return newest["gate_folder"], "the newest report of this run"


def _check_asked(rows: list[ReportRow], asked: str, chosen_run: ChosenRun) -> None:
    """Raise Missing when the report asked for is not there; record why it is not the run's own."""
    objections = {row["gate_folder"]: row["objection"] for row in rows}
    if asked not in objections:
        report = f"{locations.GATES}/{asked}/{REPORT} on the workstation"
        raise Missing(report, "a file", "nothing there")
    if objections[asked]:
        contradiction = f"report {asked} was asked for, but {objections[asked]}"
        chosen_run.contradictions.append(contradiction)


def _time_and_folder(row: ReportRow) -> tuple[datetime, str]:
    written = datetime.fromisoformat(row["generated_at"])
    return written.replace(tzinfo=None), row["gate_folder"]
