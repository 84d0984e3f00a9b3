"""A run beside the run before it: which is that, and what is better."""

from typing import Any

import pytest

from postrun.review import comparison

BASE: dict[str, Any] = dict.fromkeys((metric.name for metric in comparison.METRICS), None)
BASE["series"] = "2013=0.01;2014=0.02;2015=0.03"
BETTER = "2013=0.11;2014=0.13;2015=0.12"  # window by window


@pytest.mark.parametrize(
    ("metric", "before", "now", "change"),
    [
        ("wf_mean", 0.01, 0.02, "better"),
        ("q_value", 0.01, 0.02, "worse"),
        ("beta", -0.3, 0.2, "better"),
        ("beta", 0.2, -0.2, "same"),
        ("audit_passed", True, False, "worse"),
        ("wf_mean", 0.1 + 0.2, 0.3, "same"),
        ("wf_mean", None, 0.3, "not comparable"),
    ],
)
def test_each_metric_has_its_direction(metric: str, before: Any, now: Any, change: str) -> None:
    rows = comparison.compare({**BASE, metric: before}, {**BASE, metric: now, "series": BETTER})
    (found,) = [row for row in rows if row["metric"] == metric]
    assert found["change"] == change
    if before is None or isinstance(before, bool):
        assert found["delta"] is None
    else:
        assert found["delta"] == now - before


def test_changes_are_counted() -> None:
    rows = comparison.compare({**BASE, "wf_mean": 1.0}, {**BASE, "wf_mean": 2.0, "series": BETTER})
    others = len(comparison.METRICS) - 1
    expected = {"better": 1, "worse": 0, "same": 0, "not comparable": others}
    expected["not told apart"] = 0
    assert comparison.tally(rows) == expected


def test_windows_of_both_runs_are_paired() -> None:
    before = "2013-01-01/2013-12-31=0.01;2014-01-01/2014-12-31=0.02;2015-01-01/2015-12-31=0.03"
    now = "2014-01-01/2014-12-31=0.03;2015-01-01/2015-12-31=0.05;2016-01-01/2016-12-31=0.9"
    paired = comparison.pair(before, now)
    assert [row["test_start"] for row in paired["windows"]] == ["2014-01-01", "2015-01-01"]
    assert [round(row["difference"], 9) for row in paired["windows"]] == [0.01, 0.02]
    assert paired["mean"] == pytest.approx(0.015)
    # Student, one degree of freedom: 12.706 times 0.005.
    assert paired["interval"]["low"] == pytest.approx(0.015 - 0.06353, abs=1e-5)
    assert paired["is_told_apart"] is False
    nothing: dict[str, Any] = {
        "windows": [],
        "mean": None,
        "interval": None,
        "is_told_apart": False,
    }
    assert comparison.pair(None, now) == nothing
