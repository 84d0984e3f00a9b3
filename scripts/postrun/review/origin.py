"""Who ran a run, on what and when: from its context, its preflight and its reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

from postrun.core import clock, values
from postrun.core.values import Json
from postrun.decide import report_window


def describe(
    began: datetime,
    context: Any,
    preflight: Any,
    quality: Any,
    detection: Json,
    report: Any,
) -> Json:
    """Return machine, code, data and times of a run; null for what nothing says.

    `began` is the time in the folder's name, local to the workstation.
    """
    offset = report_window.parse_offset(detection.get("utc_offset"))
    offset_at_end = report_window.parse_offset(detection.get("utc_offset_at_end"))
    if offset_at_end is None:
        offset_at_end = offset
    generated_at = values.member(report, "generated_at")
    began_utc = _in_utc(began, offset)
    ended_utc = _in_utc(_time(generated_at), offset_at_end)
    seconds = None
    if began_utc is not None and ended_utc is not None and ended_utc >= began_utc:
        seconds = int((ended_utc - began_utc).total_seconds())
    return {
        "host": _first_text("hostname", context, preflight),
        "branch": _first_text("git_branch", context, preflight),
        "commit": _first_text("git_commit", context, preflight),
        "changed_files": values.count(values.member(preflight, "git_dirty_count")),
        "threads": values.count(values.member(context, "threads")),
        **_data(context, quality),
        "began": _stamp(began_utc),
        "ended": _stamp(ended_utc),
        "seconds": seconds,
    }


def _first_text(name: str, *documents: Any) -> str | None:
    for document in documents:
        text = values.text(values.member(document, name))
        if text is not None:
            return text
    return None


def _data(context: Any, quality: Any) -> Json:
    """Return which data file was used, as the data-quality gate found it."""
    named = values.text(values.member(context, "data_quality_input_csv"))
    checked = values.text(values.member(quality, "inputs", "input_csv"))
    metrics = values.member(quality, "metrics")
    return {
        "data_file": checked or named,
        "data_sha256": values.text(values.member(metrics, "input_sha256")),
        "data_rows": values.count(values.member(metrics, "row_count")),
    }


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _in_utc(moment: datetime | None, offset: timedelta | None) -> datetime | None:
    """Return a time in UTC; None for a local one whose offset is not known."""
    if moment is None:
        return None
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if offset is None:
            return None
        return (moment - offset).replace(tzinfo=UTC)
    # Years 1 and 9999 have no other day beside.
    except OverflowError:
        return None


def _stamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return clock.stamp(moment)
