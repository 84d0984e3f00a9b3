"""The pages of the site: long tables in pages, hostile text that stays text, one script allowed."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness import hostile as hostile_texts
from harness.archive import Archive, registry_row, run_folder
from harness.verified import ClosedRuns
from postrun.overview import site_pages, site_tables
from postrun.overview.site_pages import Maker, SitePage
from postrun.overview.site_tables import SiteTables
from postrun.store import page_files

HOSTILE = "<script>alert('x')</script>\" onload=\"alert(1) {{ 7 * 7 }} \u202e\x1b[31m & <b>"
VOID = {"meta", "wbr", "input", "line", "circle", "rect", "polyline"}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, name: str) -> list[str]:
        found = [attributes.get(name) for _, attributes in self.elements]
        return [value for value in found if value is not None]


def render(page: SitePage) -> str:
    return page_files.page(page.template, **page.content)


def pages_of(shown: SiteTables) -> dict[str, SitePage]:
    return {page.name: page for page in Maker(shown).pages()}


@pytest.fixture
def many(local: Path) -> SiteTables:
    archive = Archive(local)
    rows = []
    for number in range(1001):
        stamp = f"2026-{number // 84 % 12 + 1:02}-{number // 3 % 28 + 1:02}_{number % 24:02}0000"
        run = run_folder(stamp, f"r{number}")
        rows.append(registry_row(run, factor=f"f{number % 40}", total=float(number % 90)))
    archive.put(*rows)
    return site_tables.read(archive.root)


def test_a_long_table_has_pages_of_500_rows(many: SiteTables) -> None:
    pages = pages_of(many)
    names = ["leaderboard.html", "leaderboard-2.html", "leaderboard-3.html"]
    assert [name for name in pages if name.startswith("leader")] == names
    scores: list[str] = []
    for number, name in enumerate(names):
        rows = pages[name].content["rows"]
        assert len(rows) == (500, 500, 1)[number]
        scores += [row["total"] for row in rows]
        page = Page(render(pages[name]))
        assert [file for file in page.values("href") if file.startswith("leaderboard")] == [
            "leaderboard.html",
            *names,
        ]
        assert "from 501" in page.text
    assert scores == sorted(scores, reverse=True)


def test_a_run_that_is_added_changes_the_last_pages_only(many: SiteTables) -> None:
    """A worst run is last on the leaderboard; what pages before it are made from stays."""
    before = pages_of(many)
    run = run_folder("2026-12-29_000000", "added")
    row = registry_row(run, factor="added", total=-1.0)
    many.workspace.registry[run] = row  # type: ignore[index]
    many.trials[run] = dict.fromkeys(many.trials[next(iter(many.trials))])  # type: ignore[index]
    after = pages_of(replace(many, reviews={}))
    for name in ("leaderboard.html", "leaderboard-2.html", "queue.html", "patterns.html"):
        assert after[name].inputs == before[name].inputs
    assert after["leaderboard-3.html"].inputs != before["leaderboard-3.html"].inputs


@pytest.fixture
def hostile(closed: ClosedRuns) -> SiteTables:
    return hostile_texts.site_tables_with(site_tables.read(closed.root), HOSTILE)


def test_hostile_text_stays_text(hostile: SiteTables) -> None:
    seen = 0
    for name, page in pages_of(hostile).items():
        parsed = Page(render(page))
        tags = [tag for tag, _ in parsed.elements]
        assert tags.count("script") == 1, name
        assert "b" not in tags
        for tag, attributes in parsed.elements:
            assert [key for key in attributes if key.startswith("on")] == [], (name, tag)
        for link in parsed.values("href"):
            assert re.match(r"[a-z0-9-]+\.html$|\.\./", link), (name, link)
        text = "".join(parsed.text)
        assert "\x1b" not in text
        assert "\u202e" not in text
        seen += "alert('x')" in text.replace("(1)", "")
    assert seen > 5


def test_only_the_script_of_the_page_may_run(closed: ClosedRuns) -> None:
    for page in Maker(site_tables.read(closed.root)).pages():
        text = render(page)
        (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in text
        assert "default-src 'none'" in text
        assert re.findall(r"""(?:src|href)=["'](?:https?:|//)""", text) == []


def test_numbers_are_those_of_the_tables(closed: ClosedRuns) -> None:
    shown = site_tables.read(closed.root)
    page = Page(render(pages_of(shown)["leaderboard.html"]))
    values = page.values("data-v")
    for run, row in shown.workspace.registry.items():
        assert str(row["total"]) in values
        assert str(shown.trials[run]["p_family"]) in values


def is_wide(attributes: dict[str, str | None]) -> bool:
    return "wide" in (attributes.get("class") or "").split()


def test_tables_can_be_reached_with_the_keyboard(closed: ClosedRuns) -> None:
    for name, page in pages_of(site_tables.read(closed.root)).items():
        parsed = Page(render(page))
        regions = [found for _, found in parsed.elements if is_wide(found)]
        assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions), name
        assert len(regions) == [tag for tag, _ in parsed.elements].count("table")
        ids = parsed.values("id")
        assert len(ids) == len(set(ids))


def test_links_between_pages_of_one_table() -> None:
    cut: list[list[dict[str, Any]]] = [[{}] * 500, [{}]]
    first, second = site_pages.pager("ledger", 2, cut)
    assert (first["label"], first["file"], first["is_current"]) == (
        "from 1",
        "ledger.html",
        False,
    )
    assert (second["label"], second["file"]) == ("from 501", "ledger-2.html")
    assert site_pages.pager("ledger", 1, cut[:1]) == []
