"""Signals, costs and correlations, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from production_gates import panel
from production_gates.panel import Array, Panel, Trial


def walk(months: int, stocks: int, seed: int = 7) -> Array:
    steps = np.random.default_rng(seed).normal(0.01, 0.05, (months, stocks))
    return np.asarray(100 * np.exp(steps.cumsum(axis=0)))


def trial_of(closes: Array, factor: str, cost_bps: float = 10.0) -> Trial:
    days = [f"{2000 + month // 12}-{month % 12 + 1:02d}-28" for month in range(len(closes))]
    return panel.make_trial(
        Panel(days, closes, closes.mean(axis=1)), panel.FACTORS[factor], cost_bps
    )


def test_momentum_leaves_the_latest_month_out() -> None:
    closes = np.full((14, 1), 100.0)
    closes[1], closes[12], closes[13] = 50.0, 75.0, 999.0
    signal = panel.FACTORS["momentum_12_1"](closes)
    assert signal[13, 0] == pytest.approx(75 / 50 - 1)
    assert np.isnan(signal[:12]).all()


def test_momentum_of_other_months() -> None:
    closes = np.array([[100.0], [110.0], [121.0], [60.5]])
    signal = panel.signals(panel.MOMENTUM, look_back=2, skip=0)[panel.MOMENTUM](closes)
    assert signal[2:, 0] == pytest.approx([0.21, -0.45])
    assert np.isnan(signal[:2]).all()


def test_reversal_turns_the_last_month_round() -> None:
    assert panel.reversal_1(np.array([[100.0], [110.0]]))[1, 0] == pytest.approx(-0.10)


def test_low_volatility_prefers_the_calm() -> None:
    calm, wild = np.full(13, 100.0), np.array([100.0, 120.0] * 6 + [100.0])
    signal = panel.low_volatility(np.column_stack([calm, wild]))
    assert signal[12, 0] == 0
    assert signal[12, 1] == pytest.approx(-np.std([0.2, -1 / 6] * 6, ddof=1))


@pytest.mark.parametrize("factor", list(panel.FACTORS))
def test_a_signal_does_not_see_what_comes_later(factor: str) -> None:
    closes = walk(40, 5)
    changed = closes.copy()
    changed[30:] *= np.linspace(0.5, 2.0, 5)
    before, after = trial_of(closes, factor), trial_of(changed, factor)
    known = before.days.index("2002-07-28") + 1  # earned in month 30, signal of month 29
    assert np.array_equal(before.signal[:known], after.signal[:known])
    assert not np.array_equal(before.earned[known - 1], after.earned[known - 1])


@pytest.mark.parametrize("factor", list(panel.FACTORS))
def test_every_factor_begins_in_the_same_month(factor: str) -> None:
    tried = trial_of(walk(40, 5), factor)
    assert tried.days[0] == "2001-02-28"
    assert len(tried.days) == len(tried.signal) == len(tried.earned) == len(tried.market) == 27
    assert np.isfinite(tried.signal).all()


def test_a_cost_is_charged_to_the_side_held() -> None:
    tried = trial_of(walk(40, 5), "reversal_1", cost_bps=100)
    charged = tried.earned - tried.net(1.0)
    assert (charged[tried.position > 0] >= 0).all()
    assert (charged[tried.position < 0] <= 0).all()
    assert np.allclose(np.abs(charged), 0.01 * tried.traded * (tried.position != 0))
    assert np.allclose(tried.earned - tried.net(2.0), 2 * charged)


def test_the_book_is_opened_at_full_cost() -> None:
    tried = trial_of(walk(40, 5), "reversal_1")
    assert np.array_equal(tried.traded[0], np.abs(tried.position[0]))
    assert sorted(tried.position[0]) == [-1, -0.5, 0, 0.5, 1]


def test_ranks_share_ties() -> None:
    assert list(panel.ranks(np.array([30.0, 10.0, 30.0, 20.0]))) == [3.5, 1, 3.5, 2]


@pytest.mark.parametrize(
    ("left", "right", "wanted"),
    [
        ([1, 2, 3], [10, 200, 3000], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3, 4], [1, 3, 2, 4], 0.8),
    ],
)
def test_spearman(left: list[float], right: list[float], wanted: float) -> None:
    assert panel.spearman(np.array(left), np.array(right)) == pytest.approx(wanted)


def test_spearman_of_a_constant_is_not_a_number() -> None:
    assert np.isnan(panel.spearman(np.ones(4), np.arange(4.0)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_ranks_add_up(values: list[float]) -> None:
    assert panel.ranks(np.array(values)).sum() == len(values) * (len(values) + 1) / 2


def test_a_gap_in_the_panel_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "prices.csv"
    table.write_text("date,symbol,close\n2000-01-31,A,1\n2000-01-31,I,1\n2000-02-29,I,1\n")
    with pytest.raises(ValueError, match="found gaps"):
        panel.load(table, "I")
