"""Is the factor more than luck, given that several were tried? One-sided t-tests, adjusted.

The family is every factor this program knows, measured over the same windows and costs.
"""

import argparse
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from production_gates.files import number, read_csv, say, write_csv, write_json
from production_gates.options import inputs
from production_gates.panel import Array, Panel, make_trial, mean, signals
from production_gates.walk_forward import COLUMNS, measure, windows

TABLE = ("factor", "n_windows", "ic_mean", "pos_ratio", "p_value", "q_value_bh", "gate_pass")
FOCUS = ("ic_mean", "pos_ratio", "p_value", "q_value_bh", "gate_pass")
REPORT = "statistical_gates_report.json"
# Points of the integral below. Its error grows with the number of windows: 2e-9 for ten, 7e-8 for
# 500.
STEPS = 20_001


def run(options: argparse.Namespace, panel: Panel, cost_bps: float, folder: Path) -> dict[str, Any]:
    """Write the family's windows, the table and the report; return the statistical_gates."""
    moment = datetime.now()
    home = folder / "statistical" / f"statistical_gates_{moment:%Y-%m-%d_%H%M%S}"
    table_path, report_path = home / "statistical_gates_table.csv", home / REPORT
    source = Path(options.stat_summary_csv)
    if not options.stat_summary_csv:
        source = write_family(options, panel, cost_bps, home)
    table = judge(read_csv(source), options)
    write_csv(table_path, TABLE, table)

    focus = next((row for row in table if row["factor"] == options.factor), {})
    is_found = bool(focus)
    values = {key: focus.get(key) for key in FOCUS}
    q_value, gate_pass = values["q_value_bh"], values["gate_pass"]
    passed = sum(row["gate_pass"] for row in table)
    counts = {"n_factors": len(table), "n_pass": passed}
    report = {
        "generated_at": moment.isoformat(timespec="seconds"),
        "inputs": inputs(options),
        "summary_csv": str(source),
        "table_csv": str(table_path),
        **counts,
        "focus": {"factor": options.factor, "found": is_found, **values},
    }
    write_json(report_path, report)
    say("statistical", f"q={q_value} pass={gate_pass}; {passed} of {len(table)} factors pass")
    return {
        "ok": True,
        "return_code": 0,
        "report_json": str(report_path),
        "factor_found": is_found,
        "factor_gate_pass": gate_pass,
        "q_value_bh": q_value,
        **counts,
    }


def write_family(options: argparse.Namespace, panel: Panel, cost_bps: float, home: Path) -> Path:
    """Write the windows of every factor; return the file."""
    rows = []
    known = signals(options.factor, options.look_back, options.skip)
    for factor, of_closes in known.items():
        trial = make_trial(panel, of_closes, cost_bps)
        for window in windows(options):
            row = measure(trial, window, options.stress_cost_multiplier, options.risk_top_pct)
            rows.append({"factor": factor} | row)
    path = home / "family_walk_forward.csv"
    write_csv(path, COLUMNS, rows)
    return path


def judge(rows: Sequence[dict[str, str]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the table: one row a factor, with adjusted p-values and the gate's answer."""
    samples: dict[str, list[float]] = {row["factor"]: [] for row in rows}
    for row in rows:
        ic = float(row["test_ic"] or "nan")
        # A window that is not a number was not measured, like an empty cell.
        if math.isfinite(ic):
            samples[row["factor"]].append(ic)
    names = sorted(samples)
    p_values = [p_value(np.array(samples[name])) for name in names]
    q_values = adjusted(p_values)
    table = []
    for name, p, q in zip(names, p_values, q_values, strict=True):
        table.append(table_row(name, np.array(samples[name]), p, q, options))
    return table


def table_row(
    name: str, ics: Array, p: float, q: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Return one factor's row. It passes when q, share of positive windows and mean IC all do."""
    mean_ic = mean(ics)
    positive = mean((ics > 0).astype(float))
    enough = positive >= options.stat_min_pos_ratio and mean_ic > options.stat_min_ic_mean
    return {
        "factor": name,
        "n_windows": len(ics),
        "ic_mean": number(mean_ic),
        "pos_ratio": number(positive),
        "p_value": number(p),
        "q_value_bh": number(q),
        "gate_pass": bool(q <= options.stat_alpha and enough),
    }


def p_value(sample: Array) -> float:
    """Return the chance of a mean this high when the true mean is zero; 1 if it cannot be known.

    Student's one-sided t-test. With t = sqrt(n) tan(a) for n degrees of freedom, Student's density
    becomes cos(a)**(n - 1) up to a constant, so the tail is a share of one smooth integral, which
    the trapezoid rule gives.
    """
    if len(sample) < 2 or np.ptp(sample) == 0:
        return 1.0
    freedom = len(sample) - 1
    t = float(sample.mean() / sample.std(ddof=1) * np.sqrt(len(sample)))
    lowest, highest = -np.pi / 2, np.pi / 2
    tail = integral(float(np.arctan(t / np.sqrt(freedom))), highest, freedom)
    return tail / integral(lowest, highest, freedom)


def integral(low: float, high: float, freedom: int) -> float:
    """Return the integral of cos(a)**(freedom - 1) from low to high."""
    angle = np.linspace(low, high, STEPS)
    return float(np.trapezoid(np.cos(angle) ** (freedom - 1), angle))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the q-values: the smallest false discovery rate at which each would still count.

    Benjamini, Hochberg 1995. A p-value that is not a number counts as 1: NaN has no place in an
    order, and would give a factor the q of another.
    """
    known = [1.0 if math.isnan(p) else p for p in p_values]
    count = len(known)
    descending = sorted(range(count), key=lambda index: known[index], reverse=True)
    q_values = [1.0] * count
    lowest = 1.0
    for rank, index in zip(range(count, 0, -1), descending, strict=True):
        lowest = min(lowest, known[index] * count / rank)
        q_values[index] = lowest
    return q_values
