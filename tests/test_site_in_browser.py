"""The site in a real browser: it opens from the disk, sorts and filters, and nothing overflows."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import made_runs
import pytest

from harness import browser, hostile
from harness.archive import registry_row, run_folder
from harness.shown import Shown
from harness.verified import ClosedRuns
from postrun.core.artifacts import SITE
from postrun.decide import window_series
from postrun.overview import site_tables
from postrun.overview.site_pages import Maker
from postrun.overview.site_tables import SiteTables
from postrun.overview.standings import REGISTRY
from postrun.registry import trials
from postrun.store import page_files, tables

pytestmark = browser.WITH_BROWSER
WIDTHS = (360, 768, 1440)
FITS = {"overflow": [], "scrolls": False, "unreachable": 0}
PICTURES = ["funnel", "forest", "windows-needed", "p-values"]
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


def write(shown: SiteTables, folder: Path) -> list[Path]:
    """Write every page of a site, and nothing else."""
    folder.mkdir(exist_ok=True)
    paths = []
    for page in Maker(shown).pages():
        path = folder / page.name
        path.write_text(page_files.page(page.template, **page.content))
        paths.append(path)
    return paths


def many_trials(shown: SiteTables, number: int) -> SiteTables:
    """Return a workspace where one family has so many trials, all of them worthless."""
    registry = {}
    for place in range(number):
        ics = made_runs.worthless_ics(place)
        series = {f"{2013 + year}-01-01|{2013 + year}-12-31": ic for year, ic in enumerate(ics)}
        run = run_folder(f"2026-{place // 28 % 12 + 1:02}-{place % 28 + 1:02}_031500", f"r{place}")
        row = registry_row(run, "many", is_trial=True, windows_asked=13, wf_n=13)
        row |= {"family": "many", "series": window_series.encode(series)}
        row |= {"wf_mean": fmean(ics), "wf_std": stdev(ics)}
        row["wf_t"] = row["wf_mean"] / row["wf_std"] * 13**0.5
        registry[run] = row
    policy = shown.policy.statistics
    computed = trials.compute(registry, policy, {})
    return replace(
        shown,
        registry=tables.of_rows(shown.root, REGISTRY, list(registry.values())),
        trials=tables.of_rows(shown.root, trials.TRIALS, list(computed.trials.values())),
        families=tables.of_rows(shown.root, trials.FAMILIES, computed.families),
        reviews={},
    )


def every_page(shown: Shown, tmp_path: Path) -> list[Path]:
    """Return the pages of the site, and those of families with very many trials."""
    pages = shown.site
    tables = site_tables.read(shown.root)
    for number in (200, 400):
        written = write(many_trials(tables, number), tmp_path / str(number))
        pages += [page for page in written if "famil" in page.name]
    return pages


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.nightly
def test_nothing_overflows(shown: Shown, tmp_path: Path, width: int) -> None:
    faults = {}
    for page in every_page(shown, tmp_path):
        with browser.opened(page, width, dark=width == 768) as tab:
            charts = tab.ask(browser.CHARTS)
            found: list[Any] = [tab.ask(browser.OVERFLOW)]
        found += [(chart["chart"], chart["outside"], chart["meeting"]) for chart in charts]
        expected: list[Any] = [FITS, *((chart["chart"], [], []) for chart in charts)]
        if found != expected:
            faults[page.name] = found
    assert faults == {}


@browser.WITH_AXE
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (360, False)])
@pytest.mark.nightly
def test_axe_finds_nothing_serious(shown: Shown, tmp_path: Path, width: int, dark: bool) -> None:
    pages = every_page(shown, tmp_path)
    faults = {page.name: browser.serious_faults(page, width, dark) for page in pages}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.nightly
def test_a_printed_page_breaks_no_number_and_no_word(shown: Shown, tmp_path: Path) -> None:
    for page in every_page(shown, tmp_path):
        printed = browser.ask(page, browser.PRINTED, browser.A4_SIDE, media="print")
        assert printed == {"cut": [], "broken": []}, page.name


def test_the_pictures_can_be_read_on_a_phone_and_in_the_dark(shown: Shown) -> None:
    page = shown.root / SITE / "families.html"
    phone = browser.ask(page, browser.CHARTS, 360)
    assert [chart["chart"] for chart in phone] == PICTURES
    for chart in phone:
        assert (chart["outside"], chart["meeting"]) == ([], [])
        assert "T" in chart["about"]
    assert browser.ask(page, browser.OVERFLOW, 360) == FITS
    dark = browser.ask(page, browser.CHARTS, 360, dark=True)
    assert dark[0]["color"] != phone[0]["color"]


def test_the_leaderboard_is_sorted_and_filtered(closed: ClosedRuns) -> None:
    page = closed.root / SITE / "leaderboard.html"
    answer: dict[str, Any] = browser.ask(page, SORT)
    scores = sorted(answer["before"], key=float)
    assert answer["rising"] == scores
    assert answer["falling"] == scores[::-1]
    assert answer["sorted"] == "ascending"
    assert answer["filtered"] == ["run1"]
    assert answer["latest"] == ["run2 latest"]
    assert answer["count"] == "1 of 3 rows"


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
@pytest.mark.nightly
def test_hostile_text_does_no_harm(closed: ClosedRuns, tmp_path: Path, text: str) -> None:
    tables = hostile.site_tables_with(site_tables.read(closed.root), text)
    count = 0
    for page in write(tables, tmp_path / "site"):
        with browser.opened(page, width=360) as tab:
            shown = tab.ask("return document.body.textContent.replace(/\\s+/g, ' ')")
            count += hostile.page_text(text) in shown
            assert tab.ask("return window.pwned ?? null") is None
            assert tab.ask("return document.querySelectorAll('script, img').length") == 1
            assert tab.ask(browser.OVERFLOW) == FITS, page.name
    assert count > 5
