"""Is the factor more than luck, given that several were tried? One-sided t-tests, adjusted over the family.

The family is every factor this program knows, each measured over the same windows under the same costs.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from production_gates.files import number, read_csv, say, write_csv, write_json
from production_gates.options import inputs
from production_gates.panel import FACTORS, Array, Panel, mean, trial
from production_gates.walk_forward import COLUMNS, measure, windows

TABLE = ("factor", "n_windows", "ic_mean", "pos_ratio", "p_value", "q_value_bh", "gate_pass")
STEPS = 20_001  # points of the integral below; its error is far under 1e-9


def run(options: argparse.Namespace, panel: Panel, cost_bps: float, folder: Path) -> dict[str, Any]:
    """Write the windows of the family, the table and the report; give the gate report's statistical_gates."""
    moment = datetime.now()
    home = folder / "statistical" / f"statistical_gates_{moment:%Y-%m-%d_%H%M%S}"
    source = (
        Path(options.stat_summary_csv)
        if options.stat_summary_csv
        else family(options, panel, cost_bps, home)
    )
    table = judge(read_csv(source), options)
    write_csv(home / "statistical_gates_table.csv", TABLE, table)
    focus = next((row for row in table if row["factor"] == options.factor), {})
    passed = sum(row["gate_pass"] for row in table)
    values = {
        key: focus.get(key)
        for key in ("ic_mean", "pos_ratio", "p_value", "q_value_bh", "gate_pass")
    }
    counts = {"n_factors": len(table), "n_pass": passed}
    report = {"generated_at": moment.isoformat(timespec="seconds"), "inputs": inputs(options)}
    report |= {
        "summary_csv": str(source),
        "table_csv": str(home / "statistical_gates_table.csv"),
        **counts,
    }
    report["focus"] = {"factor": options.factor, "found": bool(focus), **values}
    write_json(home / "statistical_gates_report.json", report)
    say(
        "statistical",
        f"q={values['q_value_bh']} pass={values['gate_pass']}; {passed} of {len(table)} factors pass",
    )
    answer = {
        "factor_found": bool(focus),
        "factor_gate_pass": values["gate_pass"],
        "q_value_bh": values["q_value_bh"],
    }
    return {
        "ok": True,
        "return_code": 0,
        "report_json": str(home / "statistical_gates_report.json"),
        **answer,
        **counts,
    }


def family(options: argparse.Namespace, panel: Panel, cost_bps: float, home: Path) -> Path:
    """Write every factor's windows side by side."""
    rows = []
    for factor in FACTORS:
        tried = trial(panel, factor, cost_bps)
        for window in windows(options):
            row = measure(tried, window, options.stress_cost_multiplier, options.risk_top_pct)
            rows.append({"factor": factor} | row)
    write_csv(home / "family_walk_forward.csv", COLUMNS, rows)
    return home / "family_walk_forward.csv"


def judge(rows: Sequence[dict[str, str]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Give a row a factor, with the p-values adjusted and the three conditions put together."""
    samples: dict[str, list[float]] = {row["factor"]: [] for row in rows}
    for row in rows:
        if row["test_ic"]:
            samples[row["factor"]].append(float(row["test_ic"]))
    names = sorted(samples)
    p_values = [p_value(np.array(samples[name])) for name in names]
    return [
        verdict(name, np.array(samples[name]), p, q, options)
        for name, p, q in zip(names, p_values, adjusted(p_values), strict=True)
    ]


def verdict(
    name: str, ics: Array, p: float, q: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Give one factor's row of the table."""
    positive = mean((ics > 0).astype(float))
    enough = positive >= options.stat_min_pos_ratio and mean(ics) > options.stat_min_ic_mean
    row = {
        "factor": name,
        "n_windows": len(ics),
        "ic_mean": number(mean(ics)),
        "pos_ratio": number(positive),
    }
    return row | {
        "p_value": number(p),
        "q_value_bh": number(q),
        "gate_pass": bool(q <= options.stat_alpha and enough),
    }


def p_value(sample: Array) -> float:
    """Chance of a mean this high under a true mean of zero (Student's one-sided t-test); 1 if not to be told.

    With t = sqrt(n) tan(a) for n degrees of freedom, Student's density becomes cos(a)**(n - 1) up to a
    constant, so the tail is a share of one smooth integral (trapezoid rule).
    """
    if len(sample) < 2 or np.ptp(sample) == 0:
        return 1.0
    freedom = len(sample) - 1
    t = float(sample.mean() / sample.std(ddof=1) * np.sqrt(len(sample)))
    tail, whole = (
        np.trapezoid(np.cos(angle) ** (freedom - 1), angle)
        for angle in (
            np.linspace(low, np.pi / 2, STEPS)
            for low in (np.arctan(t / np.sqrt(freedom)), -np.pi / 2)
        )
    )
    return float(tail / whole)


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg q-values (1995): smallest false discovery rate at which each would still count."""
    count = len(p_values)
    order = sorted(range(count), key=lambda place: p_values[place], reverse=True)
    q_values, lowest = [1.0] * count, 1.0
    for rank, place in zip(range(count, 0, -1), order, strict=True):
        lowest = min(lowest, p_values[place] * count / rank)
        q_values[place] = lowest
    return q_values
