"""Walk-forward windows under cost stress: shard processes side by side, their copies, the merged summary.

Nothing is fitted, so the train columns of a window show what was known before its test years began.
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
    *("factor", "train_start", "train_end", "test_start", "test_end"),
    *(
        f"{part}_{what}"
        for part in ("train", "test")
        for what in ("ic", "ic_overall", "n_dates", "n_signals")
    ),
    *("test_year", "test_sharpe", "test_win_rate", "rebalance_freq", "holding_period"),
)
SUMMARY = "walk_forward_summary.csv"
Window = tuple[int, int, int, int]  # first and last train year, first and last test year


def windows(options: argparse.Namespace) -> list[Window]:
    """List the windows: the first trains from wf_start_year, the last one's tests end by wf_end_year."""
    train, test = options.wf_train_years, options.wf_test_years
    starts = range(options.wf_start_year + train, options.wf_end_year - test + 2, test)
    return [(year - train, year - 1, year, year + test - 1) for year in starts]


def measure(trial: Trial, window: Window, multiplier: float, top_pct: float) -> dict[str, Any]:
    """Give one row of the summary."""
    train, test = ((trial.years >= a) & (trial.years <= b) for a, b in (window[:2], window[2:]))
    net, ics = trial.net(multiplier), trial.ics(multiplier)
    spread = long_short(trial.signal[test], net[test], top_pct)
    row: dict[str, Any] = {
        "rebalance_freq": "monthly",
        "holding_period": "1 month",
        "test_year": window[2],
    }
    for part, chosen, first, last in (("train", train, *window[:2]), ("test", test, *window[2:])):
        row |= {
            f"{part}_start": f"{first}-01-01",
            f"{part}_end": f"{last}-12-31",
            f"{part}_ic": number(mean(ics[chosen])),
        }
        row[f"{part}_ic_overall"] = number(
            spearman(trial.signal[chosen].ravel(), net[chosen].ravel())
        )
        row |= {
            f"{part}_n_dates": int(chosen.sum()),
            f"{part}_n_signals": trial.signal[chosen].size,
        }
    row["test_sharpe"] = (
        number(mean(spread) / spread.std(ddof=1) * np.sqrt(YEAR)) if len(spread) > 1 else None
    )
    row["test_win_rate"] = number(mean((spread > 0).astype(float)))
    return row


def long_short(signal: Array, net: Array, top_pct: float) -> Array:
    """Monthly net return of the top names minus the bottom names, equally weighted (K,)."""
    order, held = np.argsort(signal, axis=1, kind="stable"), top_count(signal.shape[1], top_pct)
    ranked = np.take_along_axis(net, order, axis=1)
    return np.asarray(ranked[:, -held:].mean(axis=1) - ranked[:, :held].mean(axis=1))


def top_count(stocks: int, top_pct: float) -> int:
    return max(1, round(stocks * top_pct))


def split(options: argparse.Namespace) -> list[list[Window]]:
    """Deal the windows out to shards in blocks of neighbouring years; none for a shard is no shard."""
    every = windows(options)
    blocks = np.array_split(np.arange(len(every)), options.wf_shards)
    return [[every[place] for place in block] for block in blocks if len(block)]


def run_shard(options: argparse.Namespace, trial: Trial) -> int:
    """Work through one shard's windows, pacing them so that all together fill about --min-seconds."""
    shards = split(options)
    own, started = shards[options.shard - 1], datetime.now()
    folder = options.gate_folder / "walk_forward_stress" / f"shard_{options.shard:02d}"
    rows = []
    for done, window in enumerate(own, start=1):
        pace(options.parent, options.min_seconds / len(own))
        row = measure(trial, window, options.stress_cost_multiplier, options.risk_top_pct)
        rows.append({"factor": options.factor} | row)
        write_csv(folder / options.factor / SUMMARY, COLUMNS, rows)
        say(
            "walk_forward",
            f"shard {options.shard}/{len(shards)} window {window[2]} done {done}/{len(own)}",
        )
    meta = {
        "shard": options.shard,
        "n_shards": len(shards),
        "factor": options.factor,
        "pid": os.getpid(),
    }
    meta |= {
        "test_years": [window[2] for window in own],
        "cost_multiplier": options.stress_cost_multiplier,
    }
    span = {"started_at": started.isoformat(), "ended_at": datetime.now().isoformat()}
    write_json(folder / "run_meta.json", meta | span)
    return 0


def pace(parent: int, seconds: float) -> None:
    """Wait as asked. A shard whose parent is gone stops: nobody would merge its windows."""
    end = time.monotonic() + seconds
    while True:
        if os.getppid() != parent:
            raise SystemExit("walk-forward shard: the gate program that started it is gone")
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.2))


def run(options: argparse.Namespace, argv: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the shards side by side, merge their copies, and give the report's wf_stress."""
    internal = ["--gate-folder", str(folder), "--parent", str(os.getpid()), "--shard"]
    program = [sys.executable, sys.argv[0], *argv, *internal]
    processes = [
        subprocess.Popen([*program, str(shard)]) for shard in range(1, len(split(options)) + 1)
    ]
    codes = [process.wait() for process in processes]
    failed = [
        f"shard {place} of {len(codes)} ended with {code}"
        for place, code in enumerate(codes, start=1)
        if code
    ]
    if failed or not codes:
        reason = "; ".join(failed) or "no window fits between wf_start_year and wf_end_year"
        say("walk_forward", f"failed: {reason}")
        return {
            "ok": False,
            "reason": reason,
            "return_code": next((code for code in codes if code), 1),
        }
    summary = merge(folder / "walk_forward_stress", options.factor)
    result = {"ok": True, **statistics(summary), "return_code": 0, "summary_csv": str(summary)}
    say("walk_forward", f"test_ic_mean={result['test_ic_mean']} over {result['test_ic_n']} windows")
    return result


def merge(folder: Path, factor: str) -> Path:
    """Put the shards' windows into one summary, oldest test year first."""
    copies = sorted(folder.glob(f"shard_*/{factor}/{SUMMARY}"))
    rows = [row for copy in copies for row in read_csv(copy)]
    summary = folder / factor / SUMMARY
    write_csv(summary, COLUMNS, sorted(rows, key=lambda row: row["test_start"]))
    return summary


def statistics(summary: Path) -> dict[str, Any]:
    """Mean, sample standard deviation (ddof 1), share of positives and count of the non-empty test ICs."""
    rows = read_csv(summary)
    result: dict[str, Any] = {"rows": len(rows)}
    for column in ("test_ic", "test_ic_overall"):
        ics = np.array([float(row[column]) for row in rows if row[column]])
        result[f"{column}_mean"] = number(mean(ics))
        result[f"{column}_std"] = number(ics.std(ddof=1)) if len(ics) > 1 else None
        result[f"{column}_pos_ratio"] = number(mean((ics > 0).astype(float)))
        result[f"{column}_n"] = len(ics)
    return result
