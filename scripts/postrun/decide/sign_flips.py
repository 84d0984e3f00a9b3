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
Cost: grows with the trials times the patterns.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Up to this many windows all patterns are tried; above, so many are drawn.
MOST_KEYS = 16
DRAWN = 65_536
_BITS = 256  # of one SHA-256
_TOLERANCE = 1e-9  # on t
_ROUNDING = 1e-12  # on r
_BLOCK = 128  # trials whose patterns are held at a time

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """One run of a family; without a series it counts, and is judged as not measured."""

    run: str  # its folder's name, by which trials are ordered
    series: Mapping[str, float]  # window -> IC: none, or two and more that are not all equal

    @property
    def freedom(self) -> int:
        """Return the degrees of freedom of its t."""
        return len(self.series) - 1


@dataclass(frozen=True)
class Luck:
    """What luck gives among the trials up to one run's own name; None without a series."""

    run: str
    trials: int  # of which equal series count once
    without_series: int
    family_p: float  # the smallest p_family so far; 1 as long as no trial has a series
    repeats: str | None = None  # the earlier run with the same series
    t: float | None = None
    p_raw: float | None = None
    p_max: float | None = None
    p_family: float | None = None
    p_family_now: float | None = None  # among all the trials that were given


@dataclass(frozen=True)
class _Standing:
    """What decides a trial's p: the value from which on luck is as good, and p_raw."""

    threshold: float
    p_raw: float

    def is_as_good_as(self, other: "_Standing") -> bool:
        """Return whether p is no larger than another trial's, whatever is counted besides."""
        if self.threshold < other.threshold:
            return False
        return self.p_raw <= other.p_raw


def judge(
    family: str,
    trials: Sequence[Trial],
    outside: int = 0,
) -> list[Luck]:
    """Return the luck of each trial of a family, by the names of their runs.

    `outside` is the number of trials that are not among them, and have no series.
    """
    ordered = sorted(trials, key=attrgetter("run"))
    lengths = set()
    for trial in ordered:
        if trial.series:
            lengths.add(len(trial.series))
    has_one_length = len(lengths) == 1
    field = _Field(
        family,
        has_one_length,
        outside,
    )
    for group in _groups(ordered):
        field.add(group)
    return field.with_now()


def critical_value(
    family: str,
    trials: Sequence[Trial],
    share: float,
    two_sided: bool = False,
) -> float:
    """Return the smallest attained value c of the best t with share(best t >= c) <= `share`.

    Of the best |t| when two-sided. Infinite when no attained value is so rare.
    """
    field = _Field(
        family,
        has_one_length=False,
        outside=0,
    )
    with_series = [trial for trial in trials if trial.series]
    keys: set[str] = set()
    for trial in with_series:
        keys |= trial.series.keys()
    field.begin(sorted(keys))
    best = field.best
    for block in _blocks(with_series):
        values = field.values(block)
        if two_sided:
            values = np.abs(values)
        best_of_block = values.max(axis=0)
        best = np.maximum(best, best_of_block)
    return _rarest(best, share)


def _rarest(values: Floats, share: float) -> float:
    """Return the smallest value that at most this share of all values reach."""
    ascending = np.sort(values)
    below = np.searchsorted(ascending, ascending - _TOLERANCE)
    reached = len(ascending) - below
    is_rare = reached <= share * len(ascending)
    rare = ascending[is_rare]
    if len(rare) == 0:
        return math.inf
    return float(rare[0])


def _groups(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Yield the trials in groups: only the first of a group has windows that none before had."""
    keys: set[str] = set()
    group: list[Trial] = []
    for trial in trials:
        own_keys = trial.series.keys()
        is_full = len(group) == _BLOCK
        if group and (is_full or not own_keys <= keys):
            yield group
            group = []
        keys |= own_keys
        group.append(trial)
    if group:
        yield group


def _blocks(trials: Sequence[Trial]) -> Iterator[Sequence[Trial]]:
    for start in range(0, len(trials), _BLOCK):
        end = start + _BLOCK
        yield trials[start:end]


class _Field:
    """The trials of a family so far, under every pattern.

    A value is r where all trials have as many windows, which saves time; else t.
    """

    def __init__(
        self,
        family: str,
        has_one_length: bool,
        outside: int,
    ) -> None:
        self.family = family
        self.has_one_length = has_one_length
        self.without_series = outside
        self.keys: list[str] = []
        # Windows x patterns, and the best value of the counted trials under each pattern.
        self.signs: Floats = np.ones((0, 1))
        self.best: Floats = np.full(1, -np.inf)
        self.counted: dict[tuple[tuple[str, float], ...], Trial] = {}
        self.standings: dict[str, _Standing] = {}  # of the counted trials, by run
        # Of those, the ones that may have the smallest p.
        self.leaders: list[_Standing] = []
        self.lucks: list[Luck] = []

    def begin(self, keys: list[str]) -> None:
        """Use other windows, and so other patterns; what was counted is counted again."""
        self.keys = keys
        self.signs = _signs(self.family, keys)
        number = self.signs.shape[1]
        self.best = np.full(number, -np.inf)
        self.leaders = []
        counted = list(self.counted.values())
        for block in _blocks(counted):
            all_values = self.values(block)
            for trial, values in zip(block, all_values, strict=True):
                self._count(trial, values)

    def add(self, group: Sequence[Trial]) -> None:
        """Judge more trials. Only the first of them may have windows that are new."""
        first = group[0]
        keys = sorted({*self.keys, *first.series})
        if keys != self.keys:
            self.begin(keys)
        all_values = self.values(group)
        for trial, values in zip(group, all_values, strict=True):
            luck = self._judge(trial, values)
            self.lucks.append(luck)

    def values(self, trials: Sequence[Trial]) -> Floats:
        """Return r or t of each trial under each pattern: trials x patterns."""
        scaled = self._scaled(trials)
        r = scaled @ self.signs
        if self.has_one_length:
            return r
        # What is 1 but for rounding is 1: t is infinite, which is a value like any other.
        r[r > 1 - _ROUNDING] = 1
        r[r < _ROUNDING - 1] = -1
        shape = len(trials), 1
        freedom = np.ones(shape)
        for row, trial in enumerate(trials):
            freedom[row] = max(trial.freedom, 1)
        with np.errstate(divide="ignore"):
            spread = np.sqrt((1 - r**2) / freedom)
            return r / spread

    def _scaled(self, trials: Sequence[Trial]) -> Floats:
        """Return the ICs, trials x windows, in the scale in which they add up to r."""
        columns = {}
        for column, key in enumerate(self.keys):
            columns[key] = column
        shape = len(trials), len(self.keys)
        scaled = np.zeros(shape)
        for row, trial in enumerate(trials):
            if not trial.series:
                continue
            own_ics = list(trial.series.values())
            ics = np.array(own_ics)
            squares = np.sum(ics**2)
            length = np.sqrt(len(ics) * squares)
            own_columns = [columns[key] for key in trial.series]
            scaled[row, own_columns] = ics / length
        return scaled

    def _judge(self, trial: Trial, values: Floats) -> Luck:
        if not trial.series:
            self.without_series += 1
            return self._without_series(trial)
        series = tuple(trial.series.items())
        first = self.counted.setdefault(series, trial)
        repeats = None
        if first is trial:
            self._count(trial, values)
        else:
            repeats = first.run
        standing = self.standings[first.run]
        own_t = self._own_t(trial, values)
        p_max = _share(self.best, standing.threshold)
        return Luck(
            trial.run,
            trials=self._number(),
            without_series=self.without_series,
            family_p=self._smallest_p(),
            repeats=repeats,
            # More digits would depend on the order in which a machine adds.
            t=round(own_t, 12),
            p_raw=standing.p_raw,
            p_max=p_max,
            p_family=self._p_family(
                p_max,
                standing.p_raw,
            ),
        )

    def _without_series(self, trial: Trial) -> Luck:
        number = self._number()
        return Luck(
            trial.run,
            trials=number,
            without_series=self.without_series,
            family_p=self._smallest_p(),
        )

    def _number(self) -> int:
        return len(self.counted) + self.without_series

    def _smallest_p(self) -> float:
        smallest = 1.0
        for leader in self.leaders:
            p_max = _share(self.best, leader.threshold)
            p_family = self._p_family(p_max, leader.p_raw)
            smallest = min(smallest, p_family)
        return smallest

    def _p_family(self, p_max: float, p_raw: float) -> float:
        if self.without_series == 0:
            return p_max
        none_of_them = (1 - p_raw) ** self.without_series
        return float(1 - (1 - p_max) * none_of_them)

    def _count(self, trial: Trial, values: Floats) -> None:
        """Count a trial: it may be the best under some patterns, and the best that was seen."""
        np.maximum(
            self.best,
            values,
            out=self.best,
        )
        threshold = self._threshold(trial, values)
        p_raw = _share(values, threshold)
        standing = _Standing(threshold, p_raw)
        self.standings[trial.run] = standing
        leaders = []
        for leader in self.leaders:
            if leader.is_as_good_as(standing):
                return
            if not standing.is_as_good_as(leader):
                leaders.append(leader)
        self.leaders = [*leaders, standing]

    def _own_t(self, trial: Trial, values: Floats) -> float:
        """Return the t that was measured: that of the first pattern."""
        value = float(values[0])
        if not self.has_one_length:
            return value
        if value > 1 - _ROUNDING:
            return math.inf
        spread = math.sqrt((1 - value**2) / trial.freedom)
        return value / spread

    def _threshold(self, trial: Trial, values: Floats) -> float:
        """Return the value from which on a pattern is as good as what was seen."""
        own_t = self._own_t(trial, values)
        least = own_t - _TOLERANCE
        if not self.has_one_length:
            return least
        if least == math.inf:
            return 1 - _ROUNDING
        length = math.sqrt(trial.freedom + least**2)
        return least / length

    def with_now(self) -> list[Luck]:
        """Return the luck of all trials, each with its p among all of them."""
        best = np.sort(self.best)
        lucks = []
        for luck in self.lucks:
            if luck.p_raw is not None:
                counted = luck.repeats or luck.run
                standing = self.standings[counted]
                below = np.searchsorted(best, standing.threshold)
                reached = len(best) - below
                p_max = float(reached / len(best))
                p_now = self._p_family(p_max, standing.p_raw)
                luck = replace(luck, p_family_now=p_now)
            lucks.append(luck)
        return lucks


def _share(values: Floats, threshold: float) -> float:
    """Return the share of patterns whose value is at least the threshold."""
    reached = np.count_nonzero(values >= threshold)
    return float(reached / len(values))


def _signs(family: str, keys: Sequence[str]) -> Floats:
    """Return the patterns of signs: windows x patterns, the first pattern is what was seen.

    All of them up to MOST_KEYS windows; above, DRAWN ones that every machine draws alike.
    """
    number = DRAWN
    if len(keys) <= MOST_KEYS:
        number = 1 << len(keys)
    signs = np.ones((len(keys), number))
    patterns = np.arange(number)
    bits: NDArray[Any]
    for row, key in enumerate(keys):
        bits = (patterns >> row) & 1
        if len(keys) > MOST_KEYS:
            bits = _drawn_bits(family, key)
        signs[row] -= 2.0 * bits
    signs[:, 0] = 1
    return signs


def _drawn_bits(family: str, key: str) -> Bits:
    """Return one bit a pattern: bit k mod 256 of the SHA-256 of family, window and k div 256."""
    digests = b""
    for number in range(DRAWN // _BITS):
        text = f"{family}\n{key}\n{number}"
        digest = hashlib.sha256(text.encode())
        digests += digest.digest()
    octets = np.frombuffer(digests, np.uint8)
    return np.unpackbits(octets, bitorder="little")
