"""Which gate report is the run's own, and which reports could not be read."""

import re
from collections.abc import Sequence
from datetime import datetime
from posixpath import basename, dirname, normpath
from typing import Any

from postrun.core import locations, run_names, values
from postrun.core.errors import AmbiguousRun, Missing
from postrun.decide import gates, report_window
from postrun.decide.missing_report import NOTHING_THERE
from postrun.decide.report_window import Window
from postrun.detect.runs import ChosenRun, read_members
from postrun.remote.answers import FILE_LIMIT, RemoteFile, RemoteListing, ReportListing
from postrun.store import command_file, json_files
from postrun.store.run_lookup import REPORT

ReportRow = dict[str, Any]  # as run_detection.json lists the reports that were considered

_TAG_IN_TEXT = re.compile(rb'"decision_tag"\s*:\s*("(?:[^"\\]|\\.)*")')


def folders_to_search(listing: RemoteListing, run: ChosenRun) -> list[str]:
    """Return where the run's report may be: where its command says, and in gate_results/."""
    folders = [locations.GATES]
    command = listing.file(run.folder, "command.sh")
    named = None
    if command and command.content:
        named = command_file.option_in(command.content, "--out-dir")
    if named is None or not named.isprintable():
        return folders
    folder = normpath(named)
    # The root may have been copied from where it was, or be there by another name.
    preflight = read_members(listing, run.folder, "preflight.json")
    root = values.text(preflight.get("root_dir"))
    if root:
        folder = _from_root(folder, normpath(root))
    folders.insert(0, folder)
    return list(dict.fromkeys(folders))


def _from_root(folder: str, root: str) -> str:
    """Return a folder that is below the root as a path from there."""
    if f"{folder}/".startswith(f"{root}/"):
        return normpath(f".{folder.removeprefix(root)}")
    return folder


def list_candidates(listing: ReportListing, run: ChosenRun, span: Window) -> list[ReportRow]:
    """Return a row for each report and for what could not be read, sorted by path."""
    rows = []
    for path, file in listing.files.items():
        if _is_outside(path):
            # It cannot be copied, and its evidence cannot be named from the root.
            rows.append(_unreadable(path, "outside of the root", span, file.modified))
        elif basename(path) == REPORT:
            rows.append(_candidate(file, run, span))
    for path, reason in listing.unusable.items():
        if not f"{path}/".startswith(f"{locations.RUNS}/"):
            rows.append(_unreadable(path, reason, span))
    for folder in listing.without_report:
        row = _row(f"{folder}/{REPORT}")
        row["objection"] = NOTHING_THERE
        rows.append(row)
    return sorted(rows, key=_path)


def merge(
    rows: Sequence[ReportRow],
    later_rows: Sequence[ReportRow],
    folder: str,
) -> list[ReportRow]:
    """Return the rows of two looks. A report in the run's own folder is no second one elsewhere."""
    by_path = {row["report"]: row for row in [*rows, *later_rows]}
    all_rows = by_path.values()
    merged = sorted(all_rows, key=_path)
    in_own_folder = [row for row in merged if home(row) == folder]
    if any(row["belongs"] for row in in_own_folder):
        return in_own_folder
    return merged


def relative_folders(listing: ReportListing) -> list[str]:
    """Return the folders that a look found, relative to the root those that are below it."""
    folders = []
    for folder, place in listing.places.items():
        inside = _from_root(place, listing.root)
        if _is_outside(folder) and inside != place:
            folder = inside
        folders.append(folder)
    return list(dict.fromkeys(folders))


def _is_outside(path: str) -> bool:
    return path.startswith(("/", ".."))


def _path(row: ReportRow) -> str:
    return str(row["report"])


def home(row: ReportRow | None) -> str:
    """Return the folder that a gate folder is in, relative to the root."""
    if row is None:
        return locations.GATES
    gate_folder = dirname(_path(row))
    return dirname(gate_folder)


def _row(path: str) -> ReportRow:
    folder = basename(dirname(path))
    if basename(path) != REPORT:
        folder = basename(path)
    is_gate_folder = run_names.gate_started(folder) is not None
    return {
        "report": path,
        "gate_folder": folder if is_gate_folder else None,
        "decision_tag": None,
        "generated_at": None,
        "belongs": False,
        "readable": False,
        "unusable": False,
        "objection": None,
    }


def _unreadable(path: str, problem: str, span: Window, written: float | None = None) -> ReportRow:
    """Return the row of what cannot be read; it may be the run's when its folder's time fits."""
    row = _row(path)
    folder_made = run_names.gate_started(row["gate_folder"] or "")
    too_far = None
    if folder_made is not None:
        made = folder_made.isoformat()
        too_far = report_window.why_not_this_run(span, made, folder_made, written)
    row["unusable"] = too_far is None
    row["objection"] = problem
    if too_far:
        row["objection"] += f"; its folder was {too_far}"
    return row


def _candidate(file: RemoteFile, run: ChosenRun, span: Window) -> ReportRow:
    """Return whether a report belongs to the run, and why not."""
    if file.content is None:
        reason = "that this account may not read"
        if file.size > FILE_LIMIT:
            reason = "more than can be read"
        size = f"{file.size} bytes {reason}"
        problem = f"expected a report that can be read, found {size}"
        return _unreadable(file.path, problem, span, file.modified)
    reading = json_files.try_parse(file.content, "report")
    if reading.problem:
        return _broken(file.path, file, reading.problem, run, span)
    row = _row(file.path)
    row["readable"] = True
    inputs = gates.inputs(reading.value)
    tag = inputs.get("decision_tag")
    row["decision_tag"] = values.text(tag)
    row["generated_at"] = values.text(reading.members.get("generated_at"))
    if tag == "":
        row["objection"] = "its inputs name an empty tag, as before launchers gave one"
    elif row["decision_tag"] is None:
        row["objection"] = "its inputs name no tag"
    elif run.has_tag(row["decision_tag"]):
        row["objection"] = report_window.why_not_this_run(
            span,
            row["generated_at"],
            run_names.gate_started(row["gate_folder"] or ""),
            file.modified,
        )
    else:
        row["objection"] = f"its inputs name tag {row['decision_tag']!r}"
    row["belongs"] = row["objection"] is None
    return row


def _broken(path: str, file: RemoteFile, problem: str, run: ChosenRun, span: Window) -> ReportRow:
    """Return the row of half a report; the tag in what is left may be another run's."""
    row = _unreadable(path, problem, span, file.modified)
    match = _TAG_IN_TEXT.search(file.content or b"")
    if match:
        tag = json_files.try_parse(match[1], path).value
        row["decision_tag"] = values.text(tag)
        is_own = run.has_tag(tag)
        if not is_own:
            row["unusable"] = False
            row["objection"] = f"{problem}; its inputs name tag {tag!r}"
    return row


def choose(
    rows: list[ReportRow],
    asked: str | None,
    chosen_run: ChosenRun,
    is_end_known: bool = True,
) -> tuple[ReportRow | None, str]:
    """Return the report's row and the reason: the one asked for, else the newest of this run.

    None, when no report belongs to it. Raises Missing, AmbiguousRun.
    """
    if asked is not None:
        row = _asked_row(rows, asked, chosen_run)
        return row, "it was asked for" if row else f"{asked} was asked for, and cannot be read"
    own_rows = [row for row in rows if row["belongs"]]
    if not own_rows:
        reasons = ["no report belongs to this run"]
        reasons += reasons_against(rows)
        return None, "; ".join(reasons)
    newest = max(own_rows, key=_time_and_folder)
    if len(own_rows) == 1:
        return newest, "the only report of this run"
    if not is_end_known:
        raise AmbiguousRun(
            f"gate report of {chosen_run.folder}",
            "one whose time fits, as the time of the run's end is not known",
            ", ".join(map(_path, own_rows)),
            "name it: --report-json-remote",
        )
    note = f"{len(own_rows)} reports belong to this run; the newest counts"
    chosen_run.notes.append(note)
    return newest, "the newest report of this run"


def reasons_against(rows: Sequence[ReportRow]) -> list[str]:
    """Return why each report is not the run's own."""
    return [f"{row['report']}: {row['objection']}" for row in rows if row["objection"]]


def _asked_row(rows: list[ReportRow], asked: str, chosen_run: ChosenRun) -> ReportRow | None:
    """Return the row of the report asked for; None when it cannot be read.

    Raises Missing when it is not there. Records why it is not the run's own.
    """
    for row in rows:
        if row["report"] == asked and row["objection"] != NOTHING_THERE:
            if not row["readable"]:
                row["unusable"] = True
                return None
            if row["objection"]:
                contradiction = f"report {row['gate_folder']} was asked for, but {row['objection']}"
                chosen_run.contradictions.append(contradiction)
            return row
    for row in rows:
        # The folder that it would be in, or one above.
        if f"{asked}/".startswith(f"{row['report']}/"):
            row["unusable"] = True
            return None
    raise Missing(f"{asked} on the workstation", "a file", "nothing there")


def _time_and_folder(row: ReportRow) -> tuple[datetime, str]:
    written = datetime.fromisoformat(row["generated_at"])
    return written.replace(tzinfo=None), row["gate_folder"]
