"""Many runs seen in one round trip, which of them count, and one workstation under watch."""

import json
import queue
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import factory
from factory import documents, make_run, put
from postrun.core.errors import AmbiguousRun, Invalid, Missing, PostRunError, Unreachable, Usage
from postrun.core.run_names import RunName
from postrun.monitor import host_monitor
from postrun.monitor.host_monitor import HostMonitor, Since, is_closed
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import Limits, State
from postrun.remote import workstation
from postrun.remote.snapshots import HostSnapshot, Process, RunSnapshot
from postrun.remote.workstation import Workstation
from postrun.store import configuration
from sshd import Sshd

NOW = datetime(2026, 2, 28, 12, 0, tzinfo=UTC)
SETTINGS = {"connect_timeout_s": 3, "probe_timeout_s": 30}
IGNORED = configuration.workstation()["ignored_programs"]


def folder(tag: str, stamp: str = "2026-02-27_031500") -> str:
    return f"{stamp}_production_gates_{tag}"


def sighting(
    *folders: str, processes: tuple[Process, ...] = (), **glances: RunSnapshot
) -> HostSnapshot:
    """Give what a poll saw; a folder with a `+` in front has a result."""
    listed = {name.removeprefix("+"): name.startswith("+") for name in folders}
    return HostSnapshot(NOW.timestamp(), "+0000", "b", listed, processes, glances)


def glance(tag: str, processes: tuple[Process, ...] = ()) -> RunSnapshot:
    parts = {
        "preflight": None,
        "data_quality": None,
        "result": None,
        "result_modified": None,
        "pid_file": None,
    }
    texts = {"settled": "s", "activity": "a", "log_tail": ""}
    run = (folder(tag),)
    facts: dict[str, Any] = {**parts, **texts, "runs": run, "processes": processes}
    return RunSnapshot(1.0, "+0000", "b", has_context=True, **facts)


# --- one round trip for many runs -----------------------------------------------------------------------------------


@pytest.fixture(params=["local", "ssh"])
def door(request: pytest.FixtureRequest, remote: Path) -> Iterator[Workstation]:
    """Give a workstation whose root is `far`, over both hosts in turn."""
    host = "local" if request.param == "local" else str(request.getfixturevalue("sshd").host)
    opened = workstation.connect(host, str(remote), SETTINGS)
    yield opened
    opened.close()


def test_glances_are_glances_in_one_round_trip(door: Workstation, remote: Path) -> None:
    tags = ["run1", "run10", "run1_rerun4", "ended"]
    for day, tag in enumerate(tags, start=10):
        make_run(
            remote,
            tag=tag,
            stamp=f"2026-02-{day}_031500",
            change=None if tag == "ended" else _goes_on,
        )
    seen = door.take_host_snapshot([*tags, "nowhere"])
    assert door.round_trips == 1
    assert seen.folders == {
        documents(tag=tag, stamp=f"2026-02-{day}_031500").run_folder: tag == "ended"
        for day, tag in enumerate(tags, start=10)
    }
    for tag in tags:
        alone = door.take_run_snapshot(tag)
        many = seen.run_snapshots[tag]
        assert (many.runs, many.gates, many.result) == (alone.runs, alone.gates, alone.result)
        assert (many.settled, many.activity, many.log_tail) == (
            alone.settled,
            alone.activity,
            alone.log_tail,
        )
        assert (many.has_context, many.preflight, many.pid_file) == (
            alone.has_context,
            alone.preflight,
            alone.pid_file,
        )
    assert seen.run_snapshots["nowhere"].runs == ()
    assert len({id(one.processes) for one in seen.run_snapshots.values()}) == 1, "listed once"


def _goes_on(made: factory.Documents) -> None:
    made.result = made.report = None


def test_glances_at_nothing_list_nothing(door: Workstation) -> None:
    seen = door.take_host_snapshot([])
    assert (seen.folders, seen.run_snapshots) == ({}, {})
    assert abs(seen.clock - time.time()) < 60
    assert seen.processes


def test_only_folders_from_a_name_on_are_listed(door: Workstation, remote: Path) -> None:
    runs = remote / "audit/workstation_runs"
    for name in (
        folder("a", "2026-01-01_000000"),
        folder("b"),
        folder("b_2"),
        "notes",
        "2026-02-28 two words",
    ):
        (runs / name).mkdir(parents=True)
    put(runs / folder("a file"), b"")
    put(runs / folder("c") / "result.json", "{}")
    assert door.take_host_snapshot([], "2026-02-27_031500").folders == {
        folder("b"): False,
        folder("b_2"): False,
        folder("c"): True,
    }
    assert door.take_host_snapshot([], "2026-02-27_031501").folders == {}
    assert len(door.take_host_snapshot([]).folders) == 4


def test_a_clock_that_is_put_back_over_midnight_hides_no_gate_folder(
    door: Workstation, remote: Path
) -> None:
    made = documents(tag="run1", stamp="2026-03-01_001000")
    made.gate_stamp = "2026-02-28_231500"
    made.write(remote)
    seen = door.take_run_snapshot("run1")
    assert seen.gates == (made.gate_folder,)
    put(made.gate_dir(remote) / "late.csv", "late")
    assert door.take_run_snapshot("run1").settled != seen.settled
    make_run(
        remote,
        tag="run2",
        stamp="2026-01-01_001000",
        change=lambda other: setattr(other, "gate_stamp", "2025-12-31_1"),
    )
    assert door.take_run_snapshot("run2").gates == ("production_gates_2025-12-31_1",)


def test_the_longest_tags_go_in_parts(remote: Path) -> None:
    door = workstation.connect("local", str(remote), SETTINGS)
    tags = [f"{number:03d}{'_' * 125}" for number in range(150)]
    for tag in tags:
        (remote / f"audit/workstation_runs/{folder(tag)}").mkdir(parents=True)
    seen = door.take_host_snapshot(tags)
    assert door.round_trips == 2, "a hundred at once: a command has its longest length"
    assert list(seen.run_snapshots) == tags
    assert all(one.runs for one in seen.run_snapshots.values())


@pytest.mark.parametrize("tag", ["x;touch pwned", "../x", "x\n", ""])
def test_a_hostile_tag_reaches_no_shell(remote: Path, tag: str) -> None:
    door = workstation.connect("local", str(remote), SETTINGS)
    with pytest.raises(Usage):
        door.take_host_snapshot(["fine", tag])
    assert door.round_trips == 0


def test_a_root_that_is_not_there_is_missing(remote: Path) -> None:
    with pytest.raises(Missing, match="--remote-root"):
        workstation.connect("local", str(remote / "x"), SETTINGS).take_host_snapshot([])


# --- which runs count -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "stamp", "counts"),
    [
        (Since(), "2026-02-21_120000", True),
        (Since(), "2026-02-21_115959", False),
        (Since(stamp=datetime(2026, 1, 1)), "2026-01-01_000000", True),  # noqa: DTZ001
        (Since(stamp=datetime(2026, 2, 25)), "2026-02-24_000000", False),  # noqa: DTZ001
        (Since(everything=True), "2001-01-01_000000", True),
    ],
)
def test_seven_days_count_by_the_workstations_own_clock(
    since: Since, stamp: str, counts: bool
) -> None:
    name = RunName(folder("a", stamp), stamp, "a")
    assert since.counts(name, sighting(name.folder), IGNORED) is counts


@pytest.mark.parametrize(
    ("args", "result", "counts"),
    [
        ("python run_production_gates.py --decision-tag a", "", True),
        ("python run_production_gates.py --decision-tag a", "+", False),
        ("python run_production_gates.py --decision-tag ab", "", False),
        ("less --tag a", "", False),
    ],
)
def test_an_old_run_counts_while_it_is_at_work(args: str, result: str, counts: bool) -> None:
    name = RunName(folder("a", "2025-01-01_000000"), "2025-01-01_000000", "a")
    seen = sighting(result + name.folder, processes=(Process(70, 1, args),))
    assert Since().counts(name, seen, IGNORED) is counts


def test_a_run_is_closed_when_it_stands_in_the_ledger_and_was_audited(local: Path) -> None:
    name = folder("a")
    assert not is_closed(local, name, frozenset({name}))
    put(local / f"audit/workstation_runs/{name}/governance_audit_check.json", "{}")
    assert is_closed(local, name, frozenset({name}))
    assert not is_closed(local, name, frozenset()), (
        "an audit by hand, before the decision, closes nothing"
    )


# --- one workstation ------------------------------------------------------------------------------------------------


def post(remote: Path, local: Path, host: str = "local", **patience: float) -> HostMonitor:
    door = workstation.connect(host, str(remote), SETTINGS)
    limits = Limits(interval=30.0, **patience)
    return HostMonitor(host, door, local, Since(), limits, 0.0, {})


def take(one: HostMonitor, found: HostSnapshot | PostRunError, now: float) -> list[RunMonitor]:
    return [lookout for lookout, _ in one.take(found, now)]


def test_the_first_look_lists_and_the_next_comes_at_once(remote: Path, local: Path) -> None:
    here = post(remote, local)
    assert (
        take(here, sighting(folder("a"), folder("b"), folder("old", "2026-01-01_000000")), 5.0)
        == []
    )
    assert (sorted(here.runs), here.older, here.due) == (["a", "b"], 1, 5.0)
    seen = take(here, sighting(a=glance("a"), b=glance("b")), 6.0)
    assert [one.memory.state for one in seen] == [State.RUNNING, State.RUNNING]
    assert here.due == 36.0


def test_what_begins_later_is_watched_too(remote: Path, local: Path) -> None:
    here = post(remote, local)
    take(here, sighting(), 0.0)
    assert (here.looked, here.runs) == (True, {})
    take(here, sighting(folder("a")), 30.0)
    assert (sorted(here.runs), here.due) == (["a"], 30.0)
    take(here, sighting(folder("a"), a=glance("a")), 31.0)
    assert here.runs["a"].polls == 1, "met once, watched once"


@pytest.mark.parametrize(
    ("seen", "now", "first"),
    [
        (["2026-02-27_031500", "2026-02-26_031500"], NOW, "2026-02-26_031500"),
        (["2026-03-01_031500"], NOW, "2026-02-27_120000"),
        (["2099-01-01_000000"], NOW, "2026-02-27_120000"),
        (["2026-02-28_115000"], NOW - timedelta(hours=1), "2026-02-27_110000"),
    ],
    ids=["a day's slack", "a zone ahead", "the future", "the clock was put back"],
)
def test_new_runs_are_looked_for_from_a_name_on(
    remote: Path, local: Path, seen: list[str], now: datetime, first: str
) -> None:
    here = post(remote, local)
    take(
        here,
        replace(sighting(*(folder(f"t{stamp}", stamp) for stamp in seen)), clock=now.timestamp()),
        0.0,
    )
    assert here._first() == first


def test_a_log_that_cannot_be_written_is_told_and_written_later(remote: Path, local: Path) -> None:
    """A disk that is full for a moment must not end the watch of a run that goes on for hours."""
    here = post(remote, local)
    put(local / f"audit/workstation_runs/{folder('a')}", "a file where a folder belongs")
    take(here, sighting(folder("a"), folder("b")), 0.0)
    one, other = take(here, sighting(a=glance("a"), b=glance("b")), 1.0)
    assert (one.memory.over, other.memory.over, other.trouble) == (None, None, "")
    assert "monitor_events.jsonl: expected a place that can be written to, found " in one.trouble
    (local / f"audit/workstation_runs/{folder('a')}").unlink()
    take(here, sighting(a=glance("a"), b=glance("b")), 31.0)
    lines = (
        (local / f"audit/workstation_runs/{folder('a')}/monitor_events.jsonl")
        .read_text()
        .splitlines()
    )
    assert ([json.loads(line)["state"] for line in lines], one.trouble) == (["running"], "")


def test_a_damaged_log_ends_the_watch_of_its_run_only(remote: Path, local: Path) -> None:
    here = post(remote, local)
    put(local / f"audit/workstation_runs/{folder('a')}/monitor_events.jsonl", '{"state": "run')
    take(here, sighting(folder("a"), folder("b")), 0.0)
    one, other = take(here, sighting(a=glance("a"), b=glance("b")), 1.0)
    assert (one.memory.over, other.memory.over) == (Invalid, None)
    assert "monitor_events.jsonl:1: expected a whole line" in one.memory.words
    assert take(here, sighting(a=glance("a"), b=glance("b")), 31.0) == [other]


def test_of_one_tag_the_newest_counts(remote: Path, local: Path) -> None:
    here = post(remote, local)
    take(here, sighting(folder("a"), folder("a", "2026-02-28_031500")), 0.0)
    assert list(here.runs) == ["a"]
    assert list(here.claims) == [folder("a", "2026-02-28_031500")]


def test_an_outage_is_everybodys_and_backs_off(remote: Path, local: Path) -> None:
    here = post(remote, local, outage=500.0)
    take(here, sighting(folder("a")), 0.0)
    take(here, sighting(a=glance("a")), 1.0)
    away = Unreachable("bench", "an answer", "none")
    pauses = []
    for now in (31.0, 100.0, 200.0):
        (one,) = take(here, away, now)
        pauses.append(here.due - now)
    assert one.memory.state is State.UNREACHABLE
    assert pauses[0] < pauses[1]
    assert here.error is None
    take(here, sighting(a=glance("a")), 300.0)
    assert (one.memory.state, here.trouble) == (State.RUNNING, None)
    take(here, away, 400.0)
    take(here, away, 901.0)
    assert here.error is away


def test_a_wrong_root_or_key_gives_up_at_the_first_look_only(remote: Path, local: Path) -> None:
    first, later = post(remote, local), post(remote, local)
    gone = Missing("root", "a folder", "nothing there")
    take(first, gone, 0.0)
    assert first.error is gone
    take(later, sighting(), 0.0)
    take(later, gone, 30.0)
    assert later.error is None, "a disk that is away for a while"


def test_a_run_on_two_workstations_is_unclear(remote: Path, local: Path) -> None:
    here, there = post(remote, local), post(remote, local)
    there.claims, there.host = here.claims, "there"
    take(here, sighting(folder("a"), folder("b")), 0.0)
    take(there, sighting(folder("a")), 0.0)
    one, other = take(here, sighting(a=glance("a"), b=glance("b")), 1.0)
    (copy,) = take(there, sighting(a=glance("a")), 1.0)
    for ended in (one, copy):
        assert (ended.memory.over, ended.memory.run, ended.polls) == (AmbiguousRun, folder("a"), 0)
        words = f"it on one workstation, found it on local:{remote} and on there:{remote}; if they share a disk, name one of"
        assert words in ended.memory.words
    assert (other.memory.over, other.polls) == (None, 1)


def test_a_post_asks_in_the_background_for_what_is_not_over(
    remote: Path, local: Path, sshd: Sshd
) -> None:
    stamp = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d_%H%M%S")
    make_run(remote, tag="a", stamp=stamp, change=_goes_on)
    here = post(remote, local, sshd.host)
    answers: queue.SimpleQueue[host_monitor.Answer] = queue.SimpleQueue()
    for _ in range(3):
        here.ask(answers)
        assert here.asked
        who, found, now = answers.get(timeout=20)
        assert who is here
        assert isinstance(found, HostSnapshot)
        list(here.take(found, now))
        assert not here.asked
    assert here.runs["a"].polls == 2
    assert here.door.round_trips == 3
    here.door.close()
