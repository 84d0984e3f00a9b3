"""The pages of the site: what they are called, and how long tables are cut into pages."""

import re
from collections.abc import Sequence
from typing import TypeVar

from postrun.core import disk

INDEX = "index.html"
ROWS = 500  # of one page: what a browser sorts and shows without a pause
_LONGEST_NAME = 40  # letters of a family in the name of its page
_OTHERS = re.compile(r"[^a-z0-9]+")

Value = TypeVar("Value")


def page_name(stem: str, number: int = 1) -> str:
    """Return the file name of a page; the first of a table has no number."""
    if number == 1:
        return f"{stem}.html"
    return f"{stem}-{number}.html"


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
    """Return the first page of a family, relative to the site's folder."""
    return page_name(family_stem(family))


def cut(rows: Sequence[Value]) -> list[Sequence[Value]]:
    """Return rows in pages; one page without rows."""
    number = max(len(rows), 1)
    pages = []
    for start in range(0, number, ROWS):
        end = start + ROWS
        pages.append(rows[start:end])
    return pages
