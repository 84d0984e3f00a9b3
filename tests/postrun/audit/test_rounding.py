"""What a number in a column stands for."""

import pytest

from postrun.audit import rounding


def widths(*numbers: float) -> list[float]:
    return [high - low for low, high in filter(None, rounding.spans(numbers))]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        # Written with every digit: as good as exact.
        ((0.019846153846153847, 0.5), [1e-17, 1e-17]),
        # Four decimals.
        ((0.0123, 0.9571, 0.5), [1e-4, 1e-4, 1e-4]),
        # Three significant digits: the small number does not make the large one exact.
        ((0.0000123, 0.957), [1e-7, 1e-3]),
        # Three digits at least.
        ((0.1,), [1e-3]),
        ((0.0,), [1e-3]),
    ],
)
def test_a_number_stands_for_what_is_rounded_to_it(
    numbers: tuple[float, ...], expected: list[float]
) -> None:
    assert widths(*numbers) == pytest.approx(expected, rel=1e-6, abs=2e-17)


def test_a_number_that_is_not_known_stands_for_nothing() -> None:
    assert rounding.spans([None, 0.5])[0] is None


@pytest.mark.parametrize(
    ("left", "is_met"),
    [((0.1, 0.2), True), ((0.0, 0.0995), True), ((0.0, 0.09), False), ((0.31, 0.4), False)],
)
def test_spans_meet_within_an_error(left: tuple[float, float], is_met: bool) -> None:
    assert rounding.meet(left, (0.1, 0.3), 0.001) is is_met
    assert not rounding.meet(None, (0.1, 0.3), 0.001)
