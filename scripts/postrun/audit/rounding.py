"""What a number in a table of another program stands for: pure functions over one column.

The known producers write every digit; other programs round, to decimals or to significant digits.
So a number stands for the span of all that are rounded to it, with as many decimals and digits as
any number of its column has.
"""

from collections.abc import Sequence
from decimal import Decimal

Numbers = Sequence[float | None]
Span = tuple[float, float]  # the smallest and the largest

# Nobody rounds to fewer: a q of 0.1 in a table of one factor is not 0.14.
_LEAST_DIGITS = 3


def spans(numbers: Numbers) -> list[Span | None]:
    """Return for each number of a column what is rounded to it; None for one that is not known."""
    decimals = _LEAST_DIGITS
    digits = _LEAST_DIGITS
    for number in numbers:
        if number is None:
            continue
        written = Decimal(repr(number)).as_tuple()
        decimals = max(decimals, -int(written.exponent))
        digits = max(digits, len(written.digits))
    column: list[Span | None] = []
    for number in numbers:
        if number is None:
            column.append(None)
            continue
        first_digit = Decimal(repr(number)).adjusted()
        last_digit = max(first_digit - digits + 1, -decimals)
        half = 0.5 * 10.0**last_digit
        span = (number - half, number + half)
        column.append(span)
    return column


def meet(
    left: Span | None,
    right: Span,
    error: float,
) -> bool:
    """Return whether two spans have a number in common, within an error of either."""
    if left is None:
        return False
    lowest, highest = right
    if left[0] > highest + error:
        return False
    return lowest <= left[1] + error
