"""Prices, signals, costs and information coefficients (ICs), as arrays of months x stocks."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
YEAR = 12  # months


@dataclass(frozen=True)
class Panel:
    """Month-end closes: `days` (T,), `closes` (T, N) of the stocks, `index` (T,) of the market."""

    days: list[str]
    closes: Array
    index: Array


@dataclass(frozen=True)
class Trial:
    """One factor, months (K) x stocks (N). Row k: the signal at a month's end, what the next month earned.

    `days` and `years` are those of the month that earned, so that no window's returns reach into the next.
    `position` is the signal's rank in [-1, 1]; `traded` is how far it moved since the month before.
    """

    days: list[str]
    years: NDArray[np.int_]
    signal: Array
    position: Array
    traded: Array
    earned: Array
    market: Array
    cost: float  # of trading one unit, as a fraction

    def net(self, multiplier: float) -> Array:
        """Charge the cost against the side held: a long earns less, and a short gains less by a fall."""
        charge = multiplier * self.cost * self.traded
        return np.asarray(self.earned - np.sign(self.position) * charge)

    def ics(self, multiplier: float) -> Array:
        """Spearman correlation of signal and net return, one for each month (K,)."""
        return np.array(
            [spearman(s, r) for s, r in zip(self.signal, self.net(multiplier), strict=True)]
        )


def momentum_12_1(closes: Array) -> Array:
    """Return over the eleven months that end one month ago (Jegadeesh, Titman 1993, last month left out)."""
    signal = np.full_like(closes, np.nan)
    signal[YEAR:] = closes[YEAR - 1 : -1] / closes[:-YEAR] - 1
    return signal


def reversal_1(closes: Array) -> Array:
    """The last month's return with its sign turned (Jegadeesh 1990)."""
    signal = np.full_like(closes, np.nan)
    signal[1:] = 1 - closes[1:] / closes[:-1]
    return signal


def low_volatility(closes: Array) -> Array:
    """Standard deviation (ddof 1) of the last twelve monthly returns, sign turned (Blitz, van Vliet 2007)."""
    returns = closes[1:] / closes[:-1] - 1
    signal = np.full_like(closes, np.nan)
    for month in range(YEAR, len(closes)):
        signal[month] = -returns[month - YEAR : month].std(axis=0, ddof=1)
    return signal


FACTORS: dict[str, Callable[[Array], Array]] = {
    f.__name__: f for f in (momentum_12_1, reversal_1, low_volatility)
}


def load(path: Path, index_symbol: str) -> Panel:
    """Read date, symbol, close. The panel must be complete: ValueError when a stock lacks a month."""
    with path.open(encoding="utf-8", newline="") as source:
        closes = {
            (row["date"], row["symbol"]): float(row["close"]) for row in csv.DictReader(source)
        }
    days = sorted({day for day, _ in closes})
    stocks = sorted({symbol for _, symbol in closes} - {index_symbol})
    if len(closes) != len(days) * (len(stocks) + 1):
        raise ValueError(
            f"{path}: expected {len(days)} months of {len(stocks)} stocks and {index_symbol}, found gaps"
        )
    table = np.array([[closes[day, symbol] for symbol in stocks] for day in days])
    return Panel(days, table, np.array([closes[day, index_symbol] for day in days]))


def trial(panel: Panel, factor: str, cost_bps: float) -> Trial:
    """Line up a factor with what the next month earned, from where every factor has its year of history."""
    signal = FACTORS[factor](panel.closes)[YEAR:-1]
    position = np.array([2 * (ranks(row) - 1) / (len(row) - 1) - 1 for row in signal])
    before = np.vstack(
        [np.zeros_like(position[:1]), position[:-1]]
    )  # the book is opened in the first month
    days = panel.days[YEAR + 1 :]
    return Trial(
        days=days,
        years=np.array([int(day[:4]) for day in days]),
        signal=signal,
        position=position,
        traded=np.abs(position - before),
        earned=(panel.closes[1:] / panel.closes[:-1] - 1)[YEAR:],
        market=(panel.index[1:] / panel.index[:-1] - 1)[YEAR:],
        cost=cost_bps / 10_000,
    )


def ranks(values: Array) -> Array:
    """Rank from 1, ties sharing the mean of their places."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def spearman(left: Array, right: Array) -> float:
    """Correlation of ranks; NaN where one side is constant."""
    a, b = ranks(left) - (len(left) + 1) / 2, ranks(right) - (len(right) + 1) / 2
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else float("nan")


def mean(values: Array) -> float:
    """Plain mean; NaN of nothing, without numpy's warning."""
    return float(values.mean()) if len(values) else float("nan")
