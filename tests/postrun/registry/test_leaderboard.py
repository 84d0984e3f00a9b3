"""What the leaderboard says of a run beside its numbers."""

from typing import Any

from harness.archive import registry_row, run_folder
from postrun.registry import leaderboard, trials
from postrun.registry.registry_tables import Decided
from postrun.registry.rows import load_policy

SERIES = "2013-01-01/2013-12-31=0.01;2014-01-01/2014-12-31=0.02"


def row(day: int, factor: str | None, **changes: Any) -> dict[str, Any]:
    run = run_folder(f"2026-01-0{day}_031500", f"t{day}")
    measured = {"series": SERIES, "wf_n": 2, "wf_mean": 0.015, "wf_std": 0.007, "wf_t": 3.0}
    return registry_row(run, factor, family=factor, is_trial=True, **measured, **changes)


def test_runs_are_marked_and_explained() -> None:
    policy = load_policy()
    rows = [
        row(1, "f"),
        row(2, "f", repeats="x", decision="reject_or_research"),
        row(3, "g", not_reproduced="y", weaker_than_baseline="stat_alpha is 0.25"),
        row(4, None),
    ]
    registry = {one["run"]: one for one in rows}
    found = trials.compute(registry, policy.statistics, {})
    decided = Decided(registry, found.trials, found.families)
    content = leaderboard.describe(rows, decided, policy, set())
    shown = content["rows"]
    assert [one["is_latest"] for one in shown] == [False, True, True, True]
    assert [one["place"] for one in shown] == ["1st of 1", "1st of 1", "1st of 1", "none"]
    assert shown[0]["notes"] == [f"not in the queue: {rows[1]['run']} is later"]
    assert shown[1]["notes"] == ["repeats x: both count as one trial"]
    assert shown[2]["notes"] == [
        "not reproducible: the inputs of y, and other results",
        "stat_alpha is 0.25",
    ]
    assert content["unknown"] == 1
    assert [one["declared"] for one in content["families"]] == [None, None]
