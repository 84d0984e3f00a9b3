"""The printed check values of the statistics: each with all its digits."""

import json
import math
from statistics import fmean, stdev, variance
from typing import Any

import pytest

from postrun.core.locations import PROJECT
from postrun.decide import intervals, multiple_testing, sign_flips, window_series
from postrun.decide.sign_flips import Trial

VECTORS: dict[str, Any] = json.loads(
    (PROJECT / "tests/data/statistics_vectors.json").read_text(encoding="utf-8")
)
EXACTLY = 1e-12


def exactly(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=EXACTLY)


def yearly(ics: list[float]) -> dict[str, float]:
    return {f"{year}-01-01|{year}-12-31": ic for year, ic in enumerate(ics, 2013)}


def test_one_series() -> None:
    expected = VECTORS["series"]
    ics = expected["ics"]
    t = fmean(ics) / stdev(ics) * math.sqrt(13)
    assert (fmean(ics), stdev(ics)) == exactly((expected["mean"], expected["std_ddof1"]))
    assert fmean(ics) / stdev(ics) == exactly(expected["icir"])
    assert t == exactly(expected["t"])
    assert intervals.student_cdf(-t, 12) == exactly(expected["p_one_sided"])
    interval = intervals.student_interval(ics)
    assert [interval.low, interval.high] == exactly(expected["ci95"])
    assert intervals.sign_test(10, 13) == expected["sign_test_p"]
    interval = intervals.wilson_interval(10, 13)
    assert [interval.low, interval.high] == exactly(expected["wilson95_positive"])
    (luck,) = sign_flips.judge("f", [Trial("a", yearly(ics))])
    assert luck.t == exactly(expected["t"])
    assert luck.p_raw == expected["sign_flip"]["count"] / expected["sign_flip"]["of"]
    digest = window_series.digest(yearly(ics))
    assert digest == expected["sha256_of_windows_2013_2025"]


def test_three_trials() -> None:
    expected = VECTORS["max_t"]
    trials = [Trial(run, yearly(ics)) for run, ics in zip("abc", expected["trials"], strict=True)]
    lucks = sign_flips.judge("f", trials)
    assert [luck.p_family_now for luck in lucks] == expected["p"]
    assert lucks[0].p_family == expected["trial_0_alone"]
    assert lucks[1].family_p == expected["trials_0_and_1"]
    twice = sign_flips.judge("f", [*trials[:2], Trial("c", trials[0].series)])
    assert twice[0].p_family_now == expected["trials_0_0_1"]
    more = sign_flips.judge("f", trials, outside=4)
    assert more[0].p_family_now == exactly(expected["with_4_trials_without_series"])
    critical = sign_flips.best_of_luck("f", trials).critical_value(0.05)
    assert critical == pytest.approx(expected["critical_t_5pct_among_3"], abs=1e-10)
    bound = intervals.adjusted_interval(expected["trials"][0], critical).low
    assert bound == exactly(expected["lower_bound_5pct_among_3"])
    # Of |t| two tails are cut off: no smaller.
    assert sign_flips.best_of_luck("f", trials).critical_value(0.05, two_sided=True) > critical


@pytest.mark.parametrize("name", ["bh_by", "families_by"])
def test_families(name: str) -> None:
    expected = VECTORS[name]
    found = multiple_testing.benjamini_yekutieli(expected["p"])
    assert found == exactly(expected["by"])


def test_deflated_sharpe_ratio_of_the_paper() -> None:
    expected = VECTORS["dsr_paper_2014"]
    ratio, spread = 2.5 / math.sqrt(250), 0.5 / 250
    assert intervals.expected_best_ratio(100, spread) == exactly(expected["sr0_N100"])
    for trials, name in ((100, "dsr_N100"), (46, "dsr_N46")):
        found = intervals.deflated_sharpe_ratio(ratio, 1250, trials, spread, -3, 10)
        assert found == exactly(expected[name])
    found = intervals.deflated_sharpe_ratio(ratio, 1250, 88, spread)
    assert found == exactly(expected["dsr_N88_normal"])


def test_deflated_sharpe_ratio_of_the_series() -> None:
    expected = VECTORS["dsr_series"]
    ratios = expected["trial_sharpes"]
    spread = variance(ratios)
    assert spread == exactly(expected["variance_ddof1"])
    assert intervals.expected_best_ratio(8, spread) == exactly(expected["sr0"])
    found = intervals.deflated_sharpe_ratio(ratios[3], 13, 8, spread)
    assert found == exactly(expected["dsr_normal"])
