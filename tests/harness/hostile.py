"""Text that tries to do harm on a page, and documents that have it in every place.

text = hostile.page_text(hostile.TEXTS[0])     what a page must show of it
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun.overview.ledger_pages import LedgerPage, LedgerRows
from postrun.overview.site_tables import SiteTables
from postrun.registry.trials import FAMILIES
from postrun.store import page_files, tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

TEXTS = {
    "script": "<script>window.pwned = 1; alert('x')</script>",
    "attribute": '"><img src=x onerror="window.pwned = 1">',
    "quote": "' onload='window.pwned = 1' onmouseover=\"window.pwned = 1\" x=`",
    "end of a chart": "</title></svg></style></main><svg onload=window.pwned=1>",
    "link": "javascript:window.pwned=1//",
    "template": "{{ 7 * 7 }} {% raw %} {# ${window.pwned=1} ]]> -->",
    "escape": "\x1b[31mred\x1b[0m\x07 \x9b2J",
    "right to left": "\u202egnp.exe\u2066 \u200bhidden",
    "formula": "=cmd|' /C calc'!A0",
    "long": "n" * 128,
    "markdown": "[x](javascript:window.pwned=1) `code` **bold** | cell",
}
# Keys and times: a page looks these up, and no person writes them.
_KEPT_ON_THE_SITE = (
    *("run", "started", "family", "gate_folder", "source_run", "recorded_at", "kind", "state"),
    *("best_run", "latest_run", "series", "series_by_month"),
)
_KEPT_IN_A_REVIEW = (
    *("recommendation", "kind", "place", "gate", "metric", "comparison", "change", "started"),
    *("run", "run_folder", "result", "answer", "verdict", "reported", "basis", "problem"),
)


def page_text(text: str) -> str:
    """Return a text as a reader sees it: on one line, hidden characters as escapes."""
    return " ".join(page_files.visible(text).split())


def spoil(value: Any, text: str, kept: tuple[str, ...] = ()) -> Any:
    """Return a value with the text in place of every text in it, but of what is kept."""
    if isinstance(value, dict):
        spoiled = {}
        for key, member in value.items():
            is_kept = key in kept and not isinstance(member, dict | list)
            spoiled[key] = member if is_kept else spoil(member, text, kept)
        return spoiled
    if isinstance(value, list):
        return [spoil(member, text, kept) for member in value]
    return text if isinstance(value, str) else value


def review_with(document: dict[str, Any], text: str) -> dict[str, Any]:
    """Return a run review with the text in every place where a person's text may be."""
    spoiled: dict[str, Any] = spoil(document, text, _KEPT_IN_A_REVIEW)
    return spoiled


class _SpoiledLedger(LedgerRows):
    """A ledger in which every text is one, but keys and times."""

    def __init__(self, root: Path, text: str) -> None:
        super().__init__(root)
        self.text = text

    def rows(self, page: LedgerPage) -> Rows:
        return [_spoiled(row, self.text) for row in super().rows(page)]

    def decisions(self, runs: Iterable[str]) -> dict[str, Row]:
        found = super().decisions(runs)
        return {run: _spoiled(row, self.text) for run, row in found.items()}

    def news(self) -> Row:
        told = super().news()
        return {**told, "others": [_spoiled(row, self.text) for row in told["others"]]}


def _spoiled(row: Any, text: str) -> Any:
    return spoil(row, text, _KEPT_ON_THE_SITE)


def site_tables_with(shown: SiteTables, text: str) -> SiteTables:
    """Return a workspace where every text is this one, but keys and times."""

    def spoiled(table: IndexedTable, **changes: Any) -> IndexedTable:
        rows = [{**_spoiled(row, text), **changes} for row in table.select()]
        # One family is enough: all have one name.
        if table.name == FAMILIES:
            del rows[1:]
        return tables.of_rows(shown.root, table.name, rows)

    plan = shown.plan or {}
    return replace(
        shown,
        registry=spoiled(shown.registry, family=text),
        trials=spoiled(shown.trials, family=text),
        families=spoiled(shown.families, family=text),
        ledger=_SpoiledLedger(shown.root, text),
        queue=[_spoiled(row, text) for row in shown.queue],
        plan={**plan, "commands": [_spoiled(command, text) for command in plan["commands"]]},
        patterns=spoiled(shown.patterns),
        handoff=_spoiled(shown.handoff or {}, text),
        reviews={},
    )
