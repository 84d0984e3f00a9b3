"""Walk-forward windows under cost stress, measured by shard processes and merged.

Nothing is fitted, so the train columns of a window show what was known before its test years.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from production_gates.files import number, read_csv, say, write_csv, write_json
from production_gates.panel import YEAR, Array, Trial, mean, spearman

COLUMNS = (
    "factor",
    "train_start",
    "train_end",
    "test_start",
    "test_end",
    "train_ic",
    "train_ic_overall",
    "train_n_dates",
    "train_n_signals",
    "test_ic",
    "test_ic_overall",
    "test_n_dates",
    "test_n_signals",
    "test_year",
    "test_sharpe",
    "test_win_rate",
    "rebalance_freq",
    "holding_period",
)
SUMMARY = "walk_forward_summary.csv"
# One row for each month of the windows: the stocks and the IC whose mean is the window's test_ic.
DATE_COLUMNS = ("date", "n", "ic")
BY_DATE = "ic_by_date.csv"
Window = tuple[int, int, int, int]  # first and last train year, first and last test year


def windows(options: argparse.Namespace) -> list[Window]:
    """Return the windows, oldest first.

    The first one trains from wf_start_year on; the last one's tests end by wf_end_year.
    """
    train, test = options.wf_train_years, options.wf_test_years
    starts = range(options.wf_start_year + train, options.wf_end_year - test + 2, test)
    return [(year - train, year - 1, year, year + test - 1) for year in starts]


def measure(trial: Trial, window: Window, multiplier: float, top_pct: float) -> dict[str, Any]:
    """Return one row of the summary, without its factor."""
    train_first, train_last, test_first, test_last = window
    net, ics = trial.net(multiplier), trial.ics(multiplier)
    row: dict[str, Any] = {
        "rebalance_freq": "monthly",
        "holding_period": "1 month",
        "test_year": test_first,
    }
    years = {"train": (train_first, train_last), "test": (test_first, test_last)}
    for part, (first, last) in years.items():
        months = (trial.years >= first) & (trial.years <= last)
        signal = trial.signal[months]
        overall = spearman(signal.ravel(), net[months].ravel())
        row[f"{part}_start"] = f"{first}-01-01"
        row[f"{part}_end"] = f"{last}-12-31"
        row[f"{part}_ic"] = number(mean(ics[months]))
        row[f"{part}_ic_overall"] = number(overall)
        row[f"{part}_n_dates"] = int(months.sum())
        row[f"{part}_n_signals"] = signal.size

    in_test = (trial.years >= test_first) & (trial.years <= test_last)
    spread = long_short(trial.signal[in_test], net[in_test], top_pct)
    row["test_sharpe"] = yearly_sharpe(spread)
    row["test_win_rate"] = number(mean((spread > 0).astype(float)))
    return row


def by_date(trial: Trial, window: Window, multiplier: float) -> list[dict[str, Any]]:
    """Return the IC of each test month of a window, oldest first."""
    _, _, test_first, test_last = window
    in_test = (trial.years >= test_first) & (trial.years <= test_last)
    ics = trial.ics(multiplier)
    rows = []
    for month in np.flatnonzero(in_test):
        row = {"date": trial.days[month], "n": trial.signal[month].size, "ic": number(ics[month])}
        rows.append(row)
    return rows


def yearly_sharpe(returns: Array) -> float | None:
    """Return the Sharpe ratio a year of monthly returns; None when there is only one."""
    if len(returns) < 2:
        return None
    return number(mean(returns) / returns.std(ddof=1) * np.sqrt(YEAR))


def long_short(signal: Array, net: Array, top_pct: float) -> Array:
    """Return the monthly net return of top minus bottom stocks, equally weighted (K,)."""
    order = np.argsort(signal, axis=1, kind="stable")
    count = top_count(signal.shape[1], top_pct)
    ranked = np.take_along_axis(net, order, axis=1)
    return np.asarray(ranked[:, -count:].mean(axis=1) - ranked[:, :count].mean(axis=1))


def top_count(stocks: int, top_pct: float) -> int:
    return max(1, round(stocks * top_pct))


def split(options: argparse.Namespace) -> list[list[Window]]:
    """Return each shard's windows: neighbouring years, and no shard without a window."""
    every_window = windows(options)
    shards = []
    for block in np.array_split(np.arange(len(every_window)), options.wf_shards):
        if len(block):
            shards.append([every_window[index] for index in block])
    return shards


def run_shard(options: argparse.Namespace, trial: Trial) -> int:
    """Measure one shard's windows, spread over --min-seconds; return the exit code."""
    shards = split(options)
    shard_windows = shards[options.shard - 1]
    count = len(shard_windows)
    started = datetime.now()
    folder = options.gate_folder / "walk_forward_stress" / f"shard_{options.shard:02d}"
    rows, dates = [], []
    for done, window in enumerate(shard_windows, start=1):
        pace(options.parent, options.min_seconds / count)
        row = measure(trial, window, options.stress_cost_multiplier, options.risk_top_pct)
        rows.append({"factor": options.factor} | row)
        write_csv(folder / options.factor / SUMMARY, COLUMNS, rows)
        dates += by_date(trial, window, options.stress_cost_multiplier)
        write_csv(folder / options.factor / BY_DATE, DATE_COLUMNS, dates)
        position = f"shard {options.shard}/{len(shards)} window {window[2]}"
        say("walk_forward", f"{position} done {done}/{count}")
    meta = {
        "shard": options.shard,
        "n_shards": len(shards),
        "factor": options.factor,
        "pid": os.getpid(),
        "test_years": [window[2] for window in shard_windows],
        "cost_multiplier": options.stress_cost_multiplier,
        "started_at": started.isoformat(),
        "ended_at": datetime.now().isoformat(),
    }
    write_json(folder / "run_meta.json", meta)
    return 0


def pace(parent: int, seconds: float) -> None:
    """Wait. A shard whose parent has ended stops: nobody would merge its windows."""
    end = time.monotonic() + seconds
    while True:
        if os.getppid() != parent:
            raise SystemExit("walk-forward shard: the gate program that started it is gone")
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.2))


def run(options: argparse.Namespace, argv: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the shards side by side, merge their summaries, return the report's wf_stress."""
    internal = ["--gate-folder", str(folder), "--parent", str(os.getpid()), "--shard"]
    program = [sys.executable, sys.argv[0], *argv, *internal]
    count = len(split(options))
    processes = [subprocess.Popen([*program, str(shard)]) for shard in range(1, count + 1)]
    codes = [process.wait() for process in processes]
    failures = []
    for shard, code in enumerate(codes, start=1):
        if code:
            failures.append(f"shard {shard} of {count} ended with {code}")
    if failures or not codes:
        reason = "; ".join(failures) or "no window fits between wf_start_year and wf_end_year"
        say("walk_forward", f"failed: {reason}")
        first_code = next(filter(None, codes), 1)
        return {"ok": False, "reason": reason, "return_code": first_code}
    home = folder / "walk_forward_stress"
    summary = merge(home, options.factor, SUMMARY, COLUMNS, order="test_start")
    merge(home, options.factor, BY_DATE, DATE_COLUMNS, order="date")
    result = {"ok": True, **statistics(summary), "return_code": 0, "summary_csv": str(summary)}
    say("walk_forward", f"test_ic_mean={result['test_ic_mean']} over {result['test_ic_n']} windows")
    return result


def merge(folder: Path, factor: str, name: str, columns: Sequence[str], order: str) -> Path:
    """Write what all shards wrote under a name into one table, by one of its columns; return it."""
    rows = []
    for path in sorted(folder.glob(f"shard_*/{factor}/{name}")):
        rows += read_csv(path)
    merged = folder / factor / name
    write_csv(merged, columns, sorted(rows, key=lambda row: row[order]))
    return merged


def statistics(summary: Path) -> dict[str, Any]:
    """Return mean, standard deviation (ddof 1), share of positives and count of the test ICs."""
    rows = read_csv(summary)
    result: dict[str, Any] = {"rows": len(rows)}
    for column in ("test_ic", "test_ic_overall"):
        ics = np.array([float(row[column]) for row in rows if row[column]])
        result[f"{column}_mean"] = number(mean(ics))
        result[f"{column}_std"] = number(ics.std(ddof=1)) if len(ics) > 1 else None
        result[f"{column}_pos_ratio"] = number(mean((ics > 0).astype(float)))
        result[f"{column}_n"] = len(ics)
    return result
