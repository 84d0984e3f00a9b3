"""Linear scales of pictures and histograms: round steps, and where a value lies."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_TICKS = 6  # at most about so many on an axis
# Beyond these numbers a difference or a power of ten is none any more.
_LARGEST = 1e300
_SMALLEST = 1e-300
_MOST_DECIMALS = 6


def round_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2 and 5 times a power of ten that fits at most so often."""
    rough = max(span / most, _SMALLEST)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if factor * power >= rough:
            return factor * power
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
        share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the place and the text of each tick."""
        first = math.ceil(self.low / self.step - 0.01)
        last = math.floor(self.high / self.step + 0.01)
        decimals = max(-math.floor(math.log10(self.step)), 0)
        ticks = []
        for number in range(first, last + 1):
            value = number * self.step
            text = f"{value:.{decimals}f}"
            if decimals > _MOST_DECIMALS or len(text) > 2 * _MOST_DECIMALS:
                text = f"{value:.3g}"
            ticks.append((self.at(value), text))
        return ticks


def make_scale(values: Iterable[float | None], start: float, end: float) -> Scale:
    """Return a scale that holds all these values, from one round number to another."""
    measured = []
    for value in values:
        if value is not None:
            inside = min(max(value, -_LARGEST), _LARGEST)
            measured.append(inside)
    low = min(measured, default=0.0)
    high = max(measured, default=1.0)
    # One value alone, or values that are equal but for rounding, have no span.
    if high - low <= max(abs(low), abs(high), _SMALLEST) * 1e-9:
        pad = abs(low) / 2 or 1.0
        low -= pad
        high += pad
    step = round_step(high - low, _TICKS)
    below = math.floor(low / step + 1e-9)
    above = math.ceil(high / step - 1e-9)
    return Scale(below * step, above * step, start, end, step)
