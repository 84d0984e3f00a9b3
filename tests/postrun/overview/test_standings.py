"""What every run waits for, and of whom: one rule for each case, the first that holds."""

from pathlib import Path
from typing import Any

import pytest

from harness.verified import ClosedRuns
from postrun.overview import standings
from postrun.overview.standings import Workspace

RUN = "2026-02-21_031500_production_gates_a"
LATER = "2026-02-22_031500_production_gates_b"
DECIDED: dict[str, Any] = {
    **dict.fromkeys(("family", "gate_folder", "approval", "verdict")),
    "factor": "value",
    "owner": "hui",
    "audit_passed": True,
    "high_items": 0,
    "decision": "reject_or_research",
}


def workspace(**changes: Any) -> Workspace:
    """Return a workspace with one closed run, changed."""
    is_later = changes.pop("is_later", False)
    planned = changes.pop("planned", None)
    audited = changes.pop("audited", True)
    reasons = changes.pop("reasons", [])
    decision = {"decision_tag": "a", "result": "fail", "schema_version": 2, "reasons": reasons}
    return Workspace(
        Path(),
        frozenset([RUN]),
        {RUN: decision},
        frozenset([RUN] if audited else []),
        {RUN: {**DECIDED, **changes}},
        {RUN: planned} if planned else {},
        {"value": LATER if is_later else RUN},
    )


PLANNED = {"rank": 2, "action": "rerun", "blocked_by": []}
BLOCKED = {"rank": 2, "action": "rerun", "blocked_by": ["no data", "no freeze"]}


@pytest.mark.parametrize(
    ("changes", "waits_for", "who", "command"),
    [
        ({}, None, None, None),
        (
            {"planned": PLANNED},
            "its next run (rerun), rank 2 of the plan",
            "the operator",
            "make next-run RANK=2",
        ),
        (
            {"planned": BLOCKED},
            "its next run, which is blocked: no data, and 1 more",
            "the operator",
            None,
        ),
        ({"planned": PLANNED, "is_later": True}, None, None, None),
        (
            {"audit_passed": False, "high_items": 2, "planned": PLANNED},
            "repairs: the audit failed (2 High items)",
            "hui",
            "make finalize TAG=a",
        ),
        ({"audit_passed": False, "is_later": True}, None, None, None),
        (
            {"audit_passed": False, "high_items": 2, "reasons": ["abandoned: the power went"]},
            "a new run: start the run again under a new tag",
            "hui",
            None,
        ),
        (
            {"decision": "awaiting_approval", "approval": "of mei", "is_later": True},
            "an approval (of mei)",
            "an approver",
            "make approve TAG=a",
        ),
        (
            {"decision": "promote_candidate"},
            "the decision of the committee",
            "the committee",
            None,
        ),
        ({"audited": False}, "the end of its closing", "the operator", "make finalize TAG=a"),
    ],
)
def test_what_a_run_waits_for(
    changes: dict[str, Any], waits_for: str | None, who: str | None, command: str | None
) -> None:
    row = standings.describe(workspace(**changes), RUN)
    assert (row["waits_for"], row["who"], row["command"]) == (waits_for, who, command)


@pytest.mark.parametrize(
    ("monitored", "who", "command"),
    [
        (None, "the operator", "make finalize TAG=b"),
        ("complete", "the operator", "make finalize TAG=b"),
        ("running", "the workstation", "make monitor-then-finalize TAG=b"),
        ("dead", "the operator", 'make finalize TAG=b ABANDONED="<reason>"'),
    ],
)
def test_a_run_that_is_not_closed(monitored: str | None, who: str, command: str) -> None:
    open_run = Workspace(Path(), frozenset([LATER]), {}, frozenset(), {}, {}, {})
    assert open_run.open_runs == [LATER]
    row = standings.describe(open_run, LATER, monitored)
    assert (row["state"], row["who"], row["command"]) == ("not closed", who, command)


def test_a_tag_with_a_blank_is_quoted() -> None:
    closed = workspace(audited=False)
    closed.decisions[RUN]["decision_tag"] = "a b; c"
    row = standings.describe(closed, RUN)
    assert row["command"] == "make finalize TAG='a b; c'"


def test_runs_of_an_early_ledger_are_closed() -> None:
    early = workspace(audited=False)
    early.decisions[RUN]["schema_version"] = 1
    assert early.state(RUN) == standings.CLOSED


def test_closed_runs_on_disk(closed: ClosedRuns) -> None:
    folder = closed.root / "audit/workstation_runs" / LATER
    folder.mkdir()
    workspace = standings.read(closed.root)
    rows = [standings.describe(workspace, run) for run in workspace.runs]
    assert [row["result"] for row in rows] == ["pass", None, "fail", "fail"]
    assert [row["run"] for row in rows if row["state"] != standings.CLOSED] == [LATER]
    counts = standings.count(rows)
    assert (counts["runs"], counts["open"]) == (4, 1)
    assert sum(counts["waiting"].values()) == len([row for row in rows if row["who"]])
