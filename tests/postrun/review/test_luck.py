"""The facts on luck in a review are those of the registry, as of the run's own name."""

import json
from pathlib import Path
from typing import Any

import made_runs
import pytest

import verify_workspace
from harness.workspace import Workspace

RUNS = [("a", 1, "made_value"), ("b", 2, "made_value"), ("c", 3, "made_growth")]


@pytest.fixture
def closed(remote: Path, local: Path) -> Workspace:
    workspace = Workspace(remote, local)
    for tag, seed, factor in RUNS:
        ics = made_runs.good_ics(seed)
        run = made_runs.made_run(tag, f"2026-01-0{seed}_031500", factor, ics)
        run.write(remote)
        workspace.close(tag)
    return workspace


def luck_of(local: Path, tag: str) -> dict[str, Any]:
    for path in local.rglob("production_gates_run_review.json"):
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document["decision_tag"] == tag:
            luck: dict[str, Any] = document["luck"]
            return luck
    raise LookupError(tag)


def test_the_review_says_what_the_registry_will_say(closed: Workspace) -> None:
    luck = luck_of(closed.local, "b")
    assert (luck["family"], luck["trials"], luck["without_series"]) == ("made_value", 2, 0)
    assert luck["sentence"].startswith("of 2 trials of made_value this is the ")
    assert luck["interval"]["low"] < luck["mean"] < luck["interval"]["high"]
    # Two trials ask for a wider interval than one.
    assert luck["adjusted_interval"]["low"] < luck["interval"]["low"]
    assert [trial["run"][-1] for trial in luck["family_trials"]] == ["a", "b"]
    band = luck["band_by_luck"]
    assert band["low"] < band["high"] < luck["t_needed"] < 10
    assert [trial["number"] for trial in luck["family_trials"]] == [1, 2]
    table = (closed.local / "audit/factor_registry/trial_statistics.csv").read_text()
    assert f"{luck['p_family']!r}" in table


def test_later_runs_change_no_review(closed: Workspace) -> None:
    before = luck_of(closed.local, "a")
    closed.run("generate_run_review", "a")
    assert luck_of(closed.local, "a") == before
    assert verify_workspace.main(["--local-root", str(closed.local)]) == 0


def test_a_run_without_a_series_says_so(remote: Path, local: Path) -> None:
    workspace = Workspace(remote, local)
    run = made_runs.made_run("x", "2026-01-01_031500", "made_value", made_runs.good_ics(1))
    run.windows.clear()
    run.write(remote)
    workspace.close("x")
    luck = luck_of(local, "x")
    assert luck["verdict"] == "not_measured"
    assert luck["sentence"].startswith("not measured: no series of windows that vary")
    assert (luck["mean"], luck["interval"], luck["p_family"]) == (None, None, None)
