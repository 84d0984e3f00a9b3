"""Workstations that exist in a test only, and a clock that moves as far as the monitor waits.

    clock = FakeClock()
    bench = FakeWorkstation(clock, {0: [busy("a")], 60: [complete("a")], 300: OUTAGE})

The world of a workstation is a table: from which second on, which runs a poll reports. An exception
instead of a list is raised by the poll; HANGS never answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from postrun.core import run_names
from postrun.core.errors import PostRunError, Unreachable
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.loop import Answer, BackgroundPolls
from postrun.remote.snapshots import HostSnapshot, Process, RunSnapshot

BEGAN = "2026-02-27_031500"
NOON = datetime(2026, 2, 28, 12, 0, tzinfo=UTC)  # the workstation's own clock at second 0
OUTAGE = Unreachable("workstation bench", "an answer", "a network that is down")
HANGS = "hangs"
RESULT = '{"decision_tag": "a", "exit_code": 0}'


def run_folder(tag: str, stamp: str = BEGAN) -> str:
    return f"{stamp}_production_gates_{tag}"


def busy(tag: str, stamp: str = BEGAN, **changes: Any) -> RunSnapshot:
    """Return what a poll reports of a run with one process at work."""
    process = Process(70, 1, f"python run_production_gates.py --decision-tag {tag}")
    snapshot = RunSnapshot(
        boot_id="boot1",
        runs=(run_folder(tag, stamp),),
        has_context=True,
        preflight=None,
        data_quality=None,
        result=None,
        pid_file=None,
        processes=(process,),
        settled="s0",
        activity="a0",
        log_tail="[walk_forward] 1/3\nsecond line\n",
        gates=("production_gates_2026-02-27_031700",),
    )
    return replace(snapshot, **changes)


def silent(tag: str, stamp: str = BEGAN, **changes: Any) -> RunSnapshot:
    """Return what a poll reports of a run without a process and without a result."""
    return busy(tag, stamp, processes=(), **changes)


def complete(tag: str, stamp: str = BEGAN, **changes: Any) -> RunSnapshot:
    """Return what a poll reports of a run with a valid result and no process."""
    return busy(tag, stamp, **{"processes": (), "result": RESULT, **changes})


def absent(tag: str) -> RunSnapshot:
    """Return what a poll reports of a tag that has no run folder."""
    return busy(tag, runs=(), has_context=False, processes=(), gates=())


@dataclass
class FakeClock:
    """The monotonic clock of a test, in seconds."""

    time: float = 0.0


class FakeWorkstation:
    """A workstation whose answers are a table of moments."""

    def __init__(self, clock: FakeClock, world: dict[int, Any]) -> None:
        self.clock, self.world = clock, world
        self.poll_times: list[float] = []
        self.first_names: list[str] = []

    def poll(self, tags: Sequence[str], first_name: str) -> HostSnapshot:
        """Return what a poll of these tags reports now; the runs without a tag are listed only."""
        now = self.clock.time
        self.poll_times.append(now)
        self.first_names.append(first_name)
        reported = self.world[max(moment for moment in self.world if moment <= now)]
        if isinstance(reported, PostRunError):
            raise reported
        if reported == HANGS:
            raise _NoAnswerError
        by_tag = {_tag(snapshot): snapshot for snapshot in reported if snapshot.runs}
        folders: dict[str, bool] = {}
        processes: tuple[Process, ...] = ()
        for snapshot in by_tag.values():
            processes += snapshot.processes
            folders |= dict.fromkeys(snapshot.runs, snapshot.result is not None)
        asked = {tag: by_tag.get(tag, absent(tag)) for tag in tags}
        moment = NOON.timestamp() + now
        return HostSnapshot(moment, "+0000", folders, processes, asked)


class _NoAnswerError(Exception):
    """The poll never comes back."""


def _tag(snapshot: RunSnapshot) -> str:
    name = run_names.parse_run_name(snapshot.runs[-1])
    assert name is not None
    return name.tag


class FakePolls(BackgroundPolls):
    """Polls that take a fixed time of the fake clock; waiting moves that clock."""

    def __init__(self, clock: FakeClock, poll_seconds: float = 0.0) -> None:
        super().__init__()
        self.clock, self.poll_seconds = clock, poll_seconds
        self._under_way: list[Answer] = []
        self.waits = 0

    def now(self) -> float:
        return self.clock.time

    def start(self, host: HostMonitor) -> None:
        poll = host.begin_poll(self.now())
        answer: HostSnapshot | PostRunError
        try:
            answer = poll()
        except _NoAnswerError:
            return
        except PostRunError as error:
            answer = error
        self._under_way.append((host, answer, self.now() + self.poll_seconds))

    def wait(self, seconds: float) -> Answer | None:
        self.waits += 1
        assert self.waits < 5000, "the loop never ends"
        end = self.clock.time + seconds
        arrived = [answer for answer in self._under_way if answer[2] <= end]
        if not arrived:
            self.clock.time = end
            return None
        first = min(arrived, key=lambda answer: answer[2])
        self._under_way.remove(first)
        self.clock.time = max(self.clock.time, first[2])
        return first
