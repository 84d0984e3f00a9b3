"""The run review in a real browser: nothing overflows, charts can be read, hostile text is text."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import browser, hostile
from harness.shown import Shown
from postrun.core.locations import PROJECT
from postrun.registry import many_trials
from postrun.store import page_files

pytestmark = browser.WITH_BROWSER
STEM = "production_gates_run_review"
CASES = (
    *("good 3", "long names", "no report", "one window", "no positive window", "months 9"),
    *("200 trials", "2000 trials"),
)
FITS = {"overflow": [], "scrolls": False, "unreachable": 0}


def page_of(shown: Shown, case: str, tmp_path: Path) -> Path:
    """Return a review; that of very many trials is made from a good one."""
    if not case.endswith(" trials"):
        return shown.reviews[case]
    number = int(case.partition(" ")[0])
    document = json.loads(shown.reviews["good 3"].with_suffix(".json").read_bytes())
    luck = document["luck"]
    run = document["run_folder"]
    numbered: list[dict[str, Any]] = []
    for place in range(1, number):
        t = place * 37 % 400 / 100 - 2
        numbered.append({"number": place, "run": f"r{place}", "t": t})
    numbered.append({"number": number, "run": run, "t": luck["t"]})
    luck |= {"trials": number, "t_needed": 3.1, **many_trials.cut(numbered, run)}
    return write(tmp_path / "many.html", document)


def write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(page_files.page(f"{STEM}.html", **document))
    return path


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.nightly
def test_nothing_overflows(shown: Shown, tmp_path: Path, case: str, width: int) -> None:
    page = page_of(shown, case, tmp_path)
    with browser.opened(page, width, dark=width == 768) as tab:
        assert tab.ask(browser.OVERFLOW) == FITS
        for chart in tab.ask(browser.CHARTS):
            assert (chart["outside"], chart["meeting"]) == ([], []), chart["chart"]


def test_every_chart_can_be_read_on_a_phone_and_in_the_dark(shown: Shown) -> None:
    page = shown.reviews["good 3"]
    phone = browser.ask(page, browser.CHARTS, 360)
    names = ["windows", "trials", "share", "cost", "risk", "paired"]
    assert [chart["chart"] for chart in phone] == names
    assert [chart["outside"] for chart in phone] == [[]] * len(names)
    assert [chart["meeting"] for chart in phone] == [[]] * len(names)
    dark = browser.ask(page, browser.CHARTS, 360, dark=True)
    assert dark[0]["color"] != phone[0]["color"]
    assert browser.ask(page, browser.OVERFLOW, 360) == FITS


@browser.WITH_AXE
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (1440, True), (360, False)])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.nightly
def test_axe_finds_nothing_serious(
    shown: Shown, tmp_path: Path, case: str, width: int, dark: bool
) -> None:
    assert browser.serious_faults(page_of(shown, case, tmp_path), width, dark) == []


@pytest.mark.parametrize("case", CASES)
@pytest.mark.nightly
def test_a_printed_page_breaks_no_number_and_no_word(
    shown: Shown, tmp_path: Path, case: str
) -> None:
    page = page_of(shown, case, tmp_path)
    printed = browser.ask(page, browser.PRINTED, browser.A4_UPRIGHT, media="print")
    assert printed == {"cut": [], "broken": []}


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
def test_hostile_text_does_no_harm(tmp_path: Path, text: str) -> None:
    example = PROJECT / f"tests/examples/{STEM}/valid/failed_and_compared.json"
    document = hostile.review_with(json.loads(example.read_bytes()), text)
    document["log"] = {"lines": [text], "error": text, "path": text}
    with browser.opened(write(tmp_path / "page.html", document), width=360) as tab:
        shown = tab.ask("return document.body.textContent.replace(/\\s+/g, ' ')")
        assert shown.count(hostile.page_text(text)) > 20
        assert tab.ask("return window.pwned ?? null") is None
        assert tab.ask("return document.querySelectorAll('script, img').length") == 0
        # A name of any length stays on the page.
        assert tab.ask(browser.OVERFLOW) == FITS
        assert [chart["outside"] for chart in tab.ask(browser.CHARTS)] == [[]] * 6
