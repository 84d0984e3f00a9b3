"""How often luck alone gives a result as good as a trial's: exact sign-flip max-t.

Null hypothesis, one-sided: the errors of the windows are independent and symmetric around zero.
Then every pattern of signs is as likely as the one that was seen. Under a pattern s, with one sign
per window shared by all trials, t of trial i is Student's t of its flipped series:

    r = sum_w s_w x_iw / sqrt(T_i sum_w x_iw^2)        t = r sqrt(T_i - 1) / sqrt(1 - r^2)

p_raw is the share of patterns whose t is at least the one that was seen; p_max the share in which
the best of all counted trials is at least that. m counted trials without a series are taken as
independent of each other: p_family = 1 - (1 - p_max) (1 - p_raw)^m.
Sources: Westfall and Young 1993, Resampling-Based Multiple Testing; Romano and Wolf 2005,
Econometrica 73 (single step).
Cost: grows with the trials times the patterns: a trial that was counted is counted again only
once, when the windows of its family become too many for all patterns. A trial whose luck as of its
own name is known is only counted.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from postrun.decide import window_series

_BITS = 256  # of one SHA-256
_TOLERANCE = 1e-9  # on t
# What rounding may do to r, of more than a hundred windows. Near 1 the tolerance on t is less.
_ROUNDING = 1e-13
_BLOCK = 1 << 18  # numbers in an array of trials x patterns, two megabytes
_FEWEST = 32  # trials in such an array

Floats = NDArray[np.float64]
# Number of windows -> the best r of the trials with so many, under each pattern. For trials of one
# length r says what t says, and takes less time.
BestByWindows = dict[int, Floats]


@dataclass(frozen=True)
class Patterns:
    """How many patterns are tried: all, up to so many windows in the family; else so many drawn."""

    all_up_to_keys: int = 16
    drawn: int = 65_536

    def number(self, keys: int) -> int:
        """Return the number of patterns of so many windows."""
        if keys <= self.all_up_to_keys:
            return 1 << keys
        return self.drawn


DEFAULT_PATTERNS = Patterns()


@dataclass(frozen=True)
class Trial:
    """One run of a family; without a series it counts, and is judged as not measured."""

    run: str  # its folder's name, by which trials are ordered
    series: Mapping[str, float]  # window -> IC: none, or two and more that are not all equal
    cell: str = ""  # the series as a table has it, where it comes from one

    @cached_property
    def scaled(self) -> dict[str, float]:
        """Return the ICs in the scale in which they add up to r; nothing when there is no t."""
        ics = self.series.values()
        if len(set(ics)) < 2:
            return {}
        # The largest first, so that the squares of tiny or huge ICs stay numbers. Each of these
        # operations is rounded correctly, hence alike on every machine.
        largest = max(map(abs, ics))
        shares = [ic / largest for ic in ics]
        squares = [share * share for share in shares]
        total = math.fsum(squares)
        length = math.sqrt(len(shares) * total)
        scaled = {}
        for key, share in zip(self.series, shares, strict=True):
            scaled[key] = share / length
        return scaled

    @cached_property
    def t(self) -> float:
        """Return Student's t of the series as it was measured."""
        shares = self.scaled.values()
        number = len(shares)
        mean = math.fsum(shares) / number
        deviations = [share - mean for share in shares]
        squares = [deviation * deviation for deviation in deviations]
        variance = math.fsum(squares) / (number - 1)
        if variance == 0:
            return math.copysign(math.inf, mean)
        error = math.sqrt(variance / number)
        return mean / error


@dataclass
class Luck:
    """What luck gives among the trials up to one run's own name; None without a series."""

    run: str
    trials: int  # of which equal series count once
    without_series: int
    family_p: float  # the smallest p_family so far; 1 as long as no trial has a series
    family_best: str | None = None  # the run that has it
    repeats: str | None = None  # the earlier run with the same series
    t: float | None = None
    p_raw: float | None = None
    p_max: float | None = None
    p_family: float | None = None
    p_family_now: float | None = None  # among all the trials that were given


@dataclass(frozen=True)
class _Counted:
    """A counted trial, and what decides its p: the t from which on luck is as good, and p_raw."""

    trial: Trial
    least_t: float
    p_raw: float
    least_rs: dict[int, float]  # the same as r, by number of windows, where it was asked for

    def least_r(self, windows: int) -> float:
        """Return the r of so many windows from which on luck is as good."""
        known = self.least_rs.get(windows)
        if known is None:
            known = _least_r(self.least_t, windows)
            self.least_rs[windows] = known
        return known


@dataclass(frozen=True)
class Judged:
    """The luck of the trials of a family."""

    lucks: list[Luck]  # of those that were not known, by the names of their runs
    now: dict[str, float]  # run -> p_family among all trials; of each trial with a series


def judge(
    family: str,
    trials: Iterable[Trial],
    outside: int = 0,
    patterns: Patterns = DEFAULT_PATTERNS,
) -> list[Luck]:
    """Return the luck of each trial of a family, by the names of their runs.

    `outside` is the number of trials that are not among them, and have no series.
    """
    judged = judge_others(
        family,
        trials,
        {},
        outside,
        patterns,
    )
    return judged.lucks


def judge_others(
    family: str,
    trials: Iterable[Trial],
    known: Mapping[str, float],
    outside: int = 0,
    patterns: Patterns = DEFAULT_PATTERNS,
) -> Judged:
    """Return the luck of the trials whose luck as of their own name is not `known`.

    `known` gives for a run something that its p_family is not below; best is the p itself.
    """
    counting = _Family(family, outside, patterns)
    ordered = sorted(trials, key=attrgetter("run"))
    lucks = []
    for trial, r in counting.under_patterns(ordered):
        if trial.run in known:
            least_p = known[trial.run]
            counting.take_known(trial, r, least_p)
        else:
            luck = counting.judge(trial, r)
            lucks.append(luck)
    now = counting.p_now()
    for luck in lucks:
        luck.p_family_now = now.get(luck.run)
    return Judged(lucks, now)


@dataclass(frozen=True)
class BestOfLuck:
    """The best t of all trials under each pattern, and the best |t|, both ascending."""

    t: Floats
    size: Floats

    def critical_value(self, share: float, two_sided: bool = False) -> float:
        """Return the smallest attained value c with share(best t >= c) <= `share`.

        Of the best |t| when two-sided. Infinite when no attained value is so rare.
        """
        ascending = self.t
        if two_sided:
            ascending = self.size
        return _rarest(ascending, share)


def best_of_luck(
    family: str,
    trials: Iterable[Trial],
    patterns: Patterns = DEFAULT_PATTERNS,
) -> BestOfLuck:
    """Return what the best of these trials gives by luck alone."""
    counting = _Family(family, 0, patterns)
    with_series = [trial for trial in trials if trial.scaled]
    # All windows first: only then is the number of patterns known.
    for trial in with_series:
        counting.add_keys(trial)
    best: BestByWindows = {}
    best_size: BestByWindows = {}
    for trial, r in counting.under_patterns(with_series):
        windows = len(trial.scaled)
        _raise_best(best, windows, r)
        _raise_best(best_size, windows, np.abs(r))
    t = _best_t(best, counting.number)
    size = _best_t(best_size, counting.number)
    return BestOfLuck(np.sort(t), np.sort(size))


def rising_hurdle(
    family: str,
    trials: Iterable[Trial],
    levels: Mapping[str, float],
    patterns: Patterns = DEFAULT_PATTERNS,
) -> dict[str, float]:
    """Return how high the best t must be as of some runs: the more trials, the higher.

    `levels` names these runs, each with the share of patterns in which the best of the trials up to
    it may be so high. Infinite when no attained value is so rare.
    """
    counting = _Family(family, 0, patterns)
    ordered = sorted(trials, key=attrgetter("run"))
    hurdle = {}
    for trial, r in counting.under_patterns(ordered):
        counting.count_measured(trial, r)
        level = levels.get(trial.run)
        if level is not None:
            best = _best_t(counting.best, counting.number)
            ascending = np.sort(best)
            hurdle[trial.run] = _rarest(ascending, level)
    return hurdle


def _raise_best(best: BestByWindows, windows: int, r: Floats) -> None:
    """Count r of one more trial, of so many windows, in the best under each pattern."""
    known = best.get(windows)
    if known is None:
        best[windows] = r.copy()
    else:
        np.maximum(known, r, out=known)


def _best_t(best: BestByWindows, patterns: int) -> Floats:
    """Return the best t under each of so many patterns; -inf without a trial."""
    best_t = np.full(
        patterns,
        -np.inf,
    )
    for windows, r in best.items():
        t = _student(r, windows)
        np.maximum(best_t, t, out=best_t)
    return best_t


def _student(r: Floats, windows: int) -> Floats:
    """Return t of each r, of so many windows; infinite where r is 1 but for rounding."""
    rest = 1 - r**2
    rest[rest < _ROUNDING] = 0
    freedom = windows - 1
    with np.errstate(divide="ignore"):
        scale = np.sqrt(freedom / rest)
    return r * scale


def _rarest(ascending: Floats, share: float) -> float:
    """Return the smallest value that at most this share of all values reach."""
    below = np.searchsorted(ascending, ascending - _TOLERANCE)
    reached = len(ascending) - below
    is_rare = reached <= share * len(ascending)
    rare = ascending[is_rare]
    if len(rare) == 0:
        return math.inf
    return float(rare[0])


class _Family:
    """The counted trials of a family so far, under every pattern."""

    def __init__(
        self,
        family: str,
        outside: int,
        patterns: Patterns,
    ) -> None:
        self.family = family
        self.without_series = outside
        self.patterns = patterns
        self.keys: dict[str, None] = {}  # windows, in the order in which they came
        self.number = 1  # of patterns
        self.best: BestByWindows = {}
        self.counted: dict[str, _Counted] = {}  # by run
        self.first_runs: dict[str, str] = {}  # series -> the run that is counted with it
        self.counted_as: dict[str, str] = {}  # run -> the run that is counted with its series
        # A heap of (p_family when it was last worked out, -t, run). More trials only raise it, so
        # that the smallest p is found without working out the others.
        self.lowest: list[tuple[float, float, str]] = []
        # Drawn signs, windows x patterns.
        self.signs_of: list[str] = []
        self.signs: Floats = np.empty(0)

    @property
    def is_drawn(self) -> bool:
        """Return whether there are too many windows for all patterns."""
        return len(self.keys) > self.patterns.all_up_to_keys

    def under_patterns(self, trials: Iterable[Trial]) -> Iterator[tuple[Trial, Floats]]:
        """Yield each trial with its r under each pattern, until the next takes its place.

        Adds the windows that are new.
        """
        for block in self._blocks(trials):
            rs = self._rs(block)
            yield from zip(block, rs, strict=True)

    def _blocks(self, trials: Iterable[Trial]) -> Iterator[list[Trial]]:
        """Yield the trials in blocks: only the first of a block has windows that are new."""
        block: list[Trial] = []
        for trial in trials:
            is_known = trial.scaled.keys() <= self.keys.keys()
            is_new = not is_known
            most = _BLOCK // self.number
            is_full = len(block) >= max(most, _FEWEST)
            if block and (is_new or is_full):
                yield block
                block = []
            if is_new:
                self.add_keys(trial)
            block.append(trial)
        if block:
            yield block

    def add_keys(self, trial: Trial) -> None:
        """Add the windows that no trial before had, and their patterns."""
        was_drawn = self.is_drawn
        number = self.number
        for key in sorted(trial.scaled):
            self.keys[key] = None
        windows = len(self.keys)
        self.number = self.patterns.number(windows)
        if not self.is_drawn:
            # No counted trial has the new windows: whatever their signs, it is as it was.
            times = self.number // number
            for windows, best in self.best.items():
                self.best[windows] = np.tile(best, times)
        elif not was_drawn:
            self._count_again()

    def _count_again(self) -> None:
        trials = [counted.trial for counted in self.counted.values()]
        self.best = {}
        self.lowest = []
        for trial, r in self.under_patterns(trials):
            self._count(trial, r)
            # No p_family is below p_raw.
            counted = self.counted[trial.run]
            self._add_low(counted.p_raw, counted)

    def _rs(self, block: Sequence[Trial]) -> Iterable[Floats]:
        """Return r of each trial under each pattern."""
        keys = list(self.keys)
        if self.is_drawn:
            keys = _keys_of(block)
        rows = []
        for trial in block:
            row = [trial.scaled.get(key, 0.0) for key in keys]
            rows.append(row)
        scaled = np.array(rows)
        if self.is_drawn:
            return scaled @ self._drawn_signs(keys)
        return _all_sums(scaled)

    def _drawn_signs(self, keys: list[str]) -> Floats:
        """Return the signs of windows x patterns; most blocks have the windows of the last."""
        if keys != self.signs_of:
            rows = []
            for key in keys:
                signs = _draw_signs(
                    self.family,
                    key,
                    self.number,
                )
                rows.append(signs)
            self.signs_of = keys
            self.signs = np.array(rows)
        return self.signs

    def take(self, trial: Trial, r: Floats) -> _Counted | None:
        """Count a trial. Return the trial that is counted with its series; None without one."""
        if not trial.scaled:
            self.without_series += 1
            return None
        series = trial.cell or window_series.encode(trial.series)
        run = self.first_runs.setdefault(series, trial.run)
        self.counted_as[trial.run] = run
        if run == trial.run:
            self._count(trial, r)
        return self.counted[run]

    def take_known(
        self,
        trial: Trial,
        r: Floats,
        least_p: float,
    ) -> None:
        """Count a trial whose p_family is not below `least_p`."""
        first = self.take(trial, r)
        if first is not None:
            self._add_low(least_p, first)

    def judge(self, trial: Trial, r: Floats) -> Luck:
        """Count a trial, and return its luck among those so far."""
        first = self.take(trial, r)
        if first is None:
            return self._luck(trial)
        p_max = self._p_max(first)
        p_family = self._p_family(p_max, first.p_raw)
        self._add_low(p_family, first)
        luck = self._luck(trial)
        if first.trial.run != trial.run:
            luck.repeats = first.trial.run
        luck.t = first.trial.t
        luck.p_raw = first.p_raw
        luck.p_max = p_max
        luck.p_family = p_family
        return luck

    def _luck(self, trial: Trial) -> Luck:
        """Return what the family's trials so far are, whatever this one is worth."""
        number = len(self.counted) + self.without_series
        luck = Luck(
            trial.run,
            trials=number,
            without_series=self.without_series,
            family_p=1.0,
        )
        if self.lowest:
            luck.family_p, luck.family_best = self._smallest()
        return luck

    def _add_low(self, p: float, counted: _Counted) -> None:
        """Remember a p that a trial's p_family is not below; of equal ones the largest t comes
        first.
        """
        trial = counted.trial
        heappush(self.lowest, (p, -trial.t, trial.run))

    def _smallest(self) -> tuple[float, str]:
        """Return the smallest p_family, and the run that has it."""
        while True:
            least, _, run = self.lowest[0]
            counted = self.counted[run]
            p_max = self._p_max(counted)
            p_family = self._p_family(p_max, counted.p_raw)
            if p_family <= least:
                return p_family, run
            heappop(self.lowest)
            self._add_low(p_family, counted)

    def p_now(self) -> dict[str, float]:
        """Return p_family of each trial among all that were counted, by run."""
        everyone = self.counted.values()
        ordered = sorted(everyone, key=attrgetter("least_t"))
        # How many of these trials, the smallest t first, the best under each pattern is as good as.
        reached = np.zeros(self.number, np.intp)
        for windows, best in self.best.items():
            least = [counted.least_r(windows) for counted in ordered]
            least.sort()
            places = np.searchsorted(
                least,
                best,
                side="right",
            )
            np.maximum(
                reached,
                places,
                out=reached,
            )
        number = len(ordered)
        patterns = np.bincount(reached, minlength=number + 1)
        # A pattern that is as good as one trial is as good as those before it, too.
        from_the_end = np.cumsum(patterns[::-1])
        as_good = from_the_end[::-1].tolist()
        ps = {}
        for place, counted in enumerate(ordered, start=1):
            p_max = as_good[place] / self.number
            run = counted.trial.run
            ps[run] = self._p_family(p_max, counted.p_raw)
        return {run: ps[first] for run, first in self.counted_as.items()}

    def _p_family(self, p_max: float, p_raw: float) -> float:
        if self.without_series == 0:
            return p_max
        none_of_them = (1 - p_raw) ** self.without_series
        return 1 - (1 - p_max) * none_of_them

    def _p_max(self, counted: _Counted) -> float:
        """Return the share of patterns in which the best t is at least a trial's."""
        shares = []
        for windows, best in self.best.items():
            is_reached = best >= counted.least_r(windows)
            shares.append(is_reached)
        any_of_them = shares[0]
        for other in shares[1:]:
            any_of_them |= other
        return _share(any_of_them)

    def count_measured(self, trial: Trial, r: Floats) -> None:
        """Count a trial that has a series."""
        if trial.scaled:
            self._count(trial, r)

    def _count(self, trial: Trial, r: Floats) -> None:
        """Count a trial: it may be the best under some patterns, and the best as measured."""
        windows = len(trial.scaled)
        _raise_best(self.best, windows, r)
        least_t = trial.t - _TOLERANCE
        least_r = _least_r(least_t, windows)
        p_raw = _share(r >= least_r)
        counted = _Counted(
            trial,
            least_t,
            p_raw,
            {windows: least_r},
        )
        self.counted[trial.run] = counted


def _keys_of(trials: Iterable[Trial]) -> list[str]:
    keys: set[str] = set()
    for trial in trials:
        keys |= trial.scaled.keys()
    return sorted(keys)


def _least_r(least_t: float, windows: int) -> float:
    """Return the r from which on t is at least that: the sine of the angle that t belongs to."""
    freedom = windows - 1
    tangent = least_t / math.sqrt(freedom)
    angle = math.atan(tangent)
    return math.sin(angle) - _ROUNDING


def _share(is_reached: NDArray[np.bool_]) -> float:
    # A plain number: the compiled check of a JSON document takes no other.
    number = int(np.count_nonzero(is_reached))
    return number / len(is_reached)


def _all_sums(scaled: Floats) -> Iterator[Floats]:
    """Yield the sum of each row under all patterns; the first pattern flips nothing.

    Each sum of the first half of the windows is added to each of the second half: all in one array,
    which stays in the processor's cache.
    """
    _, windows = scaled.shape
    half = windows // 2
    first_sums = _few_sums(scaled[:, :half])
    second_sums = _few_sums(scaled[:, half:])
    _, columns = first_sums.shape
    _, rows = second_sums.shape
    sums = np.empty((rows, columns))
    for first, second in zip(first_sums, second_sums, strict=True):
        np.add(
            second[:, np.newaxis],
            first,
            out=sums,
        )
        yield sums.reshape(-1)


def _few_sums(scaled: Floats) -> Floats:
    """Return the sum of each row under all patterns: rows x patterns.

    Sums of the first windows make those of one more: with its value added, then subtracted.
    """
    rows, windows = scaled.shape
    sums = np.empty((rows, 1 << windows))
    sums[:, 0] = 0
    for window in range(windows):
        half = 1 << window
        column = scaled[:, window, np.newaxis]
        added = sums[:, :half]
        both = 2 * half
        subtracted = sums[:, half:both]
        np.subtract(added, column, out=subtracted)
        added += column
    return sums


def _draw_signs(family: str, key: str, number: int) -> Floats:
    """Return the sign of a window in each pattern, alike on every machine; the first flips nothing.

    The sign in pattern k is -1 where bit k mod 256 of the SHA-256 of family, window and k div 256
    is 1.
    """
    digests = b""
    blocks = math.ceil(number / _BITS)
    for place in range(blocks):
        text = f"{family}\n{key}\n{place}"
        digest = hashlib.sha256(text.encode())
        digests += digest.digest()
    octets = np.frombuffer(digests, np.uint8)
    bits = np.unpackbits(octets, bitorder="little")
    signs: Floats = np.where(bits[:number], -1.0, 1.0)
    signs[0] = 1
    return signs
