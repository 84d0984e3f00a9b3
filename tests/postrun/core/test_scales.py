"""Scales have round ticks, hold every value, and stand numbers of any size."""

import math

import pytest

from postrun.core import scales


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [(1.0, 6, 0.2), (6.0, 6, 1.0), (7.0, 6, 2.0), (0.13, 6, 0.05), (1000, 30, 50), (0, 6, 1e-300)],
)
def test_steps_are_round(span: float, most: int, step: float) -> None:
    assert scales.round_step(span, most) == pytest.approx(step)


def test_ticks_of_an_axis_that_grows_upwards() -> None:
    scale = scales.make_scale([-0.02, 0.05, None], 210, 10)
    assert [scale.low, scale.high, scale.step] == pytest.approx([-0.02, 0.06, 0.02])
    assert scale.ticks() == [
        (210, "-0.02"),
        (160, "0.00"),
        (110, "0.02"),
        (60, "0.04"),
        (10, "0.06"),
    ]
    assert scale.at(0) == 160
    assert (scale.at(9), scale.at(-9)) == (10, 210)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [0.0],
        [3.0, 3.0],
        [5e-324],
        [1.7e308, -1.7e308],
        [1e-12, 2e-12],
        [0.1 + 0.2, 0.3],
        [1e15, 1e15 + 1],
    ],
)
def test_every_value_lies_on_its_scale(values: list[float | None]) -> None:
    scale = scales.make_scale(values, 0, 100)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert [text for _, text in ticks if len(text) > 14] == []
    places = [scale.at(value) for value in values if value is not None]
    assert [place for place in places if not (math.isfinite(place) and 0 <= place <= 100)] == []


def test_labels_keep_their_distance_and_their_order() -> None:
    assert scales.apart([100, 40, 104, 200], 20) == [100, 40, 120, 200]
    assert scales.apart([5, 5, 5], 10) == [5, 15, 25]
    assert scales.apart([], 10) == []
