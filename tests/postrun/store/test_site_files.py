"""Names of pages: no name of a family leads out of the folder or meets another's page."""

import re

import pytest

from postrun.store import site_files

HOSTILE = [
    "../../etc/passwd",
    "a" * 128,
    "A" * 128,
    "Ünïcode ",
    "",
    "a/b",
    "a b",
    "\udcff",
    "<script>alert(1)</script>",
    "family-2",
]


@pytest.mark.parametrize("family", HOSTILE)
def test_a_page_has_a_plain_short_name(family: str) -> None:
    name = site_files.family_page(family)
    assert re.fullmatch(r"family-[a-z0-9-]+\.html", name)
    assert len(name) < 70


def test_each_family_has_a_page_of_its_own() -> None:
    names = {site_files.family_page(family).lower() for family in HOSTILE}
    assert len(names) == len(HOSTILE)


@pytest.mark.parametrize(
    ("rows", "pages"), [(0, [0]), (1, [1]), (100, [100]), (101, [100, 1]), (240, [100, 100, 40])]
)
def test_tables_are_cut_into_pages(rows: int, pages: list[int]) -> None:
    cut = site_files.cut(range(rows))
    assert [len(page) for page in cut] == pages


def test_the_newest_page_has_no_number() -> None:
    assert site_files.page_names("ledger", 1) == ["ledger.html"]
    assert site_files.page_names("ledger", 3) == ["ledger-1.html", "ledger-2.html", "ledger.html"]
