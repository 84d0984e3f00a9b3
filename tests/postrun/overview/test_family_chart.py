"""The picture of a family: its lines agree with what its trials were judged by."""

import json
from pathlib import Path
from typing import Any

import made_runs
import pytest

from harness.workspace import Workspace
from postrun.decide import window_series
from postrun.overview import family_chart, site_tables
from postrun.overview.site_pages import Maker

Row = dict[str, Any]
Rows = list[Row]


def drawn(local: Path) -> tuple[Row, Rows]:
    """Return the picture of the only family, and its trials."""
    maker = Maker(site_tables.read(local))
    (family,) = maker.families
    pages = {page.name: page for page in maker.pages()}
    content = pages[family["page"]].content
    assert content["chart"] is not None
    return content["chart"], content["rows"]


def review_of(local: Path, run: str) -> Row:
    for path in local.rglob("production_gates_run_review.json"):
        document: Row = json.loads(path.read_bytes())
        if document["run_folder"] == run:
            return document
    raise AssertionError(run)


@pytest.mark.parametrize("by_date", [False, True])
def test_a_trial_is_as_rare_as_its_place_among_the_lines(
    remote: Path, local: Path, by_date: bool
) -> None:
    workspace = Workspace(remote, local)
    for seed in (1512, 1523, 3):
        ics = made_runs.worthless_ics(seed)
        made_runs.made_run(
            f"r{seed}", f"2026-01-0{seed % 9 + 1}_031500", "made_luck", ics, by_date
        ).write(remote)
        workspace.close(f"r{seed}")
    chart, rows = drawn(local)
    assert chart["basis"] == ("month" if by_date else "window")
    best = next(row for row in rows if row["run"] == chart["best_run"])
    luck = best["luck"]
    assert (chart["best_t"] >= chart["alone_usual"]) == (luck["p_raw"] <= 0.05)
    assert (chart["best_t"] >= chart["alone_asked"]) == (luck["p_raw"] <= 0.01)
    assert (chart["best_t"] >= chart["t_needed"]) == (luck["p_family_now"] <= 0.01)
    for point, row, trial in zip(chart["hurdle"], rows, chart["family_trials"], strict=True):
        assert (point["number"], point["trials"]) == (row["trial"], row["luck"]["trials"])
        assert (trial["t"] >= point["t"]) == (row["luck"]["p_family"] <= 0.01)
        # The review of each trial names the same line, where it has one.
        needed = review_of(local, row["run"])["luck"]["t_needed"]
        assert needed == (None if by_date else pytest.approx(point["t"], abs=1e-12))
    hurdle = [point["t"] for point in chart["hurdle"]]
    assert hurdle == sorted(hurdle)
    if by_date:
        assert trial["t"] != row["wf_t"]
        assert len(window_series.decode(row["series_by_month"])) == 13 * 12


def test_a_family_without_a_series_has_no_picture() -> None:
    row = {"run": "r", "trial": 1, "wf_t": None, "series": None, "series_by_month": None}
    for trials in (1, None):
        one = {**row, "luck": {"trials": trials}}
        assert family_chart.draw({"best_run": None}, [one], {}) is None
        assert family_chart.draw({"best_run": "r"}, [one], {}) is None


@pytest.mark.parametrize("number", [1, 2, 24, 25, 300, 2000])
def test_the_hurdle_has_few_points_and_its_ends(number: int) -> None:
    points = list(family_chart.points(number))
    assert points[0] == 1
    assert points[-1] == number
    assert points == sorted(set(points))
    assert len(points) <= 24
