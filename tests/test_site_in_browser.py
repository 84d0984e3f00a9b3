"""The site in a real browser: it opens from the disk, sorts and filters, and nothing overflows."""

from pathlib import Path
from typing import Any

import pytest

from harness import browser
from harness.verified import ClosedRuns
from postrun.core.artifacts import SITE

pytestmark = browser.WITH_BROWSER
PAGES = ("index", "leaderboard", "families", "queue", "patterns", "ledger", "handoff")
SORT = """
const column = (index) => [...document.querySelectorAll("#leaderboard tbody tr")]
  .filter((row) => !row.hidden).map((row) => row.cells[index].textContent.trim());
const heading = [...document.querySelectorAll("#leaderboard th button")]
  .find((button) => button.textContent.trim() === "score");
const before = column(4);
heading.click();
const falling = column(4);
heading.click();
const rising = column(4);
const filter = document.querySelector(".tools input[type=search]");
filter.value = "run1";
filter.dispatchEvent(new window.Event("input"));
const filtered = column(1);
filter.value = "";
filter.dispatchEvent(new window.Event("input"));
document.querySelector(".tools input[type=checkbox]").click();
return {
  before, falling, rising, filtered, latest: column(1),
  sorted: heading.closest("th").getAttribute("aria-sort"),
  count: document.querySelector(".tools output").textContent,
};
"""


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.nightly
def test_nothing_overflows(closed: ClosedRuns, tmp_path: Path, name: str, width: int) -> None:
    page = closed.root / SITE / f"{name}.html"
    answer = browser.ask(tmp_path, page, browser.OVERFLOW, width, dark=width == 768)
    assert answer == {"overflow": [], "scrolls": False, "unreachable": 0, "requests": 0}


def test_the_leaderboard_is_sorted_and_filtered(closed: ClosedRuns, tmp_path: Path) -> None:
    page = closed.root / SITE / "leaderboard.html"
    answer: dict[str, Any] = browser.ask(tmp_path, page, SORT)
    scores = sorted(answer["before"], key=float)
    assert answer["rising"] == scores
    assert answer["falling"] == scores[::-1]
    assert answer["sorted"] == "ascending"
    assert answer["filtered"] == ["run1"]
    assert answer["latest"] == ["run2 latest"]
    assert answer["count"] == "1 of 3 rows"
