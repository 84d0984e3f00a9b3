"""Windows, shards and the statistics of their summary."""

from pathlib import Path

import numpy as np
import pytest

from harness.sample import options
from production_gates import walk_forward


@pytest.mark.parametrize(
    ("words", "first", "last", "count"),
    [
        (["--wf-end-year", "2022"], (2010, 2012, 2013, 2013), (2019, 2021, 2022, 2022), 10),
        (["--wf-end-year", "2013"], (2010, 2012, 2013, 2013), (2010, 2012, 2013, 2013), 1),
        (
            ["--wf-end-year", "2018", "--wf-test-years", "2"],
            (2010, 2012, 2013, 2014),
            (2014, 2016, 2017, 2018),
            3,
        ),
        (
            ["--wf-end-year", "2017", "--wf-test-years", "2"],
            (2010, 2012, 2013, 2014),
            (2012, 2014, 2015, 2016),
            2,
        ),
    ],
)
def test_windows(
    words: list[str], first: tuple[int, ...], last: tuple[int, ...], count: int
) -> None:
    found = walk_forward.windows(options(*words))
    assert (found[0], found[-1], len(found)) == (first, last, count)


def test_no_window_fits() -> None:
    assert walk_forward.windows(options("--wf-end-year", "2012")) == []


@pytest.mark.parametrize(("shards", "sizes"), [(1, [10]), (4, [3, 3, 2, 2]), (30, [1] * 10)])
def test_windows_are_dealt_out_whole(shards: int, sizes: list[int]) -> None:
    asked = options("--wf-end-year", "2022", "--wf-shards", str(shards))
    dealt = walk_forward.split(asked)
    assert [len(block) for block in dealt] == sizes
    assert [window for block in dealt for window in block] == walk_forward.windows(asked)


def test_statistics_leave_empty_cells_out(tmp_path: Path) -> None:
    summary = tmp_path / "walk_forward_summary.csv"
    summary.write_text("test_ic,test_ic_overall\n0.1,\n-0.3,\n,\n0.5,\n")
    found = walk_forward.statistics(summary)
    assert found["rows"] == 4
    assert found["test_ic_n"] == 3
    assert found["test_ic_mean"] == pytest.approx(0.1)
    assert found["test_ic_std"] == pytest.approx(0.4)
    assert found["test_ic_pos_ratio"] == pytest.approx(2 / 3)
    assert found["test_ic_overall_n"] == 0
    assert found["test_ic_overall_mean"] is None
    assert found["test_ic_overall_std"] is None


def test_long_short_is_top_minus_bottom() -> None:
    signal, net = np.array([[1.0, 2, 3, 4, 5]]), np.array([[0.5, 0, 0, 0, 0.7]])
    assert walk_forward.long_short(signal, net, 0.2)[0] == pytest.approx(0.2)


def test_a_shard_without_its_parent_stops() -> None:
    with pytest.raises(SystemExit, match="is gone"):
        walk_forward.pace(parent=-1, seconds=5)
