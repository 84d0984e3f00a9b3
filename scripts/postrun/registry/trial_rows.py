"""What a closed run is as a trial: its series, its inputs, how strict its thresholds were."""

from math import sqrt
from statistics import fmean, stdev
from typing import Any

from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import baseline, gates, ics_by_date, window_series, window_years
from postrun.decide.window_series import Windows
from postrun.registry import student_q, windows
from postrun.registry.evidence_tables import Table
from postrun.store import checked_files, configuration
from postrun.store.tables import Row, Rows

# Options of the gate program that change no number.
_WITHOUT_EFFECT = {
    "decision_tag",
    "owner",
    "notes",
    "out_dir",
    "registry_csv",
    "no_registry",
    "wf_shards",
}


def read(
    run_paths: RunPaths,
    report: Any,
    counted: Any,
    policy: Row,
) -> Row:
    """Return the columns of the registry that say what a run is as a trial.

    `counted` is the report when its numbers count, else None. Raises Invalid for evidence that was
    changed.
    """
    inputs = gates.inputs(report)
    table = windows.read(run_paths, counted)
    window_rows = table.rows or []
    weaker = []
    # Without a report there is nothing to compare.
    if counted is not None:
        weaker = baseline.weaker(inputs, window_rows, policy)
    of_factor = student_q.read(run_paths, counted, inputs.get("factor"))
    return {
        **_measured(window_series.read(window_rows)),
        "q_student": of_factor.q_student,
        "is_trial": _is_trial(run_paths, report),
        "windows_asked": _windows_asked(inputs, window_rows),
        "series_by_month": _by_month(run_paths, table),
        "inputs_sha256": _inputs_digest(inputs),
        "weaker_than_baseline": "; ".join(weaker) or None,
    }


def _is_trial(run_paths: RunPaths, report: Any) -> bool:
    """Return whether the gate program had started, and it was no dry run."""
    if report is not None:
        return gates.inputs(report).get("dry_run") is not True
    # The launcher writes the context when preflight and data quality have passed.
    context = run_paths.path("context")
    listed = checked_files.manifest_digests(run_paths)
    if listed is None:
        return False
    return run_paths.relative(context) in listed.files


def _measured(window_table: Windows) -> Row:
    """Return the series as columns, and what it comes to."""
    ics = list(window_table.measured.values())
    row: Row = {
        "wf_n": len(ics),
        "wf_std": None,
        "wf_t": None,
        "series": None,
        "series_sha256": None,
    }
    if len(ics) > 1:
        row["wf_std"] = stdev(ics)
    # Windows that are all the same have no t, and cannot be judged.
    if window_table.series:
        error = row["wf_std"] / sqrt(len(ics))
        row["wf_t"] = fmean(ics) / error
        row["series"] = window_series.encode(window_table.series)
        row["series_sha256"] = window_series.digest(window_table.series)
    return row


def _by_month(run_paths: RunPaths, table: Table) -> str | None:
    """Return the ICs by month as a cell; None when the dates do not give each window's test IC."""
    dates = windows.read_dates(run_paths, table)
    if dates is None or ics_by_date.faults(table.rows or (), dates):
        return None
    months = window_series.by_month(dates)
    if len(set(months.values())) < 2:
        return None
    return window_series.encode(months)


def _windows_asked(inputs: Json, rows: Rows) -> int | None:
    width = window_years.years_each(inputs, rows)
    years = window_years.asked(inputs, width)
    if years is None:
        return None
    return len(years)


def _inputs_digest(inputs: Json) -> str | None:
    """Return the digest of the options that may change a number; None without a report."""
    if not inputs:
        return None
    effective = {}
    for name, value in inputs.items():
        if name not in _WITHOUT_EFFECT:
            effective[name] = value
    return configuration.digest(effective)
