"""Where the marks of a family's picture are."""

from postrun.overview import trial_chart


def test_a_higher_t_is_higher_up_and_later_trials_are_on_the_right() -> None:
    chart = trial_chart.draw([{"wf_t": -2.0}, {"wf_t": None}, {"wf_t": 5.0}], 3.0)
    assert chart is not None
    first, second = chart["marks"]
    assert first["x"] < second["x"]
    assert first["y"] > chart["zero"] > chart["hurdle"] > second["y"]
    assert max(mark["x"] for mark in chart["marks"]) < chart["width"]
    assert chart["left_out"] == 0


def test_old_trials_are_left_out_of_a_long_picture() -> None:
    rows = [{"wf_t": 0.1 * number} for number in range(trial_chart.MOST_TRIALS + 5)]
    chart = trial_chart.draw(rows, 3.0)
    assert chart is not None
    assert (len(chart["marks"]), chart["left_out"]) == (trial_chart.MOST_TRIALS, 5)
    assert all(0 < mark["y"] < chart["height"] for mark in chart["marks"])


def test_without_a_t_there_is_no_picture() -> None:
    assert trial_chart.draw([{"wf_t": None}], 3.0) is None
