"""Prices, signals, costs and information coefficients (ICs), as arrays of months x stocks."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
    """One factor, months (K) x stocks (N).

    Row k holds the signal at the end of a month and what the next month earned. `days` and `years`
    are those of the month that earned, so no window's returns reach into the next window.
    `position` is the signal's rank in [-1, 1]; `traded` is its change since the month before.
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
        """Return earnings after costs (K, N): a cost lowers what a long and what a short earns."""
        charge = multiplier * self.cost * self.traded
        return np.asarray(self.earned - np.sign(self.position) * charge)

    def ics(self, multiplier: float) -> Array:
        """Return the Spearman correlation of signal and net return in each month (K,)."""
        months = zip(self.signal, self.net(multiplier), strict=True)
        return np.array([spearman(signal, net) for signal, net in months])


def momentum(closes: Array, look_back: int, skip: int) -> Array:
    """Return the gain from `look_back` months ago until `skip` months ago.

    Jegadeesh, Titman 1993.
    """
    signal = np.full_like(closes, np.nan)
    ends = closes[look_back - skip : len(closes) - skip]
    signal[look_back:] = ends / closes[:-look_back] - 1
    return signal


def reversal_1(closes: Array) -> Array:
    """Return the last month's return with its sign turned (Jegadeesh 1990)."""
    signal = np.full_like(closes, np.nan)
    signal[1:] = 1 - closes[1:] / closes[:-1]
    return signal


def low_volatility(closes: Array) -> Array:
    """Return minus the standard deviation (ddof 1) of twelve monthly returns.

    Blitz, van Vliet 2007.
    """
    returns = closes[1:] / closes[:-1] - 1
    signal = np.full_like(closes, np.nan)
    for month in range(YEAR, len(closes)):
        signal[month] = -returns[month - YEAR : month].std(axis=0, ddof=1)
    return signal


Signal = Callable[[Array], Array]
FACTORS: dict[str, Signal] = {
    "momentum_12_1": partial(momentum, look_back=YEAR, skip=1),
    "reversal_1": reversal_1,
    "low_volatility": low_volatility,
}
# The factor whose months the command line gives.
MOMENTUM = "momentum"


def signals(factor: str, look_back: int, skip: int) -> dict[str, Signal]:
    """Return the factors that are known, and momentum of these months when it is the one asked."""
    if factor != MOMENTUM:
        return FACTORS
    return FACTORS | {MOMENTUM: partial(momentum, look_back=look_back, skip=skip)}


def load(path: Path, index_symbol: str) -> Panel:
    """Return the panel in a CSV file of date, symbol, close.

    Raises ValueError when a stock lacks a month.
    """
    closes: dict[tuple[str, str], float] = {}
    with path.open(encoding="utf-8", newline="") as source:
        for row in csv.DictReader(source):
            closes[row["date"], row["symbol"]] = float(row["close"])
    days = sorted({day for day, _ in closes})
    symbols = {symbol for _, symbol in closes}
    stocks = sorted(symbols - {index_symbol})
    if len(closes) != len(days) * (len(stocks) + 1):
        expected = f"{len(days)} months of {len(stocks)} stocks and {index_symbol}"
        raise ValueError(f"{path}: expected {expected}, found gaps")
    table = np.empty((len(days), len(stocks)))
    for row_number, day in enumerate(days):
        table[row_number] = [closes[day, symbol] for symbol in stocks]
    index = np.array([closes[day, index_symbol] for day in days])
    return Panel(days, table, index)


def make_trial(panel: Panel, of_closes: Signal, cost_bps: float) -> Trial:
    """Return a factor beside what the next month earned, once every factor has a year of data."""
    signal = of_closes(panel.closes)[YEAR:-1]
    highest_rank = signal.shape[1]
    position = np.array([ranks(row) for row in signal])
    position = 2 * (position - 1) / (highest_rank - 1) - 1
    # The portfolio is empty before the first month.
    before = np.vstack([np.zeros_like(position[:1]), position[:-1]])
    days = panel.days[YEAR + 1 :]
    return Trial(
        days=days,
        years=np.array([int(day[:4]) for day in days]),
        signal=signal,
        position=position,
        traded=np.abs(position - before),
        earned=monthly_returns(panel.closes)[YEAR:],
        market=monthly_returns(panel.index)[YEAR:],
        cost=cost_bps / 10_000,
    )


def monthly_returns(closes: Array) -> Array:
    return np.asarray(closes[1:] / closes[:-1] - 1)


def ranks(values: Array) -> Array:
    """Return ranks from 1; equal values share the mean of their ranks."""
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(size) - (size - 1) / 2
    return np.asarray(mean_rank[group])


def spearman(left: Array, right: Array) -> float:
    """Return the correlation of ranks; NaN where one side is constant."""
    middle = (len(left) + 1) / 2
    a = ranks(left) - middle
    b = ranks(right) - middle
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if scale == 0:
        return float("nan")
    return float(a @ b) / scale


def mean(values: Array) -> float:
    """Return the mean; NaN of nothing, without numpy's warning."""
    if len(values) == 0:
        return float("nan")
    return float(values.mean())
