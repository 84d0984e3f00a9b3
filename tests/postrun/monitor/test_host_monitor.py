"""One workstation: what a poll of many runs brings, and what is done with it."""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from harness import factory
from harness.factory import documents, make_run, put
from harness.fake_workstations import OUTAGE, FakeClock, FakeWorkstation, busy, run_folder
from postrun.core.errors import HostRejected, Missing, PostRunError, Unreachable, Usage
from postrun.core.request import RunRequest
from postrun.monitor.discovery import RunDiscovery
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import Limits, State
from postrun.remote import workstation
from postrun.remote.scheduler import Job, Queue
from postrun.remote.snapshots import HostSnapshot
from postrun.remote.workstation import Workstation

SETTINGS = {"connect_timeout_s": 3, "probe_timeout_s": 30}
REJECTED = HostRejected("workstation bench", "a login by key", "refused")
SQUEUE = """\
#!/bin/sh
echo asked >> "$CALLS"
for word do
    case $word in --format=*) echo "${word#--format=}" | sed 's/%i/JOBID/' ;; esac
done
"""
GONE = Missing("root", "a folder", "nothing there")


# --- one round trip for many runs
# -----------------------------------------------------------------------------------


@pytest.fixture(params=["local", "ssh"])
def station(request: pytest.FixtureRequest, remote: Path) -> Iterator[Workstation]:
    """Return a workstation whose root is `far`, over both hosts in turn."""
    host = "local" if request.param == "local" else str(request.getfixturevalue("sshd").host)
    opened = workstation.connect(host, str(remote), SETTINGS)
    yield opened
    opened.close()


def test_many_runs_are_polled_in_one_round_trip(station: Workstation, remote: Path) -> None:
    tags = ["run1", "run10", "run1_rerun4", "ended"]
    for day, tag in enumerate(tags, start=10):
        make_run(
            remote,
            tag=tag,
            stamp=f"2026-02-{day}_031500",
            change=None if tag == "ended" else _goes_on,
        )
    seen = station.take_host_snapshot([*tags, "nowhere"])
    assert station.round_trips == 1
    assert seen.folders == {
        documents(tag=tag, stamp=f"2026-02-{day}_031500").run_folder: tag == "ended"
        for day, tag in enumerate(tags, start=10)
    }
    for tag in tags:
        alone = station.take_run_snapshot(tag)
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


def test_a_poll_of_no_run_lists_nothing(station: Workstation) -> None:
    seen = station.take_host_snapshot([])
    assert (seen.folders, seen.run_snapshots) == ({}, {})
    assert abs(seen.clock - time.time()) < 60
    assert seen.processes


def test_only_folders_from_a_name_on_are_listed(station: Workstation, remote: Path) -> None:
    runs = remote / "audit/workstation_runs"
    for name in (
        run_folder("a", "2026-01-01_000000"),
        run_folder("b"),
        run_folder("b_2"),
        "notes",
        "2026-02-28 two words",
    ):
        (runs / name).mkdir(parents=True)
    put(runs / run_folder("a file"), b"")
    put(runs / run_folder("c") / "result.json", "{}")
    assert station.take_host_snapshot([], "2026-02-27_031500").folders == {
        run_folder("b"): False,
        run_folder("b_2"): False,
        run_folder("c"): True,
    }
    assert station.take_host_snapshot([], "2026-02-27_031501").folders == {}
    assert len(station.take_host_snapshot([]).folders) == 4


def test_a_clock_that_is_put_back_over_midnight_hides_no_gate_folder(
    station: Workstation, remote: Path
) -> None:
    made = documents(tag="run1", stamp="2026-03-01_001000")
    made.gate_stamp = "2026-02-28_231500"
    made.write(remote)
    seen = station.take_run_snapshot("run1")
    assert seen.gates == (made.gate_folder,)
    put(made.gate_dir(remote) / "late.csv", "late")
    assert station.take_run_snapshot("run1").settled != seen.settled
    make_run(
        remote,
        tag="run2",
        stamp="2026-01-01_001000",
        change=lambda other: setattr(other, "gate_stamp", "2025-12-31_1"),
    )
    assert station.take_run_snapshot("run2").gates == ("production_gates_2025-12-31_1",)


def test_the_longest_tags_go_in_parts(remote: Path) -> None:
    station = workstation.connect("local", str(remote), SETTINGS)
    tags = [f"{number:03d}{'_' * 125}" for number in range(150)]
    for tag in tags:
        (remote / f"audit/workstation_runs/{run_folder(tag)}").mkdir(parents=True)
    seen = station.take_host_snapshot(tags)
    assert station.round_trips == 2, "a hundred at once: a command has its longest length"
    assert list(seen.run_snapshots) == tags
    assert all(one.runs for one in seen.run_snapshots.values())


@pytest.mark.parametrize("tag", ["x;touch pwned", "../x", "x\n", ""])
def test_a_hostile_tag_reaches_no_shell(remote: Path, tag: str) -> None:
    station = workstation.connect("local", str(remote), SETTINGS)
    with pytest.raises(Usage):
        station.take_host_snapshot(["fine", tag])
    assert station.round_trips == 0


def test_a_root_that_is_not_there_is_missing(remote: Path) -> None:
    with pytest.raises(Missing, match="--remote-root"):
        workstation.connect("local", str(remote / "x"), SETTINGS).take_host_snapshot([])


# --- one workstation ---


def host_monitor(local: Path, **limits: float) -> HostMonitor:
    """Return the monitor of a workstation whose runs are found by the polls."""
    request = RunRequest(local, host="bench", remote_root="/root")
    station = FakeWorkstation(FakeClock(), {0: [busy("a"), busy("b")]})
    discovery = RunDiscovery(local)
    return HostMonitor(request, station.poll, Limits(**limits), 0.0, discovery)


def take(host: HostMonitor, answer: HostSnapshot | PostRunError, now: float) -> list[RunMonitor]:
    polled = host.take(answer, now)
    if isinstance(answer, HostSnapshot):
        host.add_new_runs(answer, now)
    return polled


def poll(host: HostMonitor, now: float) -> list[RunMonitor]:
    return take(host, host.begin_poll(now)(), now)


def test_the_first_poll_lists_runs_and_the_next_comes_at_once(local: Path) -> None:
    host = host_monitor(local)
    assert poll(host, 5.0) == []
    assert (sorted(host.monitors), host.due) == (["a", "b"], 5.0)
    polled = poll(host, 6.0)
    assert [monitor.current.state for monitor in polled] == [State.RUNNING, State.RUNNING]
    assert (host.due, host.is_polling) == (36.0, False)


def test_runs_that_have_ended_are_not_asked_about(local: Path) -> None:
    host = host_monitor(local)
    poll(host, 0.0)
    host.monitors["a"].end_with(GONE)
    assert [monitor.tag for monitor in poll(host, 1.0)] == ["b"]


def test_an_outage_is_that_of_all_runs_and_the_pauses_get_longer(local: Path) -> None:
    host = host_monitor(local, outage=500.0)
    poll(host, 0.0)
    poll(host, 1.0)
    pauses = []
    for now in (31.0, 100.0, 200.0):
        polled = take(host, OUTAGE, now)
        pauses.append(host.due - now)
        assert [monitor.current.state for monitor in polled] == [State.UNREACHABLE] * 2
    assert pauses[0] < pauses[1]
    assert host.error is None
    poll(host, 300.0)
    assert (host.monitors["a"].current.state, host.problem) == (State.RUNNING, None)
    take(host, OUTAGE, 400.0)
    take(host, OUTAGE, 901.0)
    assert host.error is OUTAGE


@pytest.mark.parametrize("error", [GONE, REJECTED])
def test_a_wrong_root_or_key_ends_the_first_contact_only(local: Path, error: PostRunError) -> None:
    first, later = host_monitor(local), host_monitor(local)
    take(first, error, 0.0)
    assert (first.error, first.is_rejected) == (error, True)
    poll(later, 0.0)
    take(later, error, 30.0)
    assert later.error is None, "it may be a disk that is away for a while"


def test_waiting_ends_with_the_run_where_only_one_is_monitored(local: Path) -> None:
    host = host_monitor(local, outage=100.0)
    assert host.seconds_left(0.0) == float("inf")
    take(host, Unreachable("bench", "an answer", "none"), 10.0)
    assert host.seconds_left(30.0) == 80.0
    request = RunRequest(local, tag="a")
    limits = Limits(deadline=50.0)
    monitor = RunMonitor(request, "a", limits, 0.0)
    alone = HostMonitor(request, host.poll, limits, 0.0, monitors={"a": monitor})
    assert (alone.seconds_left(20.0), alone.deadline) == (30.0, 50.0)


def test_a_real_workstation_is_polled_for_its_open_runs(remote: Path, local: Path) -> None:
    make_run(remote, tag="a", change=_goes_on)
    station = workstation.connect("local", str(remote), SETTINGS)
    request = RunRequest(local, remote_root=str(remote))
    discovery = RunDiscovery(local, datetime.min)  # noqa: DTZ901
    host = HostMonitor(request, station.take_host_snapshot, Limits(), 0.0, discovery)
    for now in (0.0, 1.0, 2.0):
        poll(host, now)
    assert host.monitors["a"].polls == 2
    assert station.round_trips == 3


def test_a_queued_job_is_monitored_before_it_has_a_folder(local: Path) -> None:
    host = host_monitor(local)
    jobs = (Job("1", "PENDING", tag="desk run"), Job("2", "FAILED", tag="c"), Job("3", "RUNNING"))
    snapshot = HostSnapshot(0.0, "+0000", {}, (), {}, Queue(jobs))
    host.add_new_runs(snapshot, 0.0)
    host.add_new_runs(snapshot, 1.0)
    assert list(host.monitors) == ["desk_run"]
    assert host.due == 0.0


def test_many_runs_are_one_query(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in counts how often it is asked; 250 runs take three round trips."""
    tools = tmp_path / "bin"
    put(tools / "squeue", SQUEUE)
    (tools / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    station = workstation.connect("local", str(remote), SETTINGS, "slurm")
    snapshot = station.take_host_snapshot([f"run{number}" for number in range(250)])
    assert (station.round_trips, (tmp_path / "calls").read_text()) == (3, "asked\n")
    queues = {id(one.queue) for one in snapshot.run_snapshots.values()}
    assert queues == {id(snapshot.queue)}
    unasked = workstation.connect("local", str(remote), SETTINGS)
    assert unasked.take_host_snapshot(["run1"]).queue is None
    assert (tmp_path / "calls").read_text() == "asked\n"
