"""The pages of the site: what they are called, and how long tables are cut into pages."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from postrun.core import disk

INDEX = "index.html"
ROWS = 100  # of one page: what a closing makes again is short
_LONGEST_NAME = 40  # letters of a family in the name of its page
_OTHERS = re.compile(r"[^a-z0-9]+")

Value = TypeVar("Value")


def page_names(stem: str, count: int) -> list[str]:
    """Return the file names of the pages of a table, oldest first."""
    return [page_name(stem, number, count) for number in range(1, count + 1)]


def page_name(stem: str, number: int, count: int) -> str:
    """Return the file name of one of the pages of a table; the newest, the last, has no number."""
    if number == count:
        return f"{stem}.html"
    return f"{stem}-{number}.html"


@cache
def family_stem(family: str) -> str:
    """Return what the pages of a family are called: part of its name, and a digest of it.

    Names that differ in signs only, or are longer, have pages of their own on every file system.
    """
    readable = _OTHERS.sub("-", family.lower())
    start = readable[:_LONGEST_NAME].strip("-")
    content = family.encode(errors="backslashreplace")
    digest = disk.content_digest(content)
    return f"family-{start}-{digest[:8]}"


def family_page(family: str) -> str:
    """Return the newest page of a family, relative to the site's folder."""
    return f"{family_stem(family)}.html"


def cut(rows: Sequence[Value]) -> list[Sequence[Value]]:
    """Return rows in pages; one page without rows."""
    number = max(len(rows), 1)
    pages = []
    for start in range(0, number, ROWS):
        end = start + ROWS
        pages.append(rows[start:end])
    return pages
