"""The portfolio's exposure over the test years. What the data cannot tell stays None."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from production_gates.files import number, say, write_json
from production_gates.panel import Array, Trial, mean
from production_gates.walk_forward import top_count, windows


def run(options: argparse.Namespace, trial: Trial, folder: Path) -> dict[str, Any]:
    """Measure beta and overlap, write the diagnostics, return the report's risk_diagnostics."""
    in_test = np.zeros_like(trial.years, bool)
    test_windows = windows(options)
    if test_windows:
        first_year, last_year = test_windows[0][2], test_windows[-1][3]
        in_test = (trial.years >= first_year) & (trial.years <= last_year)
    members = top_members(trial.signal[in_test], options.risk_top_pct)
    active = active_return(members, trial.earned[in_test])
    measured = {
        "beta_vs_spy": number(beta(active, trial.market[in_test])),
        "turnover_top_pct_overlap": number(overlap(members)),
        "size_signal_corr_log_mcap": None,  # no market capitalisations in the data
        "industry_coverage": None,  # no industries in the data
    }
    path = folder / "risk" / "risk_diagnostics.json"
    about = {"factor": options.factor, "n_dates": int(in_test.sum()), "market": "index"}
    write_json(path, about | measured)
    known = f"beta={measured['beta_vs_spy']} overlap={measured['turnover_top_pct_overlap']}"
    say("risk", f"{known} size=null industry=null")
    return {"ok": True, "return_code": 0, "diagnostics_json": str(path), **measured}


def top_members(signal: Array, top_pct: float) -> Array:
    """Return 1.0 for each month's stocks with the highest signal, 0.0 for the rest (K, N)."""
    order = np.argsort(signal, axis=1, kind="stable")
    count = top_count(signal.shape[1], top_pct)
    members = np.zeros_like(signal)
    np.put_along_axis(members, order[:, -count:], 1.0, axis=1)
    return members


def active_return(members: Array, earned: Array) -> Array:
    """Return top stocks minus all stocks, each equally weighted, before costs (K,)."""
    top = (members * earned).sum(axis=1) / members.sum(axis=1)
    return np.asarray(top - earned.mean(axis=1))


def beta(returns: Array, market: Array) -> float:
    """Return the slope of monthly returns on the market's: covariance over variance."""
    if len(market) < 2:
        return float("nan")
    covariance = np.cov(returns, market)
    return float(covariance[0, 1] / covariance[1, 1])


def overlap(members: Array) -> float:
    """Return the mean share of the top stocks that were top stocks a month before."""
    stayed = (members[1:] * members[:-1]).sum(axis=1)
    return mean(stayed / members[1:].sum(axis=1))
