"""The run review in a real browser: nothing overflows, and every chart is where it can be read."""

import json
from pathlib import Path
from typing import Any

import made_runs
import pytest

from harness import browser, spoiled
from harness.factory import Documents
from harness.workspace import Workspace

pytestmark = browser.WITH_BROWSER
CHARTS = """
return [...document.querySelectorAll("svg.chart")].map((chart) => {
  const box = chart.getBoundingClientRect();
  const outside = [...chart.querySelectorAll("text, circle, line, rect")].filter((mark) => {
    const place = mark.getBoundingClientRect();
    return place.left < -1 || place.right > window.innerWidth + 1 || place.bottom > box.bottom + 1;
  });
  const color = window.getComputedStyle(chart.querySelector("text")).fill;
  return [chart.querySelector("title").id, outside.map((mark) => mark.outerHTML), color];
});
"""


def long_names() -> Documents:
    factor = "made_" + "f" * 123
    return made_runs.made_run("t" * 128, "2026-01-05_031500", factor, made_runs.good_ics(5))


def crashed() -> Documents:
    ics = made_runs.good_ics(5)
    made = made_runs.made_run("crashed", "2026-01-06_031500", "made_value", ics)
    spoiled.crash(made)
    made.log = b"x" * 400 + b"\nMemoryError\n"
    return made


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Close some runs; return the review of each by its tag."""
    root = tmp_path_factory.mktemp("reviews")
    workspace = Workspace(root / "remote", root / "local")
    made = [long_names(), crashed()]
    for seed in (1, 2, 3):
        ics = made_runs.good_ics(seed)
        stamp = f"2026-01-0{seed}_031500"
        made.append(made_runs.made_run(f"run{seed}", stamp, "made_value", ics))
    for run in sorted(made, key=lambda run: run.run_folder):
        run.write(workspace.remote)
        workspace.close(run.tag)
    found = {}
    for path in workspace.local.rglob("production_gates_run_review.json"):
        document: dict[str, Any] = json.loads(path.read_bytes())
        found[document["decision_tag"][:10]] = path.with_suffix(".html")
    return found


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("tag", ["run3", "t" * 10, "crashed"])
@pytest.mark.nightly
def test_nothing_overflows(pages: dict[str, Path], tmp_path: Path, tag: str, width: int) -> None:
    answer = browser.ask(tmp_path, pages[tag], browser.OVERFLOW, width, dark=width == 768)
    assert answer == {"overflow": [], "scrolls": False, "unreachable": 0, "requests": 0}


def test_every_chart_can_be_read_on_a_phone_and_in_the_dark(
    pages: dict[str, Path], tmp_path: Path
) -> None:
    phone = browser.ask(tmp_path, pages["run3"], CHARTS, 360)
    names = ["windows", "trials", "share", "cost", "risk", "paired"]
    assert [row[0] for row in phone] == [f"{name}-title" for name in names]
    assert [row[1] for row in phone] == [[]] * len(names)
    dark = browser.ask(tmp_path, pages["run3"], CHARTS, 360, dark=True)
    assert dark[0][2] != phone[0][2]
