"""Linear scales of pictures and histograms: round steps, and where a value lies."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST_TICKS = 6  # on an axis, or one more
# Beyond these numbers a difference or a power of ten is none any more.
_LARGEST = 1e300
_SMALLEST = 1e-300
_EQUAL = 1e-9  # relative to the larger value
_MOST_DECIMALS = 6
_LONGEST = 12  # characters of a tick


def round_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that fits at most so often."""
    rough = max(span / most, _SMALLEST)
    exponent = math.floor(math.log10(rough))
    power = 10.0**exponent
    for factor in (1, 2, 5):
        step = factor * power
        if step >= rough:
            return step
    return 10 * power


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` along a picture from `start` to `end`, with round ticks."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def at(self, value: float) -> float:
        """Return the place of a value, to a tenth; what is outside lies at the edge."""
        inside = min(max(value, self.low), self.high)
        span = self.high - self.low
        share = (inside - self.low) / span
        length = self.end - self.start
        place = self.start + share * length
        return round(place, 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the place and the text of each tick."""
        first = round(self.low / self.step)
        last = round(self.high / self.step)
        ticks = []
        for number in range(first, last + 1):
            value = number * self.step
            place = self.at(value)
            ticks.append((place, self._text(value)))
        return ticks

    def _text(self, value: float) -> str:
        """Return a value with the decimals of a step."""
        exponent = math.floor(math.log10(self.step))
        decimals = max(-exponent, 0)
        text = f"{value:.{decimals}f}"
        if decimals > _MOST_DECIMALS or len(text) > _LONGEST:
            return f"{value:.3g}"
        return text


def apart(places: Sequence[float], least: float) -> list[float]:
    """Return where labels go, in their order: beside their place, and so far from each other."""
    lowest = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    end = -math.inf
    for number in lowest:
        moved[number] = max(places[number], end)
        end = moved[number] + least
    return moved


def make_scale(
    values: Iterable[float | None],
    start: float,
    end: float,
) -> Scale:
    """Return a scale that holds all these values, from one round number to another."""
    measured = []
    for value in values:
        if value is not None:
            inside = min(max(value, -_LARGEST), _LARGEST)
            measured.append(inside)
    low = min(measured, default=0.0)
    high = max(measured, default=1.0)
    size = max(abs(low), abs(high), _SMALLEST)
    # One value alone, or values that are equal but for rounding, have no span.
    if high - low <= size * _EQUAL:
        pad = abs(low) / 2 or 1.0
        low -= pad
        high += pad
    step = round_step(high - low, _MOST_TICKS)
    # A value on a tick needs no tick beyond it.
    below = math.floor(low / step + _EQUAL)
    above = math.ceil(high / step - _EQUAL)
    return Scale(
        below * step,
        above * step,
        start,
        end,
        step,
    )
