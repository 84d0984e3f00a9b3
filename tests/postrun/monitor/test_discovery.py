"""Which runs of a workstation are new, not closed yet and recent enough."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from harness.factory import put
from harness.fake_workstations import NOON, run_folder
from postrun.core import locations
from postrun.monitor.discovery import RunDiscovery, is_closed
from postrun.remote.snapshots import HostSnapshot, Process


def snapshot(*folders: str, moment: datetime = NOON, args: str = "init") -> HostSnapshot:
    """Return a poll that lists these run folders; one with a `+` in front has a result."""
    listed = {name.removeprefix("+"): name.startswith("+") for name in folders}
    processes = (Process(70, 1, args),)
    return HostSnapshot(moment.timestamp(), "+0000", listed, processes, {})


def discovery(local: Path) -> RunDiscovery:
    return RunDiscovery(local)


def find(runs: RunDiscovery, *folders: str) -> list[str]:
    return [run.folder for run in runs.find_new_runs(snapshot(*folders))]


@pytest.mark.parametrize(
    ("since", "stamp", "counts"),
    [
        (None, "2026-02-21_120000", True),
        (None, "2026-02-21_115959", False),
        (datetime(2026, 1, 1), "2026-01-01_000000", True),  # noqa: DTZ001
        (datetime(2026, 2, 25), "2026-02-24_000000", False),  # noqa: DTZ001
        (datetime.min, "2001-01-01_000000", True),  # noqa: DTZ901
    ],
)
def test_seven_days_count_by_the_workstations_own_clock(
    local: Path, since: datetime | None, stamp: str, counts: bool
) -> None:
    runs = RunDiscovery(local, since)
    assert bool(find(runs, run_folder("a", stamp))) is counts
    assert runs.skipped_old_runs == (0 if counts else 1)


@pytest.mark.parametrize(
    ("args", "result", "counts"),
    [
        ("python run_production_gates.py --decision-tag a", "", True),
        ("python run_production_gates.py --decision-tag a", "+", False),
        ("python run_production_gates.py --decision-tag ab", "", False),
        ("less --tag a", "", False),
    ],
)
def test_an_old_run_counts_while_it_has_processes(
    local: Path, args: str, result: str, counts: bool
) -> None:
    poll = snapshot(result + run_folder("a", "2025-01-01_000000"), args=args)
    assert bool(discovery(local).find_new_runs(poll)) is counts


def test_a_run_is_closed_when_it_has_a_decision_and_an_audit(local: Path) -> None:
    run = run_folder("a")
    assert not is_closed(local, run, {run})
    put(local / locations.RUNS / run / "governance_audit_check.json", "{}")
    assert is_closed(local, run, {run})
    assert not is_closed(local, run, set()), "an audit by hand closes nothing"


def test_the_first_poll_leaves_old_runs_alone(local: Path) -> None:
    runs = discovery(local)
    assert find(runs, run_folder("a"), run_folder("old", "2026-01-01_000000")) == [run_folder("a")]
    assert runs.skipped_old_runs == 1


def test_later_polls_add_what_is_new_however_it_is_named(local: Path) -> None:
    runs = discovery(local)
    assert find(runs) == []
    assert find(runs, run_folder("a", "2026-01-01_000000")) == [
        run_folder("a", "2026-01-01_000000")
    ]
    assert find(runs, run_folder("a", "2026-01-01_000000")) == [], "listed once, added once"


def test_of_one_tag_the_newest_run_counts(local: Path) -> None:
    newer = run_folder("a", "2026-02-28_031500")
    assert find(discovery(local), newer, run_folder("a")) == [newer]


def test_runs_come_oldest_first(local: Path) -> None:
    older = run_folder("z", "2026-02-26_031500")
    assert find(discovery(local), run_folder("a"), older) == [older, run_folder("a")]


@pytest.mark.parametrize(
    "name",
    [
        "notes",
        "2026-02-30_000000_production_gates_x",
        "2026-02-21_031500_production_gates_$(touch pwned)",
    ],
)
def test_names_that_are_no_runs_are_left_out(local: Path, name: str) -> None:
    assert find(discovery(local), name) == []


def test_a_run_whose_name_holds_no_tag_is_named_once(local: Path) -> None:
    runs = discovery(local)
    odd, old = run_folder("a+b"), run_folder("c (copy)", "2026-01-01_000000")
    assert find(runs, odd, old, run_folder("a")) == [run_folder("a")]
    assert [run.folder for run in runs.odd_runs] == [old, odd], "however old: no flag helps"
    assert find(runs, odd, old) == []
    assert runs.odd_runs == []
    assert find(runs, odd, run_folder("_x")) == []
    assert [run.tag for run in runs.odd_runs] == ["_x"]


@pytest.mark.parametrize(
    ("stamps", "now", "first"),
    [
        (["2026-02-27_031500", "2026-02-26_031500"], NOON, "2026-02-26_031500"),
        (["2026-03-01_031500"], NOON, "2026-02-27_120000"),
        (["2099-01-01_000000"], NOON, "2026-02-27_120000"),
        (["2026-02-28_115000"], NOON - timedelta(hours=1), "2026-02-27_110000"),
    ],
    ids=["a day of slack", "a zone ahead", "the future", "the clock was put back"],
)
def test_the_next_poll_lists_runs_from_a_name_on(
    local: Path, stamps: list[str], now: datetime, first: str
) -> None:
    runs = discovery(local)
    assert runs.first_name() == "0", "the first poll lists everything"
    folders = [run_folder(f"t{stamp}", stamp) for stamp in stamps]
    runs.find_new_runs(snapshot(*folders, moment=now))
    assert runs.first_name() == first
