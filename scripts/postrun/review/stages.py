"""What the gate report and the table of windows say, stage by stage, as plain values.

A value of an unexpected type is null: it was not measured.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from postrun.core import values
from postrun.core.values import Json
from postrun.decide import gates

# Without these columns a table holds no windows.
WINDOW_START = "test_start"
MEASURES = ("test_ic", "test_ic_overall")

_DATES = ("train_start", "train_end", WINDOW_START, "test_end")
_RISKS = (
    "beta_vs_spy",
    "turnover_top_pct_overlap",
    "size_signal_corr_log_mcap",
    "industry_coverage",
)


def gate_rows(report: Any) -> list[Json]:
    """Return every gate with its numbers and verdicts, the overall one last; none without a report."""
    if report is None:
        return []
    return [_gate(reading) for reading in gates.readings(report)]


def _gate(reading: gates.Reading) -> Json:
    reported = reading.reported
    # The page shows a verdict that is neither true nor false for what it is.
    if reported is not None and not isinstance(reported, bool):
        reported = json.dumps(reported)[:80]
    return {**gates.numbers(reading), "verdict": reading.recomputed, "reported": reported}


def cost_rows(report: Any) -> list[Json]:
    """Return the rows of the cost stress, in the order of the report."""
    rows = []
    for row in gates.cost_rows(report):
        numbers = _read(row, values.number, ("cost_multiplier", "test_ic", "train_ic"))
        rows.append({**numbers, "return_code": values.count(row.get("return_code"))})
    return rows


def walk_forward(report: Any) -> Json | None:
    """Return the statistics over all windows; None when the report has nothing on this stage."""
    stage = gates.section(report, "wf_stress")
    if not stage:
        return None
    statistics = _ending(stage)
    statistics["rows"] = values.count(stage.get("rows"))
    for measure in MEASURES:
        numbers = [f"{measure}_{statistic}" for statistic in ("mean", "std", "pos_ratio")]
        statistics |= _read(stage, values.number, numbers)
        statistics |= _read(stage, values.count, [f"{measure}_n"])
    return statistics


def window(row: Mapping[str, Any]) -> Json:
    """Return one row of the table of windows; a column that the table does not have is null."""
    return {
        **_read(row, values.text, _DATES),
        **_read(row, values.cell_number, ("train_ic", *MEASURES)),
        **_read(row, _cell_count, ("test_n_dates", "test_n_signals")),
    }


def windows(rows: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Return the windows, oldest test first."""
    return sorted(map(window, rows), key=_test_dates)


def _test_dates(row: Json) -> tuple[str, str]:
    return row[WINDOW_START] or "", row["test_end"] or ""


def risk(report: Any) -> Json | None:
    """Return the risk diagnostics; None when the report has nothing on this stage."""
    stage = gates.section(report, "risk_diagnostics")
    if not stage:
        return None
    return {**_ending(stage), **_read(stage, values.number, _RISKS)}


def statistics(report: Any) -> Json | None:
    """Return what the statistical gate says; None when the report has nothing on this stage."""
    stage = gates.section(report, "statistical_gates")
    if not stage:
        return None
    return {
        **_ending(stage),
        **_read(stage, values.boolean, ("factor_found", "factor_gate_pass")),
        **_read(stage, values.number, ("q_value_bh",)),
        **_read(stage, values.count, ("n_factors", "n_pass")),
    }


def _ending(stage: Mapping[str, Any]) -> Json:
    """Return how a stage ended."""
    return {
        "ok": values.boolean(stage.get("ok")),
        "reason": values.text(stage.get("reason")),
        "return_code": values.count(stage.get("return_code")),
    }


def _read(members: Mapping[str, Any], reader: Callable[[Any], Any], names: Iterable[str]) -> Json:
    """Return the members of these names, each read by one of the small readers."""
    return {name: reader(members.get(name)) for name in names}


def _cell_count(cell: Any) -> int | None:
    return values.count(values.cell_number(cell))
