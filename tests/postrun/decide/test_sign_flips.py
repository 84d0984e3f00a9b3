"""How often luck is as good: printed values, another way to the same numbers, what must hold."""

import hashlib
import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

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
    found = sign_flips.critical_value("f", trials, 0.05)
    assert found == pytest.approx(2.3103282464, abs=1e-10)
    deviation = np.std(X, ddof=1)
    bound = np.mean(X) - found * deviation / math.sqrt(len(X))
    assert bound == pytest.approx(0.005635970863, abs=1e-12)
    assert sign_flips.critical_value("f", trials, 1e-5) == math.inf


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
    assert sign_flips.judge("f", trials) == lucks


def test_a_family_without_a_series_has_p_one() -> None:
    (luck,) = sign_flips.judge("f", [Trial("a", {})], outside=3)
    assert (luck.family_p, luck.p_family, luck.trials) == (1.0, None, 4)
