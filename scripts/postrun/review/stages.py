"""What the gate report and the table of windows say, stage by stage, as plain values.

A value of an unexpected type is null: it was not measured.
"""

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from postrun.core import values
from postrun.core.values import Json
from postrun.decide import gates


def _cell_count(cell: Any) -> int | None:
    return values.count(values.cell_number(cell))


# Where the test IC becomes zero, beside the measured cost multipliers.
BELOW, BETWEEN, ABOVE = "below", "between", "above"
# Each value that the review shows, with the reader for its type.
Readers = dict[str, Callable[[Any], Any]]
_COST: Readers = {
    "cost_multiplier": values.number,
    "test_ic": values.number,
    "train_ic": values.number,
    "return_code": values.count,
}
_ENDING: Readers = {
    "ok": values.boolean,
    "reason": values.text,
    "return_code": values.count,
}
_STAGES: dict[str, Readers] = {
    "wf_stress": {
        "rows": values.count,
        "test_ic_mean": values.number,
        "test_ic_std": values.number,
        "test_ic_pos_ratio": values.number,
        "test_ic_n": values.count,
        "test_ic_overall_mean": values.number,
        "test_ic_overall_std": values.number,
        "test_ic_overall_pos_ratio": values.number,
        "test_ic_overall_n": values.count,
    },
    "risk_diagnostics": {
        "beta_vs_spy": values.number,
        "turnover_top_pct_overlap": values.number,
        "size_signal_corr_log_mcap": values.number,
        "industry_coverage": values.number,
    },
    "statistical_gates": {
        "factor_found": values.boolean,
        "factor_gate_pass": values.boolean,
        "q_value_bh": values.number,
        "n_factors": values.count,
        "n_pass": values.count,
    },
}
_WINDOW: Readers = {
    "train_start": values.text,
    "train_end": values.text,
    "test_start": values.text,
    "test_end": values.text,
    "train_ic": values.cell_number,
    "test_ic": values.cell_number,
    "test_ic_overall": values.cell_number,
    "test_n_dates": _cell_count,
    "test_n_signals": _cell_count,
}


def gate_rows(report: Any) -> list[Json]:
    """Return every gate with its numbers and verdicts, the overall one last.

    None without a report.
    """
    if report is None:
        return []
    return [_gate(reading) for reading in gates.readings(report)]


def _gate(reading: gates.Reading) -> Json:
    reported = reading.reported
    # The page shows a verdict that is neither true nor false for what it is.
    if not isinstance(reported, bool | None):
        reported = json.dumps(reported)[:80]
    return {**gates.numbers(reading), "verdict": reading.recomputed, "reported": reported}


def cost_rows(report: Any) -> list[Json]:
    """Return the rows of the cost stress, in the order of the report."""
    return [_read(row, _COST) for row in gates.cost_rows(report)]


def break_even(rows: Iterable[Json]) -> Json | None:
    """Return the cost multiplier at which the test IC is zero; None with fewer than two points.

    Between two measured multipliers it lies on the straight line between them; above the largest,
    on the line through the last two, when that falls. Below the smallest none is given.
    """
    measured = {}
    for row in rows:
        if row["cost_multiplier"] is not None and row["test_ic"] is not None:
            measured[row["cost_multiplier"]] = row["test_ic"]
    points = sorted(measured.items())
    if len(points) < 2:
        return None
    if points[0][1] <= 0:
        return {"place": BELOW, "multiplier": None}
    pairs = list(pairwise(points))
    for first, second in pairs:
        if second[1] <= 0:
            return {"place": BETWEEN, "multiplier": _zero(first, second)}
    first, second = pairs[-1]
    multiplier = None
    if second[1] < first[1]:
        multiplier = values.number(_zero(first, second))
    return {"place": ABOVE, "multiplier": multiplier}


def _zero(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return where the line through two points of different heights is zero."""
    share = first[1] / (first[1] - second[1])
    return first[0] + share * (second[0] - first[0])


def stage(report: Any, name: str) -> Json | None:
    """Return how a stage ended and what it measured; None when the report has nothing on it."""
    section = gates.section(report, name)
    return _read(section, _ENDING | _STAGES[name]) if section else None


def windows(rows: Iterable[Json]) -> list[Json]:
    """Return the rows of the table of windows, oldest test first; a missing column is null."""
    return sorted((_read(row, _WINDOW) for row in rows), key=_test_dates)


def _test_dates(window: Json) -> tuple[str, str]:
    return window["test_start"] or "", window["test_end"] or ""


def _read(members: Json, readers: Readers) -> Json:
    return {name: read(members.get(name)) for name, read in readers.items()}
