"""A workspace with one run of every kind that a page must stand, closed once for all tests.

def test_a_page(shown: Shown) -> None: shown.reviews["one window"], shown.site
"""

from dataclasses import dataclass
from pathlib import Path

import made_runs
import pytest

from harness import spoiled
from harness.factory import Documents
from harness.workspace import Workspace
from postrun.core import locations
from postrun.core.artifacts import SITE

LONG_TAG = "t" * 128
LONG_FACTOR = "made_" + "f" * 123


@dataclass(frozen=True)
class Shown:
    """The workspace, and the review of each run by what it is."""

    root: Path
    reviews: dict[str, Path]

    @property
    def site(self) -> list[Path]:
        """Return every page of the site."""
        return sorted((self.root / SITE).glob("*.html"))


def _crashed() -> Documents:
    made = made_runs.made_run("crashed", _stamp(5), "made_value", made_runs.good_ics(5))
    spoiled.crash(made)
    made.log = b"x" * 400 + b"\nMemoryError\n"
    return made


def _one_window() -> Documents:
    made = made_runs.made_run("one_window", _stamp(6), "made_size", made_runs.good_ics(6))
    del made.windows[1:]
    return made


def _stamp(day: int) -> str:
    return f"2026-01-{day:02}_031500"


def _runs() -> dict[str, Documents]:
    """Return the runs, oldest first."""
    made = {}
    for seed in (1, 2, 3):
        ics = made_runs.good_ics(seed)
        made[f"good {seed}"] = made_runs.made_run(f"run{seed}", _stamp(seed), "made_value", ics)
    long_ics = made_runs.good_ics(5)
    made["long names"] = made_runs.made_run(LONG_TAG, _stamp(4), LONG_FACTOR, long_ics)
    made["no report"] = _crashed()
    made["one window"] = _one_window()
    low = [-abs(ic) for ic in made_runs.good_ics(7)]
    made["no positive window"] = made_runs.made_run("low", _stamp(7), "made_low", low)
    for day in (8, 9):
        ics = made_runs.worthless_ics(day)
        run = made_runs.made_run(f"months{day}", _stamp(day), "made_months", ics, by_date=True)
        made[f"months {day}"] = run
    return made


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Close the runs; the tests only read."""
    folder = tmp_path_factory.mktemp("shown")
    workspace = Workspace(folder / "remote", folder / "local")
    reviews = {}
    for name, made in _runs().items():
        made.write(workspace.remote)
        workspace.close(made.tag)
        review = f"{locations.GATES}/{made.gate_folder}"
        if made.report is None:
            review = f"{locations.RUNS}/{made.run_folder}"
        reviews[name] = workspace.local / review / "production_gates_run_review.html"
    return Shown(workspace.local, reviews)
