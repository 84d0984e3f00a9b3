"""The simulation of false promotions: a slice of it, and its parts beside the real functions."""

import sys
from collections.abc import Iterator
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from postrun.core.locations import PROJECT
from postrun.decide import scoring, sign_flips, verdicts

sys.path.append(str(PROJECT / "benchmarks"))

import false_promotion as simulation

RULES = simulation.Rules.shipped()
SLICE = 1000  # families of 20 worthless tries
MOST_PROMOTED = 0.05
GOOD = [
    0.031,
    -0.012,
    0.044,
    0.018,
    0.027,
    -0.021,
    0.052,
    0.009,
    0.036,
    0.015,
    -0.004,
    0.041,
    0.022,
]


def promoted_share(correlation: float, luck: simulation.Luck) -> float:
    """Return the share of factors that the rule ever promotes within 20 worthless tries."""
    promoted = 0
    rng = np.random.default_rng(11)
    for size in simulation.batches(SLICE):
        tries = simulation.draw(rng, (size, 20), correlation, RULES)
        promoted += int(np.count_nonzero(simulation.first_survivors(tries, luck, RULES)))
    return promoted / SLICE


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_twenty_tries_of_a_worthless_factor_are_seldom_promoted(correlation: float) -> None:
    assert promoted_share(correlation, simulation.Luck()) <= MOST_PROMOTED


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_the_slice_can_fail(correlation: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation.Luck, "survives", lambda *_: True)
    assert promoted_share(correlation, simulation.Luck()) > MOST_PROMOTED


def test_p_is_that_of_the_rules() -> None:
    """Compare the simulation's p with the product's, for each of several tries of one family."""
    tries = simulation.draw(np.random.default_rng(5), (3, 6), 0.4, RULES)
    luck = simulation.Luck()
    for windows in tries.windows:
        trials = []
        for number, ics in enumerate(windows):
            series = {f"{year}": float(ic) for year, ic in enumerate(ics, 2013)}
            trials.append(sign_flips.Trial(f"run{number}", series))
        expected = [judged.p_family for judged in sign_flips.judge("made", trials)]
        assert [luck.p(windows[: n + 1], n) for n in range(len(windows))] == expected


def rows_of(tries: simulation.Tries, years: Any, others: Any) -> Iterator[dict[str, Any]]:
    """Yield each try as a row of the registry, with p and q worked out one by one."""
    families, number = tries.gates.shape
    for family in range(families):
        for trial in range(number):
            segments = years[family, trial].reshape(8, 2).mean(-1)
            t = float(simulation.student_t(segments))
            ps = [two_sided(t), *(two_sided(z) for z in others[family])]
            windows = tries.windows[family, trial]
            mean, q = float(windows.mean()), benjamini_hochberg(ps)[0]
            gate = q <= 0.10 and segments.mean() > 0 and (segments > 0).mean() >= 0.60
            positive = float((windows > 0).mean())
            x2_0 = mean - simulation.COST_STEP
            yield {
                "test_ic_x1_0": mean,
                "test_ic_x1_5": mean,
                "test_ic_x2_0": x2_0,
                "wf_mean": mean,
                "wf_pos_ratio": positive,
                "beta": 0.0,
                "turnover_overlap": 1.0,
                "size_corr": 0.0,
                "industry_coverage": 1.0,
                "factor_gate_pass": bool(gate),
                "q_value": q,
                "q_student": None,
                "overall_pass": bool(gate and mean > 0 and x2_0 > 0 and positive >= 0.70),
                "audit_passed": True,
                "data_quality_passed": True,
                "ledger_row_present": True,
                "high_items": 0,
                "verdict": "survives",
            }


def two_sided(z: float) -> float:
    return 2 * NormalDist().cdf(-abs(z))


def benjamini_hochberg(ps: list[float]) -> list[float]:
    """Return the q of each p, straight from the definition."""
    ranked = sorted(ps)
    adjusted = [p * len(ps) / rank for rank, p in enumerate(ranked, 1)]
    return [min(adjusted[ranked.index(p) :]) for p in ps]


def test_scores_and_promotions_are_those_of_the_rules() -> None:
    rng = np.random.default_rng(7)
    # A true IC of half a deviation: enough of the tries pass for both answers to be met.
    years = 0.015 + simulation.DEVIATION * rng.standard_normal((40, 10, simulation.YEARS))
    others = simulation.other_factors(rng, 40)
    tries = simulation.judge(years, others, RULES)
    promoted = tries.promoted(RULES).ravel()
    assert 50 < promoted.sum() < 350
    rows = list(rows_of(tries, years, others))
    scores = [scoring.score(row, RULES.scoring) for row in rows]
    assert tries.total.ravel() == pytest.approx([score["total"] for score in scores])
    decisions = []
    for row, score in zip(rows, scores, strict=True):
        # This is about gates and score: luck is asked of every try in the simulation's own way.
        judged = {**row, **score, "verdict": verdicts.SURVIVES}
        decision = scoring.decide(judged, RULES.scoring["decisions"])
        decisions.append(decision == scoring.PROMOTE)
    assert promoted.tolist() == decisions


def test_a_figure_outside_its_interval_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--table", "watchlist", "--registries", "2000"]
    assert simulation.main(words) == 0
    monkeypatch.setattr(simulation, "WATCHLIST", "60")
    assert simulation.main(words) == 1
    assert "expected 60 %  OUTSIDE" in capsys.readouterr().out


def test_a_registry_judges_each_run_when_it_is_closed() -> None:
    """A run that survives while few factors are known may not at the end, among twenty."""
    rng = np.random.default_rng(3)
    windows = simulation.DEVIATION * rng.standard_normal((20, 10, simulation.WINDOWS))
    # p is 42 / 8192 among itself: less than 1 %, more than the 0.14 % that twenty factors ask.
    windows[0, 0] = GOOD
    promoted = np.zeros((20, 10), bool)
    promoted[0, 0] = True
    registry = simulation.Registry(windows, promoted, simulation.Luck())
    assert registry.ever(RULES)
    assert not registry.at_the_end(RULES)
