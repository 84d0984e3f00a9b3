"""What the statistics of one more closing cost, in memory and time, in a registry of many trials.

Three registries: one family of many trials, one of as many trials in small families, and one of a
hundred trials in small families. Each gets one more run of its last family. A process of its own
works out the statistics of all others first, then those with the run: the second is measured. The
first registry is the dearest; how the other two compare shows what a large registry costs a family
that is small.

    make bench            or: .venv/bin/python benchmarks/trial_statistics.py [--trials 10000]
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "scripts")]

from postrun.decide import window_series  # noqa: E402
from postrun.registry import trials  # noqa: E402
from postrun.store import configuration  # noqa: E402

WINDOWS = 13
SMALL = 20  # trials of a family
SEED = 20261126
MB = 1024  # KiB, in which Linux gives the peak


def make_rows(number: int, families: int) -> dict[str, dict[str, Any]]:
    """Return rows of the registry with made numbers: so many trials in so many families."""
    luck = random.Random(SEED)
    rows = {}
    for index in range(number):
        ics = [luck.gauss(0.0, 0.033) for _ in range(WINDOWS)]
        years = range(2010, 2010 + WINDOWS)
        keys = [f"{year}-01-01|{year}-12-31" for year in years]
        series = {key: round(ic, 12) for key, ic in zip(keys, ics, strict=True)}
        deviation = statistics.stdev(ics)
        mean = statistics.fmean(ics)
        run = f"2026-02-01_{index:06d}_production_gates_run{index}"
        row: dict[str, Any] = dict.fromkeys(trials.SOURCES)
        rows[run] = row | {
            "run": run,
            "factor": f"factor_{index * families // number}",
            "family": f"factor_{index * families // number}",
            "is_trial": True,
            "wf_n": WINDOWS,
            "wf_mean": mean,
            "wf_std": deviation,
            "wf_t": mean / deviation * WINDOWS**0.5,
            "windows_asked": WINDOWS,
            "series": window_series.encode(series),
        }
    return rows


def measure(number: int, families: int) -> dict[str, float]:
    """Return what the statistics of one more run cost: seconds, and the peak of the process."""
    policy = configuration.load("statistics_policy")
    rows = make_rows(number + 1, families)
    newest = rows.pop(max(rows))
    known = trials.compute(rows, policy, {})
    before = trials.Before(
        {run: row.copy() for run, row in rows.items()},
        {row["family"]: row for row in known.families},
    )
    rows[newest["run"]] = newest
    began = time.perf_counter()
    used = time.process_time()
    trials.compute(rows, policy, known.trials, before)
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - used,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB,
    }


def in_a_process(number: int, families: int) -> dict[str, float]:
    """Measure in a process of its own, whose peak is nobody else's."""
    command = [sys.executable, __file__, "--measure", str(number), str(families)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table: registry, trials, families, seconds, peak."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--measure", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        print(json.dumps(measure(*args.measure)))
        return 0
    registries = {
        "one family": (args.trials, 1),
        "many small families": (args.trials, max(1, args.trials // SMALL)),
        "a small registry": (100, 100 // SMALL),
    }
    print(
        f"{'registry':<20} {'trials':>7} {'families':>8} {'seconds':>8} {'cpu':>6} {'peak MB':>8}"
    )
    cpu = {}
    for name, (number, families) in registries.items():
        cost = in_a_process(number, families)
        cpu[name] = cost["cpu_seconds"]
        print(
            f"{name:<20} {number:>7} {families:>8} {cost['seconds']:>8.3f}"
            f" {cost['cpu_seconds']:>6.3f} {cost['peak_mb']:>8.0f}"
        )
    ratio = cpu["many small families"] / cpu["a small registry"]
    print(f"a small family in the large registry against the small one: {ratio:.1f} times")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
