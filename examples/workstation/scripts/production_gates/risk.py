"""What the book is exposed to, over the test years. What the data cannot tell stays None."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from production_gates.files import number, say, write_json
from production_gates.panel import Array, Trial, mean
from production_gates.walk_forward import top_count, windows


def run(options: argparse.Namespace, trial: Trial, folder: Path) -> dict[str, Any]:
    """Measure beta and overlap, write the diagnostics, and give the report's risk_diagnostics."""
    every = windows(options)
    chosen = (
        (trial.years >= every[0][2]) & (trial.years <= every[-1][3])
        if every
        else np.zeros_like(trial.years, bool)
    )
    held = top_members(trial.signal[chosen], options.risk_top_pct)
    active = active_return(held, trial.earned[chosen])
    measured = {
        "beta_vs_spy": number(beta(active, trial.market[chosen])),
        "turnover_top_pct_overlap": number(overlap(held)),
        "size_signal_corr_log_mcap": None,  # no market capitalisations in the data
        "industry_coverage": None,  # no industries in the data
    }
    path = folder / "risk" / "risk_diagnostics.json"
    write_json(
        path,
        {"factor": options.factor, "n_dates": int(chosen.sum()), "market": "index", **measured},
    )
    known = f"beta={measured['beta_vs_spy']} overlap={measured['turnover_top_pct_overlap']}"
    say("risk", f"{known} size=null industry=null")
    return {"ok": True, "return_code": 0, "diagnostics_json": str(path), **measured}


def top_members(signal: Array, top_pct: float) -> Array:
    """Mark each month's top names with 1.0, the rest with 0.0 (K, N)."""
    order = np.argsort(signal, axis=1, kind="stable")
    held = np.zeros_like(signal)
    np.put_along_axis(held, order[:, -top_count(signal.shape[1], top_pct) :], 1.0, axis=1)
    return held


def active_return(held: Array, earned: Array) -> Array:
    """Equally weighted top names minus the equally weighted universe, before costs (K,)."""
    return np.asarray((held * earned).sum(axis=1) / held.sum(axis=1) - earned.mean(axis=1))


def beta(returns: Array, market: Array) -> float:
    """Slope of monthly returns on the market's: covariance over variance."""
    if len(market) < 2:
        return float("nan")
    table = np.cov(returns, market)
    return float(table[0, 1] / table[1, 1])


def overlap(held: Array) -> float:
    """Mean share of the top names that were top names a month before."""
    return mean((held[1:] * held[:-1]).sum(axis=1) / held[1:].sum(axis=1))
