"""Runs that are not closed and runs that wait: those that one finds who looks at every run."""

from pathlib import Path
from typing import Any

import pytest

from harness.archive import registry_row, run_folder
from harness.verified import ClosedRuns
from postrun.overview import found_runs, standings
from postrun.overview.standings import Workspace
from postrun.store import tables

LATER = "2026-02-22_031500_production_gates_b"
PLANNED = {"rank": 2, "action": "rerun", "blocked_by": []}
BLOCKED = {"rank": 2, "action": "rerun", "blocked_by": ["no data", "no freeze"]}


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_runs_that_wait_are_found_without_a_look_at_the_others(
    local: Path, is_reversed: bool
) -> None:
    """Every combination of what decides: SQL finds what `describe` says of each run."""
    rows: list[dict[str, Any]] = []
    factors = ("value", None, "size", "value")
    decisions = ("awaiting_approval", "promote_candidate", "watchlist_rerun")
    for audit_passed in (True, False):
        for decision in decisions:
            for factor in factors:
                run = run_folder(f"2026-01-01_0000{len(rows):02}", f"r{len(rows)}")
                changes = {"audit_passed": audit_passed, "decision": decision}
                rows.append(registry_row(run, factor, **changes))
    if is_reversed:
        rows.reverse()
        for row, later in zip(rows, sorted(row["run"] for row in rows), strict=True):
            row["run"] = later
    registry = tables.of_rows(local, standings.REGISTRY, rows)
    runs = [row["run"] for row in rows]
    planned = {runs[0]: PLANNED, runs[7]: BLOCKED, runs[-2]: PLANNED, runs[-3]: BLOCKED}
    decided = {"decision_tag": "a", "result": "fail", "schema_version": 2, "reasons": []}
    whole = Workspace(
        local,
        frozenset(runs),
        dict.fromkeys(runs, decided),
        frozenset(runs),
        {row["run"]: row for row in rows},
        planned,
        standings.latest_runs(registry),
    )
    expected = [run for run in whole.runs if standings.describe(whole, run)["who"]]
    assert 0 < len(expected) < len(runs)
    assert found_runs.find_waiting(registry, planned, []) == expected[::-1]
    assert found_runs.find_waiting(registry, planned, [LATER]) == [LATER, *expected[::-1]]


def test_open_runs_are_found_without_a_look_at_the_others(closed: ClosedRuns) -> None:
    for name in (LATER, "notes"):
        (closed.root / "audit/workstation_runs" / name).mkdir()
    whole = standings.read(closed.root)
    registry = tables.open_table(closed.root, standings.REGISTRY)
    assert found_runs.find_runs(closed.root, registry) == (len(whole.runs), whole.open_runs)
    assert whole.open_runs == [LATER]
    # A decision without its audit in the ledger is of a closing that was interrupted.
    ledger = closed.root / closed.path("stage_ledger")
    (closed.root / closed.path("workspace_record")).unlink()
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))
    number, open_runs = found_runs.find_runs(closed.root, registry)
    assert (number, open_runs) == (4, standings.read(closed.root).open_runs)
    assert len(open_runs) == 2
