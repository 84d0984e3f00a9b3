"""Text that tries to do harm on a page, and documents that have it in every place.

text = hostile.page_text(hostile.TEXTS[0])     what a page must show of it
"""

from dataclasses import replace
from typing import Any

from postrun.overview.site_tables import SiteTables
from postrun.store import page_files

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


def site_tables_with(shown: SiteTables, text: str) -> SiteTables:
    """Return a workspace where every text is this one, but keys and times."""

    def spoiled(row: Any) -> Any:
        return spoil(row, text, _KEPT_ON_THE_SITE)

    workspace = shown.workspace
    registry = {run: {**spoiled(row), "family": text} for run, row in workspace.registry.items()}
    decisions = {run: spoiled(row) for run, row in workspace.decisions.items()}
    handoff = spoiled(shown.handoff or {})
    plan = shown.plan or {}
    return replace(
        shown,
        workspace=replace(workspace, registry=registry, decisions=decisions),
        families=[{**spoiled(shown.families[0]), "family": text}],
        ledger_rows=[spoiled(row) for row in shown.ledger_rows],
        queue=[spoiled(row) for row in shown.queue],
        plan={**plan, "commands": [spoiled(command) for command in plan["commands"]]},
        patterns=[spoiled(row) for row in shown.patterns],
        handoff=handoff,
        reviews={},
    )
