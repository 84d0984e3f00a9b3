"""Which gate report is the run's own."""

from datetime import datetime
from typing import Any

from detection.runs import Finding
from postrun import artifacts, belonging, layout
from postrun.belonging import Window
from postrun.errors import Invalid, Missing
from postrun.target import REPORT
from postrun.workstation import File, Look


def candidates(seen: Look, tag: str, span: Window) -> list[dict[str, Any]]:
    """Judge every report that mentions the tag, or was asked for; sorted by folder."""
    files = [file for path, file in sorted(seen.files.items()) if path.startswith(f"{layout.GATES}/")]
    return [_judged(file, tag, span) for file in files]


def _judged(file: File, tag: str, span: Window) -> dict[str, Any]:
    row: dict[str, Any] = {"gate_folder": file.path.split("/")[1], "decision_tag": None, "generated_at": None}
    try:
        if file.content is None:
            raise Invalid(file.path, "a report that can be read", f"{file.size} bytes that cannot, or are too many")
        report = artifacts.parse(file.content, file.path)[0]
    except Invalid as invalid:
        return {**row, "belongs": False, "objection": str(invalid)}
    inputs = _member(report, "inputs") or _member(report, "args")  # `args`: older reports
    row["decision_tag"] = _text(_member(inputs, "decision_tag"))
    row["generated_at"] = _text(_member(report, "generated_at"))
    if row["decision_tag"] != tag:
        objection: str | None = f"its inputs name tag {row['decision_tag']!r}"
    else:
        objection = belonging.objection(span, row["generated_at"])
    return {**row, "belongs": objection is None, "objection": objection}


def _member(document: Any, key: str) -> Any:
    return document.get(key) if isinstance(document, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


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
        raise Missing(f"{layout.GATES}/{asked}/{REPORT} on the workstation", "a file", "nothing there")
    if row["objection"]:
        found.contradictions.append(f"report {asked} was asked for, but {row['objection']}")
    return asked, "it was asked for"


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).replace(tzinfo=None)
