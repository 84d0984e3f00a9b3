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


Point = tuple[float, float]  # cost multiplier, test IC
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
        multiplier = row["cost_multiplier"]
        test_ic = row["test_ic"]
        if multiplier is not None and test_ic is not None:
            measured[multiplier] = test_ic
    if len(measured) < 2:
        return None
    points = sorted(measured.items())
    pairs = list(pairwise(points))
    place = ABOVE
    crossing = pairs[-1]
    for pair in pairs:
        _, (_, test_ic) = pair
        if test_ic <= 0:
            place = BETWEEN
            crossing = pair
            break
    _, first_ic = points[0]
    if first_ic <= 0:
        return {"place": BELOW, "multiplier": None}
    return {"place": place, "multiplier": _zero(*crossing)}


def _zero(first: Point, second: Point) -> float | None:
    """Return where the falling line through two points is zero; None when it does not fall."""
    start, before = first
    end, after = second
    fall = before - after
    if fall <= 0:
        return None
    share = before / fall
    width = end - start
    # A line that hardly falls may reach zero beyond all numbers.
    return values.number(start + share * width)


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
