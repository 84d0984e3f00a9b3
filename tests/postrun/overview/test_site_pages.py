"""The pages of the site: long tables in pages, hostile text that stays text, one script allowed."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness import hostile as hostile_texts
from harness.archive import Archive, registry_row, run_folder
from harness.verified import ClosedRuns
from postrun.overview import site_pages, site_tables
from postrun.overview.site_pages import Maker, SitePage
from postrun.overview.site_tables import SiteTables
from postrun.overview.standings import REGISTRY
from postrun.registry.trials import FAMILIES, TRIALS
from postrun.store import page_files, site_files, tables
from postrun.store.json_files import columns

HOSTILE = "<script>alert('x')</script>\" onload=\"alert(1) {{ 7 * 7 }} \u202e\x1b[31m & <b>"
FAMILY: dict[str, Any] = {
    **dict.fromkeys(columns(FAMILIES)),
    "trials": 2,
    "prior_trials": 0,
    "of_unknown_factor": 0,
    "p": 1.0,
    "q": 1.0,
    "policy_version": 1,
}
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


def filled(root: Path, runs: int, *more: dict[str, Any]) -> SiteTables:
    """Return a workspace of so many runs of two families, one of which has all but one in ten."""
    archive = Archive(root)
    rows = []
    for number in range(runs):
        stamp = f"2026-{number // 84 % 12 + 1:02}-{number // 3 % 28 + 1:02}_{number % 3:02}0000"
        run = run_folder(stamp, f"r{number}")
        factor = "small" if number % 10 == 0 else "large"
        total = float(number * 37 % 97)
        rows.append(registry_row(run, factor=factor, family=factor, total=total))
    archive.put(*rows, *more)
    shown = site_tables.read(archive.root)
    families = []
    for name in ("large", "small"):
        family = {**FAMILY, "family": name, "factors": name, "latest_run": rows[-1]["run"]}
        families.append(family)
    return replace(shown, families=tables.of_rows(root, FAMILIES, families))


@pytest.fixture
def many(local: Path) -> SiteTables:
    return filled(local, 301)


def test_the_leaderboard_has_the_best_and_says_how_many_more_there_are(many: SiteTables) -> None:
    pages = pages_of(many)
    assert [name for name in pages if name.startswith("leader")] == ["leaderboard.html"]
    rows = pages["leaderboard.html"].content["rows"]
    scores = [row["total"] for row in rows]
    everyone = sorted((row["total"] for row in many.registry.select()), reverse=True)
    assert scores == everyone[:100]
    # Of two with one score the earlier is first.
    for first, second in pairwise(rows):
        assert first["total"] > second["total"] or first["run"] < second["run"]
    text = "".join(Page(render(pages["leaderboard.html"])).text)
    assert "These are the best 100. 201 more runs are on the pages of their families" in text
    few = filled(many.root / "few", 100)
    assert "more run" not in render(pages_of(few)["leaderboard.html"])


def test_a_long_table_has_pages_of_100_rows(many: SiteTables) -> None:
    pages = pages_of(many)
    stem = site_files.family_stem("large")
    names = [f"{stem}-1.html", f"{stem}-2.html", f"{stem}.html"]
    assert [name for name in pages if name.startswith(stem)] == names
    trials: list[int] = []
    for number, name in enumerate(names):
        rows = pages[name].content["rows"]
        assert len(rows) == (100, 100, 70)[number]
        trials += [row["trial"] for row in rows]
        text = render(pages[name])
        assert ("luck, now" in text) == (name == names[-1])
        assert ("what later runs say" in text) == (name == names[-1])
    assert trials == list(range(1, 271))


def test_a_run_that_is_added_changes_the_newest_pages_only(many: SiteTables) -> None:
    before = {name: page.inputs for name, page in pages_of(many).items()}
    run = run_folder("2026-12-29_000000", "added")
    row = registry_row(run, factor="large", family="large", total=-1.0)
    after = pages_of(filled(many.root, 301, row))
    stem = site_files.family_stem("large")
    changed = {name for name, page in after.items() if page.inputs != before[name]}
    assert changed == {"index.html", "leaderboard.html", "families.html", f"{stem}.html"}


def test_a_changed_row_changes_the_page_that_shows_it(many: SiteTables) -> None:
    before = {name: page.inputs for name, page in pages_of(many).items()}
    rows = many.registry.select()
    rows[150]["approval"] = "by mei"
    registry = tables.of_rows(many.root, REGISTRY, rows)
    after = pages_of(replace(many, registry=registry))
    stem = site_files.family_stem(rows[150]["family"])
    changed = {name for name, page in after.items() if page.inputs != before[name]}
    # The picture on the newest page is of all.
    pages = {"leaderboard.html", "families.html", f"{stem}.html"}
    if rows[150]["family"] == "large":
        pages.add(f"{stem}-2.html")
    assert changed == pages


def test_what_a_trial_is_now_is_no_input_of_an_older_page(many: SiteTables) -> None:
    judged = []
    for row in many.registry.select():
        luck = dict.fromkeys(many.trials.columns)
        judged.append({**luck, "run": row["run"], "family": row["family"], "rank": 1, "trials": 2})
    stem = site_files.family_stem("large")
    inputs = []
    for changes in ({}, {"p_family_now": 0.5, "trials_now": 9, "rank_now": 1}, {"p_family": 0.1}):
        trials = [{**row, **changes} for row in judged]
        table = tables.of_rows(many.root, TRIALS, trials)
        pages = pages_of(replace(many, trials=table))
        inputs.append([pages[f"{stem}-1.html"].inputs, pages[f"{stem}.html"].inputs])
    (older, newest), now, as_of = inputs
    assert (now[0] == older, now[1] == newest) == (True, False)
    assert (as_of[0] == older, as_of[1] == newest) == (False, False)


def test_the_page_of_the_run_that_is_closed_is_due(many: SiteTables) -> None:
    rows = many.registry.select("family = ?", ["large"], order="run")
    stem = site_files.family_stem("large")
    for place, name in ((0, f"{stem}-1.html"), (199, f"{stem}-2.html"), (200, f"{stem}.html")):
        pages = Maker(many, rows[place]["run"]).pages()
        assert {page.name for page in pages if page.is_due} == {name, "leaderboard.html"}
    assert not any(page.is_due for page in Maker(many).pages())


def test_many_families_are_all_linked(local: Path) -> None:
    shown = filled(local, 1)
    families = []
    for number in range(130):
        p = (number * 7 % 130 + 1) / 131
        families.append({**FAMILY, "family": f"f{number}", "factors": f"f{number}", "p": p})
    many_families = replace(shown, families=tables.of_rows(local, FAMILIES, families))
    page = pages_of(many_families)["families.html"]
    ps = [row["p"] for row in page.content["rows"]]
    assert ps == sorted(family["p"] for family in families)[:100]
    links = Page(render(page)).values("href")
    for family in families:
        assert links.count(site_files.family_page(family["family"])) == 1


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
    for row in shown.registry.select():
        assert str(row["total"]) in values
    for luck in shown.trials.select():
        assert str(luck["p_family"]) in values


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
    assert site_pages.pager("ledger", 1, 1) == []

    def links(number: int, count: int) -> list[tuple[str, str, bool]]:
        shown = site_pages.pager("ledger", number, count)
        return [(link["label"], link["file"], link["is_current"]) for link in shown]

    assert links(4, 4) == [
        ("from 1", "ledger-1.html", False),
        ("from 101", "ledger-2.html", False),
        ("from 201", "ledger-3.html", False),
        ("from 301", "ledger.html", True),
    ]
    assert links(2, 4) == [
        ("from 1", "ledger-1.html", False),
        ("from 101", "ledger-2.html", True),
        ("from 201", "ledger-3.html", False),
        ("the newest", "ledger.html", False),
    ]
    # One page more changes the page before the newest only.
    assert links(1, 4) == links(1, 5)
    assert links(2, 4) == links(2, 5)
