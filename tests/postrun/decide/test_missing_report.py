"""The words for a run that has no gate report that can be used."""

from typing import Any

import pytest

from postrun.decide import missing_report


def row(report: str, objection: str | None, unusable: bool = False) -> dict[str, Any]:
    return {"report": report, "objection": objection, "unusable": unusable}


@pytest.mark.parametrize(
    ("rows", "explanation"),
    [
        ([], "no gate report belongs to this run"),
        ([row("a", None)], "no gate report belongs to this run"),
        (
            [row("a", "its inputs name tag 'other'")],
            "no gate report belongs to this run: a: its inputs name tag 'other'",
        ),
        (
            [row("a", "its inputs name tag 'other'"), row("b", "half a file", unusable=True)],
            "gate report cannot be used: b: half a file",
        ),
        (
            [{"gate_folder": "g", "objection": "too late"}],  # as earlier versions have it
            "no gate report belongs to this run: g: too late",
        ),
    ],
)
def test_what_was_looked_at_is_named(rows: list[dict[str, Any]], explanation: str) -> None:
    assert missing_report.explain({"report_candidates": rows}) == explanation


@pytest.mark.parametrize("detection", [None, {}, {"report_candidates": None}])
def test_without_a_detection_there_is_nothing_to_name(detection: object) -> None:
    assert missing_report.explain(detection) == missing_report.NONE
