"""What the gate report and the table of windows say, as plain values: a number, a count, yes, no, words, or null."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from postrun.core import values
from postrun.decide import gates

WINDOW_START, MEASURES = (
    "test_start",
    ("test_ic", "test_ic_overall"),
)  # without these a table holds no windows
_DATES = ("train_start", "train_end", WINDOW_START, "test_end")
_COUNTS = ("test_n_dates", "test_n_signals")
_STATISTICS = ("mean", "std", "pos_ratio", "n")
_RISKS = (
    "beta_vs_spy",
    "turnover_top_pct_overlap",
    "size_signal_corr_log_mcap",
    "industry_coverage",
)

Values = dict[str, Any]


def gate_rows(report: Any) -> list[Values]:
    """Give every gate with threshold, observed, margin and verdict, the overall one last; none without a report."""
    return [_gate(reading) for reading in gates.readings(report)] if report is not None else []


def _gate(reading: gates.Reading) -> Values:
    shown = ("gate", "metric", "comparison", "observed", "threshold", "margin")
    reported = reading.reported
    plain = (
        reported if isinstance(reported, bool) or reported is None else json.dumps(reported)[:80]
    )
    return {
        **{name: getattr(reading, name) for name in shown},
        "verdict": reading.recomputed,
        "reported": plain,
    }


def cost_rows(report: Any) -> list[Values]:
    """Give the rows of the cost stress, in the order of the report."""
    numbers = ("cost_multiplier", "test_ic", "train_ic")
    return [
        {
            **{name: values.number(row.get(name)) for name in numbers},
            "return_code": values.count(row.get("return_code")),
        }
        for row in gates.cost_rows(report)
    ]


def walk_forward(report: Any) -> Values | None:
    """Give the statistics over all windows; None when the report has nothing on this stage."""
    stage = gates.section(report, "wf_stress")
    names = {
        f"{measure}_{statistic}": statistic for measure in MEASURES for statistic in _STATISTICS
    }
    found = {
        name: (values.count if kind == "n" else values.number)(stage.get(name))
        for name, kind in names.items()
    }
    return {**_ending(stage), "rows": values.count(stage.get("rows")), **found} if stage else None


def window(row: Mapping[str, Any]) -> Values:
    """Give one row of the table of windows; a column that this table does not have was not measured."""
    dates = {name: values.text(row.get(name)) for name in _DATES}
    ics = {name: values.cell_number(row.get(name)) for name in ("train_ic", *MEASURES)}
    return {
        **dates,
        **ics,
        **{name: values.count(values.cell_number(row.get(name))) for name in _COUNTS},
    }


def windows(rows: Iterable[Mapping[str, Any]]) -> list[Values]:
    """Give the windows, oldest test first."""
    return sorted(
        (window(row) for row in rows),
        key=lambda row: (row[WINDOW_START] or "", row["test_end"] or ""),
    )


def risk(report: Any) -> Values | None:
    """Give the risk diagnostics; None when the report has nothing on this stage."""
    stage = gates.section(report, "risk_diagnostics")
    return (
        {**_ending(stage), **{name: values.number(stage.get(name)) for name in _RISKS}}
        if stage
        else None
    )


def statistics(report: Any) -> Values | None:
    """Give the statistical gate's findings; None when the report has nothing on this stage."""
    stage = gates.section(report, "statistical_gates")
    if not stage:
        return None
    verdicts = {
        name: values.boolean(stage.get(name)) for name in ("factor_found", "factor_gate_pass")
    }
    counts = {name: values.count(stage.get(name)) for name in ("n_factors", "n_pass")}
    return {
        **_ending(stage),
        **verdicts,
        "q_value_bh": values.number(stage.get("q_value_bh")),
        **counts,
    }


def _ending(stage: Mapping[str, Any]) -> Values:
    return {
        "ok": values.boolean(stage.get("ok")),
        "reason": values.text(stage.get("reason")),
        "return_code": values.count(stage.get("return_code")),
    }
