"""Which gate report is the run's own."""

from datetime import datetime
from typing import Any

from postrun.core import locations, values
from postrun.core.errors import Invalid, Missing
from postrun.decide import gates, report_window
from postrun.decide.report_window import Window
from postrun.detect.runs import Finding
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.store import json_files
from postrun.store.run_lookup import REPORT


def candidates(seen: RemoteListing, tag: str, span: Window) -> list[dict[str, Any]]:
    """Judge every report that mentions the tag, or was asked for; sorted by folder."""
    files = [
        file for path, file in sorted(seen.files.items()) if path.startswith(f"{locations.GATES}/")
    ]
    return [_judged(file, tag, span) for file in files]


def _judged(file: RemoteFile, tag: str, span: Window) -> dict[str, Any]:
    row: dict[str, Any] = {
        "gate_folder": file.path.split("/")[1],
        "decision_tag": None,
        "generated_at": None,
    }
    try:
        if file.content is None:
            raise Invalid(
                file.path,
                "a report that can be read",
                f"{file.size} bytes that cannot, or are too many",
            )
        report = json_files.parse(file.content, file.path).value
    except Invalid as invalid:
        return {**row, "belongs": False, "objection": str(invalid)}
    row["decision_tag"] = values.text(gates.inputs(report).get("decision_tag"))
    row["generated_at"] = values.text(values.member(report, "generated_at"))
    if row["decision_tag"] != tag:
        why_not_this_run: str | None = f"its inputs name tag {row['decision_tag']!r}"
    else:
        why_not_this_run = report_window.why_not_this_run(span, row["generated_at"])
    return {**row, "belongs": why_not_this_run is None, "objection": why_not_this_run}


def choose(rows: list[dict[str, Any]], asked: str | None, found: Finding) -> tuple[str | None, str]:
    """Choose the gate folder and say why: the one asked for, else the newest of this run, else none. Raises Missing."""
    if asked is not None:
        return _asked_for(rows, asked, found)
    mine = [row for row in rows if row["belongs"]]
    if not mine:
        objections = [f"{row['gate_folder']}: {row['objection']}" for row in rows]
        return None, "; ".join(["no report belongs to this run", *objections])
    newest = max(mine, key=lambda row: (_moment(row["generated_at"]), row["gate_folder"]))
    if len(mine) > 1:
        found.notes.append(f"{len(mine)} reports belong to this run; the newest counts")
    why = "the newest report of this run" if len(mine) > 1 else "the only report of this run"
    return str(newest["gate_folder"]), why


def _asked_for(rows: list[dict[str, Any]], asked: str, found: Finding) -> tuple[str, str]:
    row = next((row for row in rows if row["gate_folder"] == asked), None)
    if row is None:
        raise Missing(
            f"{locations.GATES}/{asked}/{REPORT} on the workstation", "a file", "nothing there"
        )
    if row["objection"]:
        found.contradictions.append(f"report {asked} was asked for, but {row['objection']}")
    return asked, "it was asked for"


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).replace(tzinfo=None)
