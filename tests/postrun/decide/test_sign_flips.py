"""How often luck is as good: printed values, another way to the same numbers, what must hold."""

import hashlib
import itertools
import math
import random
import time
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from postrun.decide import sign_flips
from postrun.decide.sign_flips import Luck, Trial

YEARS = range(2013, 2026)
X = [0.031, -0.012, 0.044, 0.018, 0.027, -0.021, 0.052, 0.009, 0.036, 0.015, -0.004, 0.041, 0.022]
Y = [0.011, -0.022, 0.034, 0.008, 0.017, -0.031, 0.042, -0.001, 0.026, 0.005, -0.014, 0.031, 0.012]
Z = [0.02, 0.01, -0.03, 0.015, -0.01, 0.005, 0.03, -0.02, 0, 0.012, -0.008, 0.018, 0.004]
ALL = 8192  # patterns of 13 windows


def window(year: int) -> str:
    return f"{year}-01-01|{year}-12-31"


def trial(run: str, ics: Sequence[float], years: Sequence[int] = YEARS) -> Trial:
    return Trial(run, dict(zip(map(window, years), ics, strict=True)))


def counts(lucks: Sequence[Luck], name: str) -> list[float]:
    """Return p values as numbers of patterns."""
    return [getattr(luck, name) * ALL for luck in lucks]


def test_three_trials_give_the_printed_counts() -> None:
    lucks = sign_flips.judge("f", [trial("a", X), trial("b", Y), trial("c", Z)])
    assert counts(lucks, "p_family_now") == [96, 1437, 3490]
    assert counts(lucks, "p_raw")[0] == 42
    # As of the first and the second name, fewer trials count.
    assert counts(lucks, "p_family")[0] == 42
    assert counts(lucks, "family_p") == [42, 60, 96]
    assert lucks[0].t == pytest.approx(3.2266389438, abs=1e-10)


def test_a_repeated_series_counts_once() -> None:
    twice = sign_flips.judge("f", [trial("a", X), trial("b", X), trial("c", Y)])
    once = sign_flips.judge("f", [trial("a", X), trial("c", Y)])
    assert counts(twice, "p_family_now")[0] == counts(once, "p_family_now")[0] == 60
    assert [luck.repeats for luck in twice] == [None, "a", None]
    assert [luck.trials for luck in twice] == [1, 1, 2]
    assert twice[1].p_family == twice[0].p_family


def test_trials_without_a_series_are_independent_ones() -> None:
    trials = [trial("a", X), trial("b", Y), trial("c", Z)]
    lucks = sign_flips.judge("f", trials, outside=4)
    assert lucks[0].p_family_now == pytest.approx(0.031830902953, abs=1e-12)
    dead = [Trial(f"b{number}", {}) for number in range(4)]
    within = sign_flips.judge("f", [*trials, *dead])
    assert within[0].p_family_now == pytest.approx(0.031830902953, abs=1e-12)
    assert within[0].p_family == 42 / ALL
    assert [luck.without_series for luck in within] == [0, 0, 1, 2, 3, 4, 4]


def test_unequal_windows_are_compared_by_t() -> None:
    trials = [trial("a", X), trial("b", Y[:-1], YEARS[:-1]), trial("c", Z[3:], YEARS[3:])]
    lucks = sign_flips.judge("f", trials)
    found = [luck.t for luck in lucks]
    assert found == pytest.approx([3.22663894, 1.33701882, 0.97914212], abs=5e-9)
    assert [luck.p_family_now for luck in lucks] == [0.013916015625, 0.2022705078125, 0.3125]


def test_the_critical_value_is_one_that_is_attained() -> None:
    trials = [trial("a", X), trial("b", Y), trial("c", Z)]
    found = sign_flips.best_of_luck("f", trials).critical_value(0.05)
    assert found == pytest.approx(2.3103282464, abs=1e-10)
    deviation = np.std(X, ddof=1)
    bound = np.mean(X) - found * deviation / math.sqrt(len(X))
    assert bound == pytest.approx(0.005635970863, abs=1e-12)
    assert sign_flips.best_of_luck("f", trials).critical_value(1e-5) == math.inf


@pytest.mark.parametrize("windows", [13, 10, 3])
def test_the_hurdle_rises_to_what_the_best_of_all_needs(windows: int) -> None:
    trials = [
        trial("a", X),
        trial("b", Y[:windows], YEARS[:windows]),
        Trial("c", {}),
        trial("d", Z),
    ]
    levels = dict.fromkeys(("a", "b", "c", "d"), 0.05)
    hurdle = sign_flips.rising_hurdle("f", trials[::-1], levels)
    for number, run in enumerate(levels, start=1):
        best = sign_flips.best_of_luck("f", trials[:number])
        assert hurdle[run] == pytest.approx(best.critical_value(0.05), abs=1e-12)
    assert sign_flips.rising_hurdle("f", [Trial("c", {})], {"c": 0.05}) == {"c": math.inf}


def exact_share(own: Sequence[int], all_trials: Sequence[Sequence[int]]) -> Fraction:
    """Return p_max in whole numbers: sums are compared by their squares, without a root."""

    def worth(ics: Sequence[int], signs: Sequence[int]) -> Fraction:
        total = sum(sign * ic for sign, ic in zip(signs, ics, strict=True))
        # Of series of one length, t grows with this.
        return Fraction(total * abs(total), sum(ic * ic for ic in ics))

    seen = worth(own, [1] * len(own))
    patterns = list(itertools.product((1, -1), repeat=len(own)))
    reached = 0
    for signs in patterns:
        reached += max(worth(ics, signs) for ics in all_trials) >= seen
    return Fraction(reached, len(patterns))


def test_whole_numbers_give_the_same_shares() -> None:
    rng = random.Random(11)
    for _ in range(5):
        ics = [[rng.randint(-9, 12) for _ in range(8)] for _ in range(4)]
        years = YEARS[:8]
        trials = [trial(str(number), row, years) for number, row in enumerate(ics)]
        lucks = sign_flips.judge("f", trials)
        for number, luck in enumerate(lucks):
            assert luck.p_max == exact_share(ics[number], ics[: number + 1])
            assert luck.p_family_now == exact_share(ics[number], ics)


SEVENTEEN = [round(0.01 * math.sin(place) + 0.006, 4) for place in range(17)]


def test_of_seventeen_windows_patterns_are_drawn_alike_everywhere() -> None:
    years = range(2009, 2026)
    (luck,) = sign_flips.judge("momentum", [trial("a", SEVENTEEN, years)])
    reached = 1  # what was seen is the first pattern
    total = sum(SEVENTEEN)
    digests: dict[str, bytes] = {}
    for pattern in range(1, 65_536):
        flipped = 0.0
        for year, ic in zip(years, SEVENTEEN, strict=True):
            text = f"momentum\n{window(year)}\n{pattern // 256}"
            if text not in digests:
                digests[text] = hashlib.sha256(text.encode()).digest()
            bit = pattern % 256
            is_flipped = digests[text][bit // 8] >> (bit % 8) & 1
            flipped += -ic if is_flipped else ic
        reached += flipped >= total - 1e-12
    assert luck.p_raw == luck.p_family == reached / 65_536
    # All patterns there are give about the same.
    signs = np.array(list(itertools.product((1, -1), repeat=17)))
    exact = np.mean(signs @ np.array(SEVENTEEN) >= total - 1e-12)
    error = math.sqrt(exact / 65_536)
    assert luck.p_raw == pytest.approx(float(exact), abs=3 * error)


def made(seed: int, number: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for place in range(number):
        length = int(rng.integers(8, 14))
        first = int(rng.integers(0, 14 - length))
        ics = rng.normal(0.01, 0.03, length)
        name = f"2026-01-{place + 1:02}"
        trials.append(trial(name, list(ics), YEARS[first : first + length]))
    return trials


def test_neither_order_nor_later_trials_nor_scale_change_what_was_said() -> None:
    trials = made(3, 12)
    lucks = sign_flips.judge("f", trials)
    shuffled = trials.copy()
    random.Random(1).shuffle(shuffled)
    assert sign_flips.judge("f", shuffled) == lucks
    earlier = sign_flips.judge("f", trials[:7])
    for before, after in zip(earlier, lucks, strict=False):
        assert before.p_family == after.p_family
        assert before.family_p == after.family_p
    scaled = [Trial(one.run, {key: ic * 1e-3 for key, ic in one.series.items()}) for one in trials]
    for before, after in zip(lucks, sign_flips.judge("f", scaled), strict=True):
        assert (before.p_family, before.p_family_now) == (after.p_family, after.p_family_now)


def test_the_familys_p_is_the_smallest_of_its_trials() -> None:
    trials = made(5, 10)
    trials.insert(4, Trial("2026-01-04b", {}))
    lucks = sign_flips.judge("f", trials, outside=2)
    for number, luck in enumerate(lucks, start=1):
        now = sign_flips.judge("f", trials[:number], outside=2)
        ps = [one.p_family_now for one in now if one.p_family_now is not None]
        assert luck.family_p == pytest.approx(min(ps), abs=1e-15)


def test_blocks_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = made(9, 20)
    lucks = sign_flips.judge("f", trials)
    monkeypatch.setattr(sign_flips, "_BLOCK", 3)
    monkeypatch.setattr(sign_flips, "_FEWEST", 3)
    assert sign_flips.judge("f", trials) == lucks


def test_a_family_without_a_series_has_p_one() -> None:
    (luck,) = sign_flips.judge("f", [Trial("a", {})], outside=3)
    assert (luck.family_p, luck.p_family, luck.trials) == (1.0, None, 4)
    assert luck.family_best is None


@pytest.mark.parametrize("ics", [[0.02], [0.02, 0.02, 0.02], [0.0, 0.0]])
def test_what_does_not_vary_counts_as_a_trial_without_a_series(ics: list[float]) -> None:
    lucks = sign_flips.judge("f", [trial("a", X), trial("b", ics, YEARS[: len(ics)])])
    assert [luck.without_series for luck in lucks] == [0, 1]
    assert lucks[1].p_family is None
    assert lucks[0].p_family_now == pytest.approx(1 - (1 - 42 / ALL) ** 2, abs=1e-12)


def test_series_that_a_table_cannot_tell_apart_are_one() -> None:
    close = [ic + 1e-16 for ic in X]
    backwards = Trial("c", dict(sorted(trial("c", X).series.items(), reverse=True)))
    lucks = sign_flips.judge("f", [trial("a", X), trial("b", close), backwards])
    assert [luck.repeats for luck in lucks] == [None, "a", "a"]
    assert [luck.trials for luck in lucks] == [1, 1, 1]


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_tiny_and_huge_ics_are_numbers(scale: float) -> None:
    (luck,) = sign_flips.judge("f", [trial("a", [ic * scale for ic in X])])
    assert luck.p_family == 42 / ALL
    assert luck.t == pytest.approx(3.2266389438, abs=1e-10)


def test_an_infinite_t_is_a_value_like_any_other() -> None:
    # Two of the 16 patterns make these windows equal: one of them all positive.
    even = trial("a", [0.02, 0.02, -0.02, 0.02], YEARS[:4])
    nearly = trial("b", [0.03, 0.03, 0.03, 0.030001], YEARS[:4])
    lucks = sign_flips.judge("f", [even, nearly])
    assert [luck.p_raw for luck in lucks] == [5 / 16, 1 / 16]
    assert lucks[1].p_family == 2 / 16


def exact_t(ics: dict[str, int], flipped: frozenset[str]) -> tuple[bool, Fraction]:
    """Return what t grows with: whether it is infinite, and its square with its sign."""
    total = sum(-ic if key in flipped else ic for key, ic in ics.items())
    rest = len(ics) * sum(ic * ic for ic in ics.values()) - total * total
    if rest == 0:
        return total > 0, Fraction(total)
    return False, Fraction((len(ics) - 1) * total * abs(total), rest)


def test_whole_numbers_of_unequal_windows_give_the_same_shares() -> None:
    rng = random.Random(17)
    series = []
    for _ in range(4):
        years = sorted(rng.sample(YEARS[:8], rng.randint(5, 8)))
        series.append({window(year): rng.randint(-9, 12) for year in years})
    trials = [Trial(str(number), one) for number, one in enumerate(series)]
    keys = sorted({key for one in series for key in one})
    subsets = []
    for bits in itertools.product((False, True), repeat=len(keys)):
        subsets.append(frozenset(itertools.compress(keys, bits)))
    for number, luck in enumerate(sign_flips.judge("f", trials)):
        own = exact_t(series[number], frozenset())
        for counted, p in ((series[: number + 1], luck.p_family), (series, luck.p_family_now)):
            best = [max(exact_t(one, flipped) for one in counted) for flipped in subsets]
            assert p == Fraction(sum(value >= own for value in best), len(subsets))


def growing(number: int) -> list[Trial]:
    """Return trials of ten years, each a year later than the one before."""
    rng = np.random.default_rng(23)
    trials = []
    for place in range(number):
        years = range(1990 + place, 2000 + place)
        trials.append(trial(f"{place:02}", list(rng.normal(0.01, 0.03, 10)), years))
    return trials


def test_windows_that_come_later_give_the_same_as_if_they_were_known() -> None:
    """From the eighth trial on there are more than 16 windows, and patterns are drawn."""
    trials = growing(10)
    for number, luck in enumerate(sign_flips.judge("f", trials), start=1):
        *_, last = sign_flips.judge("f", trials[:number])
        assert luck.p_family == last.p_family == last.p_family_now
        assert (luck.p_raw, luck.family_p) == (last.p_raw, last.family_p)
        assert luck.p_raw == pytest.approx(
            sign_flips.judge("f", [trials[number - 1]])[0].p_raw, abs=0.006
        )


def test_the_policy_says_how_many_patterns() -> None:
    few = sign_flips.Patterns(all_up_to_keys=4, drawn=1000)
    (luck,) = sign_flips.judge("f", [trial("a", X)], patterns=few)
    assert luck.p_raw is not None
    assert luck.p_raw * 1000 == pytest.approx(round(luck.p_raw * 1000))
    assert luck.p_raw != 42 / ALL
    more = sign_flips.Patterns(all_up_to_keys=17)
    (luck,) = sign_flips.judge("f", [trial("a", SEVENTEEN, range(2009, 2026))], patterns=more)
    signs = np.array(list(itertools.product((1, -1), repeat=17)))
    total = sum(SEVENTEEN)
    assert luck.p_raw == np.mean(signs @ np.array(SEVENTEEN) >= total - 1e-12)


def test_the_familys_best_run_is_named() -> None:
    lucks = sign_flips.judge("f", [trial("a", Y), trial("b", X), Trial("c", {}), trial("d", Z)])
    assert [luck.family_best for luck in lucks] == ["a", "b", "b", "b"]


def test_months_are_keys_as_well() -> None:
    rng = np.random.default_rng(2)
    months = [f"{year}-{month:02}" for year in YEARS for month in range(1, 13)]
    trials = []
    for place, mean in enumerate((0.0, 0.03)):
        ics = rng.normal(mean, 0.11, len(months))
        trials.append(Trial(str(place), dict(zip(months, ics, strict=True))))
    chance, good = sign_flips.judge("f", trials)
    # With so many months the sign flips say what Student's t says.
    for luck in (chance, good):
        assert luck.p_raw == pytest.approx(float(stats.t.sf(luck.t, 155)), abs=0.01)
    assert good.family_best == "1"


def test_ten_thousand_trials_take_one_pass() -> None:
    """The cost is linear: as many patterns are gone through for each trial, whenever it comes."""
    rng = np.random.default_rng(4)
    ics = rng.normal(0, 0.033, (10_000, 13))
    trials = [trial(f"{place:05}", list(row)) for place, row in enumerate(ics)]
    began = time.process_time()
    lucks = sign_flips.judge("f", trials, outside=3)
    # Half a second on a machine of its own.
    assert time.process_time() - began < 5
    assert lucks[-1].trials == 10_003
