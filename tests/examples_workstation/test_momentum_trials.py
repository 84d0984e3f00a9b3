"""The eight momentum variants on the shipped prices, and what luck makes of the best of them."""

from collections.abc import Mapping

import numpy as np
import pytest

from harness.sample import PROJECT
from postrun.decide import sign_flips
from production_gates import panel, significance

PRICES = PROJECT / "examples/workstation/data/sp500_month_end.csv"
VARIANTS = [(look_back, skip) for look_back in (3, 6, 9, 12) for skip in (0, 1)]


def yearly_ics(trial: panel.Trial, first: int) -> dict[str, float]:
    """Return the mean monthly IC of each year until 2022, net of costs at x1.5."""
    ics = trial.ics(1.5)
    return {str(year): float(ics[trial.years == year].mean()) for year in range(first, 2023)}


def variants(first: int) -> list[sign_flips.Trial]:
    prices = panel.load(PRICES, "SP500")
    trials = []
    for look_back, skip in VARIANTS:
        signal = panel.signals(panel.MOMENTUM, look_back, skip)[panel.MOMENTUM]
        trial = panel.make_trial(prices, signal, cost_bps=10.0)
        trials.append(sign_flips.Trial(f"{look_back}_{skip}", yearly_ics(trial, first)))
    return trials


def student(series: Mapping[str, float]) -> float:
    return significance.p_value(np.array(list(series.values())))


def test_the_best_of_eight_would_look_good_alone() -> None:
    trials = variants(2013)
    lucks = {luck.run: luck for luck in sign_flips.judge(panel.MOMENTUM, trials)}
    best = min(trials, key=lambda trial: student(trial.series))
    assert best.run == "6_1"
    assert student(best.series) == pytest.approx(0.029, abs=0.0005)
    assert lucks["6_1"].p_family_now == 93 / 1024  # 0.091


def test_over_29_years_the_same_variant_is_nothing() -> None:
    """Luck explains 0.40 of it alone, and 0.70 among the eight."""
    trials = {trial.run: trial for trial in variants(1994)}
    lucks = {luck.run: luck for luck in sign_flips.judge(panel.MOMENTUM, list(trials.values()))}
    assert len(trials["6_1"].series) == 29
    assert student(trials["6_1"].series) == pytest.approx(0.40, abs=0.005)
    # Of 65,536 drawn patterns; that of the family's best, 12_1, is 0.18.
    assert lucks["6_1"].p_family_now == pytest.approx(0.70, abs=0.005)
