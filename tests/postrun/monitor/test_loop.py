"""The monitor loop with a fake clock and fake polls: one run, many runs, every way to end."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness.factory import put
from harness.fake_workstations import (
    HANGS,
    OUTAGE,
    FakeClock,
    FakePolls,
    FakeWorkstation,
    absent,
    busy,
    complete,
    run_folder,
    silent,
)
from postrun.core import locations
from postrun.core.errors import (
    AmbiguousRun,
    DeadlineReached,
    HostRejected,
    Invalid,
    Locked,
    Missing,
    PostRunError,
    RunDead,
    Unreachable,
    Usage,
)
from postrun.core.request import RunRequest
from postrun.monitor.discovery import RunDiscovery
from postrun.monitor.display import Display, OneRunDisplay
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.loop import MonitorLoop
from postrun.monitor.notify import Event, Notifier
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import Screen
from postrun.monitor.states import Limits, State

LOCKED = Locked("workspace.lock", "it free", "it held by another flow")
GONE = Missing("root of bench", "a folder", "nothing there")
REJECTED = HostRejected("workstation bench", "a login by key", "refused")


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)


class RecordingNotifier(Notifier):
    """A notifier that sends nothing and keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(Path(), (), print)
        self.titles: list[str] = []

    def notify(self, event: Event | None) -> None:
        if event:
            self.titles.append(event.title)

    def report_closing(self, _run: str, tag: str, exit_code: int) -> None:
        self.titles.append(f"closed {exit_code}: {tag}")


@dataclass
class Monitoring:
    """A loop over fake workstations, and what it did."""

    local: Path
    limits: Limits = field(default_factory=lambda: Limits(appear_timeout=600.0))
    once: bool = False
    dry_run: bool = False
    codes: Sequence[int | PostRunError] = (0,)  # of the closings, one after another; then the last
    closes: bool = True
    closing_seconds: float = 0.0
    poll_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.polls = FakePolls(self.clock, self.poll_seconds)
        self.notifier = RecordingNotifier()
        self.closings: list[tuple[float, str]] = []
        self.requests: list[RunRequest] = []
        self.lock_waits: list[float] = []
        self.stations: list[FakeWorkstation] = []
        self._out = io.StringIO()

    def close(self, request: RunRequest, wait: float) -> int:
        code = self.codes[min(len(self.closings), len(self.codes) - 1)]
        self.closings.append((self.clock.time, str(request.tag)))
        self.requests.append(request)
        self.lock_waits.append(wait)
        self.clock.time += self.closing_seconds
        if isinstance(code, PostRunError):
            raise code
        return code

    def monitor(self, world: dict[int, Any], tag: str = "a") -> RunMonitor:
        """Monitor one run to its end."""
        request = RunRequest(self.local, tag=tag, host="bench")
        station = FakeWorkstation(self.clock, world)
        self.stations = [station]
        monitor = RunMonitor(request, tag, self.limits, 0.0)
        host = HostMonitor(request, station.poll, self.limits, 0.0, monitors={tag: monitor})
        self._run([host], OneRunDisplay([host], Screen(self._out)))
        return monitor

    def watch(self, *worlds: dict[int, Any], everything: bool = False) -> list[str]:
        """Monitor the runs of bench0, bench1 ...; return the report rows, shortened, in order."""
        hosts, places = [], dict[str, list[str]]()
        since = datetime.min if everything else None  # noqa: DTZ901
        for number, world in enumerate(worlds):
            request = RunRequest(self.local, host=f"bench{number}", remote_root="/root")
            station = FakeWorkstation(self.clock, world)
            self.stations.append(station)
            discovery = RunDiscovery(self.local, since)
            hosts.append(HostMonitor(request, station.poll, self.limits, 0.0, discovery, places))
        self._run(hosts, Display(hosts, Screen(self._out)))
        return self.rows

    def _run(self, hosts: list[HostMonitor], display: Display) -> None:
        self.host = hosts[0]
        close = self.close if self.closes else None
        self.loop = MonitorLoop(hosts, display, close, 600.0, self.once, self.dry_run)
        self.loop.polls = self.polls
        self.loop.notifier = self.notifier
        self.finished = self.loop.run("resume with: this")

    @property
    def rows(self) -> list[str]:
        rows = self.loop.rows
        return [f"{row.exit_code} {row.state} {row.host} {row.tag or '-'}" for row in rows]

    @property
    def lines(self) -> list[str]:
        """Return what was shown, without the time of day."""
        lines = self._out.getvalue().splitlines()
        return [line if line.startswith("  | ") else line[9:] for line in lines]

    @property
    def out_lines(self) -> list[str]:
        return self._out.getvalue().splitlines()

    @property
    def poll_times(self) -> list[float]:
        return self.stations[0].poll_times


# --- one run: how it ends, and when it is polled
# ----------------------------------------------------

NONE = absent("a")
ENDS = {
    "complete": ({0: [busy("a")], 60: [complete("a")]}, {}, None, [0, 30, 60, 90]),
    "from nothing": ({0: [NONE], 30: [complete("a")]}, {}, None, [0, 30, 60]),
    "dead": ({0: [busy("a")], 30: [silent("a")]}, {}, RunDead, [0, 30, 60, 90]),
    "corrupt": ({0: [silent("a", result="{")]}, {}, Invalid, [0, 30, 60]),
    "never there": ({0: [NONE]}, {"appear_timeout": 45}, Missing, [0, 30, 45]),
    "deadline": ({0: [busy("a")]}, {"deadline": 45}, DeadlineReached, [0, 30, 45]),
    "the last poll decides": (
        {0: [busy("a")], 20: [complete("a")]},
        {"deadline": 55},
        None,
        [0, 30, 55],
    ),
    "deadline while a poll hangs": (
        {0: [busy("a")], 30: HANGS},
        {"deadline": 40},
        DeadlineReached,
        [0, 30],
    ),
    "appear timeout while a poll hangs": (
        {0: [NONE], 30: HANGS},
        {"appear_timeout": 40},
        Missing,
        [0, 30],
    ),
    "outage waited out": (
        {0: [busy("a")], 30: OUTAGE, 200: [complete("a")]},
        {},
        None,
        [0, 30, 60, 120, 180, 240, 270],
    ),
    "outage past its budget": (
        {0: [busy("a")], 30: OUTAGE},
        {"outage": 100},
        Unreachable,
        [0, 30, 60, 120, 130],
    ),
    "budget ends while a poll hangs": (
        {0: [busy("a")], 30: OUTAGE, 60: HANGS},
        {"outage": 50},
        Unreachable,
        [0, 30, 60],
    ),
    "half a result, then the whole": (
        {0: [busy("a")], 30: [silent("a", result="{")], 60: [complete("a")]},
        {},
        None,
        [0, 30, 60, 90],
    ),
    "a folder that is gone and comes back": (
        {0: [busy("a")], 30: [NONE], 60: [complete("a")]},
        {"appear_timeout": 60},
        None,
        [0, 30, 60, 90],
    ),
    "files that still change": (
        {0: [complete("a")], 30: [complete("a", settled="s1")]},
        {},
        None,
        [0, 30, 60],
    ),
    "a disk that is away for a while": (
        {0: [busy("a")], 30: GONE, 60: [complete("a")]},
        {},
        None,
        [0, 30, 60, 90],
    ),
}


@pytest.mark.parametrize(("world", "limits", "error", "times"), ENDS.values(), ids=ENDS)
def test_one_run_ends(
    local: Path,
    world: dict[int, Any],
    limits: dict[str, float],
    error: type[PostRunError] | None,
    times: list[float],
) -> None:
    monitoring = Monitoring(local, Limits(**limits))
    monitor = monitoring.monitor(world)
    assert (monitor.current.error_class, monitoring.poll_times) == (error, times)
    assert len(monitoring.closings) == (1 if error is None else 0)


def test_a_poll_that_hangs_gets_five_seconds_and_not_more(local: Path) -> None:
    monitoring = Monitoring(local, Limits(deadline=2))
    monitor = monitoring.monitor({0: HANGS})
    assert (monitor.current.error_class, monitoring.clock.time) == (DeadlineReached, 5.0)
    assert monitoring.poll_times == [0]
    assert monitor.problem == "workstation bench: expected an answer, found no answer in time"


def test_an_answer_after_its_time_is_no_answer(local: Path) -> None:
    monitoring = Monitoring(local, Limits(deadline=2), poll_seconds=6)
    assert monitoring.monitor({0: [busy("a")]}).current.state is State.UNREACHABLE


STAYS = {
    "running": ({0: [busy("a")]}, [0], State.RUNNING),
    "nothing there": ({0: [NONE]}, [0], State.WAITING),
    "no answer": ({0: OUTAGE}, [0], State.UNREACHABLE),
    "complete": ({0: [complete("a")]}, [0, 30], State.COMPLETE),
    "dead": ({0: [silent("a")]}, [0, 30, 60], State.DEAD),
    "not dead after all": ({0: [silent("a")], 30: [busy("a")]}, [0, 30], State.RUNNING),
    "another end": ({0: [silent("a")], 30: [complete("a")]}, [0, 30], State.SETTLING),
}


@pytest.mark.parametrize(("world", "times", "state"), STAYS.values(), ids=STAYS)
def test_once_stays_only_while_every_poll_points_to_the_same_end(
    local: Path, world: dict[int, Any], times: list[float], state: State
) -> None:
    monitoring = Monitoring(local, once=True)
    monitor = monitoring.monitor(world)
    assert (monitoring.poll_times, monitor.current.state) == (times, state)
    assert len(monitoring.closings) == (1 if state is State.COMPLETE else 0)


@pytest.mark.parametrize("snapshot", [busy("a"), silent("a"), complete("a"), NONE])
def test_a_dry_run_polls_once(local: Path, snapshot: Any) -> None:
    monitoring = Monitoring(local, dry_run=True)
    monitoring.monitor({0: [snapshot]})
    assert (monitoring.poll_times, monitoring.closings) == ([0], [])


def test_until_complete_closes_nothing(local: Path) -> None:
    monitoring = Monitoring(local, closes=False)
    assert monitoring.monitor({0: [complete("a")]}).current.state is State.COMPLETE
    assert (monitoring.closings, monitoring.notifier.titles) == ([], ["complete: a"])


@pytest.mark.parametrize("error", [GONE, REJECTED, Usage("remote root", "a path", "'a b'")])
def test_what_waiting_cannot_mend_ends_the_first_contact(local: Path, error: PostRunError) -> None:
    monitoring = Monitoring(local)
    monitor = monitoring.monitor({0: error})
    assert (monitoring.host.error, monitoring.host.is_rejected) == (error, True)
    assert (monitor.polls, monitoring.lines, monitoring.notifier.titles) == (0, [], [])


def test_a_closing_that_is_refused_is_not_tried_again(local: Path) -> None:
    monitoring = Monitoring(local, codes=[REJECTED])
    monitor = monitoring.monitor({0: [complete("a")]})
    assert len(monitoring.closings) == 1
    assert monitor.report_row is not None
    assert monitor.report_row.exit_code == 6


def test_a_closing_that_an_outage_stops_is_tried_again(local: Path) -> None:
    monitoring = Monitoring(local, codes=[6, 0])
    monitor = monitoring.monitor({0: [complete("a")]})
    assert len(monitoring.closings) == 2
    assert monitor.report_row is not None
    assert monitor.report_row.exit_code == 0


def test_a_workstation_that_is_down_at_first_is_waited_for(local: Path) -> None:
    monitoring = Monitoring(local)
    monitoring.monitor({0: OUTAGE, 60: [complete("a")]})
    assert monitoring.poll_times == [0, 30, 90, 120]
    assert not monitoring.host.is_rejected


def test_a_host_that_is_refused_later_gets_the_outage_budget(local: Path) -> None:
    """A host key that changes on the way is never trusted, and may be an outage of another kind."""
    monitoring = Monitoring(local, Limits(outage=50))
    monitor = monitoring.monitor({0: [busy("a")], 30: REJECTED})
    assert monitor.current.error_class is Unreachable
    assert monitoring.poll_times == [0, 30, 60, 80]
    assert monitoring.notifier.titles == ["unreachable: bench"]


def test_a_bug_in_a_poll_is_no_outage(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitoring = Monitoring(local)
    monkeypatch.setattr(monitoring.polls, "wait", lambda _: (monitoring.host, None, 0.0))
    with pytest.raises(RuntimeError, match="see its traceback above"):
        monitoring.monitor({0: HANGS})


def test_a_damaged_journal_ends_the_monitor(local: Path) -> None:
    put(local / locations.RUNS / run_folder("a") / "monitor_events.jsonl", '{"state": "run\n')
    monitor = Monitoring(local).monitor({0: [busy("a")]})
    assert isinstance(monitor.error, Invalid)


def test_one_run_is_shown_without_its_name_and_with_its_progress(local: Path) -> None:
    monitoring = Monitoring(local)
    log = "\n".join(f"line {number}" for number in range(20))
    monitoring.monitor({0: [busy("a")], 30: [silent("a", log_tail=log)]})
    first, progress, dead, *log_lines = monitoring.lines
    assert first == "running: 1 process is running"
    assert progress == "walk_forward, 1/3"
    assert dead == "dead: no process is left and there is no result.json"
    assert log_lines == [f"  | line {number}" for number in range(10, 20)]


# --- closings -------------------------------------------------------------------------------------

DONE = {0: [complete("a")]}


@pytest.mark.parametrize(
    ("codes", "limits", "times", "code"),
    [
        ([0], {}, [30], 0),
        ([1], {}, [30], 1),
        ([4], {}, [30], 4),
        ([6, 6, 0], {}, [30, 60, 120], 0),
        ([10, 0], {}, [30, 60], 0),
        ([6], {"outage": 100}, [30, 60, 120, 130], 6),
        ([6], {"deadline": 70}, [30, 60, 70], 6),
        ([LOCKED], {}, [30], 9),
    ],
)
def test_a_closing_is_tried_again_within_the_outage_budget(
    local: Path,
    codes: list[int | PostRunError],
    limits: dict[str, float],
    times: list[float],
    code: int,
) -> None:
    monitoring = Monitoring(local, Limits(**limits), codes=codes)
    monitor = monitoring.monitor(DONE)
    assert [moment for moment, _ in monitoring.closings] == times
    assert monitor.report_row is not None
    assert monitor.report_row.exit_code == code
    assert monitoring.poll_times == [0, 30], "a complete run is not polled again"
    assert monitoring.notifier.titles == ["complete: a", f"closed {code}: a"]
    delayed = [line for line in monitoring.lines if "not closed yet" in line]
    assert len(delayed) == len(times) - 1
    assert all(line.startswith("not closed yet (exit code ") for line in delayed)


def test_once_tries_a_closing_once(local: Path) -> None:
    monitoring = Monitoring(local, once=True, codes=[6])
    monitoring.monitor(DONE)
    assert (len(monitoring.closings), monitoring.lock_waits) == (1, [600.0])


@pytest.mark.parametrize(
    ("other_runs", "snapshot", "names_folder"),
    [
        ([], complete("a"), False),
        ([], complete("a", runs=(run_folder("a", "2026-02-20_000000"), run_folder("a"))), True),
        ([run_folder("a", "2026-02-20_000000")], complete("a"), True),
        ([run_folder("ba", "2026-02-20_000000")], complete("a"), False),
        ([run_folder("a")], complete("a"), False),
    ],
)
def test_the_folder_is_named_where_the_tag_is_not_enough(
    local: Path, other_runs: list[str], snapshot: Any, names_folder: bool
) -> None:
    for folder in other_runs:
        (local / locations.RUNS / folder).mkdir(parents=True)
    monitoring = Monitoring(local)
    monitoring.monitor({0: [snapshot]})
    (request,) = monitoring.requests
    expected = f"{locations.RUNS}/{run_folder('a')}" if names_folder else None
    assert (request.tag, request.run_dir_remote) == ("a", expected)


# --- many runs ------------------------------------------------------------------------------------


def test_runs_are_found_polled_and_closed_as_they_complete(local: Path) -> None:
    first = {0: [busy("a"), complete("b")], 60: [complete("a"), complete("b")]}
    second = {0: [], 30: [busy("c")], 90: [complete("c")]}
    monitoring = Monitoring(local)
    assert monitoring.watch(first, second) == [
        "0 closed bench0 b",
        "0 closed bench0 a",
        "0 closed bench1 c",
    ]
    assert monitoring.closings == [(30, "b"), (90, "a"), (120, "c")]
    # A new run is polled at once: one poll lists it, the next is about it.
    assert monitoring.stations[0].poll_times[:3] == [0, 0, 30]
    assert monitoring.stations[1].poll_times[:4] == [0, 30, 30, 60]
    assert monitoring.lines[:2] == [
        "bench0: 2 unfinished runs to watch",
        "bench1: 0 unfinished runs to watch",
    ]
    assert "bench0 a running: 1 process is running" in monitoring.lines
    assert "bench0 b closing" in monitoring.lines


def test_thirty_mixed_runs_are_one_poll_a_workstation_each_interval(local: Path) -> None:
    worlds = []
    for host in range(3):
        runs = [busy(f"busy{host}"), silent(f"dead{host}"), silent(f"bad{host}", result="{")]
        runs += [complete(f"done{host}{number}") for number in range(7)]
        ended = [complete(f"busy{host}"), *runs[1:]]
        worlds.append({0: runs, 90: ended})
    monitoring = Monitoring(local)
    rows = monitoring.watch(*worlds)
    counts = {
        word: sum(word in row for row in rows) for word in ("0 closed", "7 dead", "4 corrupt")
    }
    assert counts == {"0 closed": 24, "7 dead": 3, "4 corrupt": 3}
    for station in monitoring.stations:
        assert station.poll_times == [0, 0, 30, 60, 90, 120]


def test_nothing_to_do_ends_at_once(local: Path) -> None:
    monitoring = Monitoring(local)
    assert monitoring.watch({0: []}) == []
    assert monitoring.poll_times == [0]


def test_a_workstation_without_runs_is_asked_for_new_ones_while_others_have_some(
    local: Path,
) -> None:
    monitoring = Monitoring(local)
    monitoring.watch({0: [busy("a")], 100: [complete("a")]}, {0: [], 60: [complete("b")]})
    assert [tag for _, tag in monitoring.closings] == ["b", "a"]


def test_a_run_begun_again_under_its_tag_is_another_run(local: Path) -> None:
    again = complete("a", "2026-02-28_000000")
    first = {0: [silent("a"), busy("b")], 90: [again, busy("b")], 150: [again, complete("b")]}
    monitoring = Monitoring(local)
    assert monitoring.watch(first) == ["7 dead bench0 a", "0 closed bench0 a", "0 closed bench0 b"]


def test_old_runs_are_left_out_unless_all_are_asked_for(local: Path) -> None:
    world = {0: [complete("old", "2026-01-01_000000"), complete("new")]}
    monitoring = Monitoring(local)
    assert monitoring.watch(world) == ["0 closed bench0 new"]
    line = "bench0: 1 unfinished run to watch; 1 older run left out: use --since or --all"
    assert monitoring.lines[0] == line
    assert len(Monitoring(local).watch(world, everything=True)) == 2


def test_a_run_on_two_workstations_is_ambiguous_and_the_others_are_closed(local: Path) -> None:
    both = [busy("a"), complete("b")]
    monitoring = Monitoring(local)
    rows = monitoring.watch({0: both}, {0: [busy("a"), complete("c")]})
    assert sorted(rows) == [
        "0 closed bench0 b",
        "0 closed bench1 c",
        "5 unclear bench0 a",
        "5 unclear bench1 a",
    ]
    assert monitoring.notifier.titles.count("unclear: a") == 2
    ambiguous = [line for line in monitoring.lines if " a unclear: run folder " in line]
    assert len(ambiguous) == 2
    assert all("found it on bench0:/root and on bench1:/root" in line for line in ambiguous)
    assert monitoring.host.monitors["a"].current.error_class is AmbiguousRun


def test_a_copy_that_comes_later_ends_the_monitors_of_its_run_alone(local: Path) -> None:
    first = {0: [busy("a"), busy("b")], 90: [busy("a"), complete("b")]}
    monitoring = Monitoring(local)
    rows = monitoring.watch(first, {0: [], 60: [busy("a")]})
    assert sorted(rows) == ["0 closed bench0 b", "5 unclear bench0 a", "5 unclear bench1 a"]


def test_a_damaged_journal_ends_only_its_own_run(local: Path) -> None:
    put(local / locations.RUNS / run_folder("a") / "monitor_events.jsonl", '{"state": "run\n')
    monitoring = Monitoring(local)
    rows = monitoring.watch({0: [complete("a"), complete("b")]})
    assert rows == ["4 settling bench0 a", "0 closed bench0 b"]


def test_a_broken_ledger_ends_everything_and_keeps_the_rows(local: Path) -> None:
    monitoring = Monitoring(local)
    ledger = locations.workspace_path(local, "stage_ledger")

    def break_ledger(*_: object, **__: object) -> int:
        put(ledger, "{")
        return 0

    monitoring.close = break_ledger  # type: ignore[method-assign]
    world = {0: [complete("a"), busy("b")], 60: [complete("a"), busy("b"), busy("new")]}
    with pytest.raises(Invalid, match=r"stage_ledger\.jsonl"):
        monitoring.watch(world)
    assert monitoring.rows == ["0 closed bench0 a"]


def test_a_run_folder_that_is_gone_is_missing_in_the_end(local: Path) -> None:
    monitoring = Monitoring(local, Limits(appear_timeout=100))
    assert monitoring.watch({0: [busy("a")], 30: []}) == ["3 waiting bench0 a"]
    assert f"bench0 a waiting: run folder {run_folder('a')} is gone" in monitoring.lines


@pytest.mark.parametrize(
    ("world", "limits", "options", "rows"),
    [
        ({0: [busy("a")]}, {"deadline": 45}, {}, ["8 running bench0 a"]),
        ({0: [busy("a")], 30: OUTAGE}, {"deadline": 45}, {}, ["6 unreachable bench0 a"]),
        ({0: HANGS}, {"deadline": 2}, {}, ["8 not seen bench0 -"]),
        ({0: HANGS}, {"deadline": 2}, {"once": True}, ["6 not seen bench0 -"]),
        ({0: OUTAGE}, {}, {"once": True}, ["6 not seen bench0 -"]),
        ({0: [busy("a")]}, {}, {"once": True}, ["10 running bench0 a"]),
        ({0: [complete("a")]}, {}, {"dry_run": True}, ["10 settling bench0 a"]),
        ({0: GONE}, {}, {}, ["3 given up bench0 -"]),
        ({0: REJECTED}, {}, {}, ["6 given up bench0 -"]),
    ],
)
def test_the_row_says_why_a_run_is_not_waited_for(
    local: Path,
    world: dict[int, Any],
    limits: dict[str, float],
    options: dict[str, Any],
    rows: list[str],
) -> None:
    monitoring = Monitoring(local, Limits(**limits), **options)
    assert monitoring.watch(world) == rows
    assert monitoring.closings == []


def test_once_closes_what_is_complete_and_reports_the_rest(local: Path) -> None:
    monitoring = Monitoring(local, once=True)
    rows = monitoring.watch({0: [complete("a"), busy("b"), silent("c")]})
    assert sorted(rows) == ["0 closed bench0 a", "10 running bench0 b", "7 dead bench0 c"]


def test_a_workstation_that_is_down_does_not_hold_up_the_others(local: Path) -> None:
    monitoring = Monitoring(local, Limits(outage=100))
    rows = monitoring.watch({0: OUTAGE}, {0: [complete("a")]})
    assert rows == ["0 closed bench1 a", "6 given up bench0 -"]
    assert monitoring.closings == [(30, "a")]
    assert f"bench0 does not answer ({OUTAGE})" in monitoring.lines
    assert f"bench0: given up ({OUTAGE})" in monitoring.lines


def test_a_login_that_is_refused_does_not_hold_up_the_other_workstation(local: Path) -> None:
    monitoring = Monitoring(local)
    rows = monitoring.watch({0: REJECTED}, {0: [complete("a")]})
    assert rows == ["6 given up bench0 -", "0 closed bench1 a"]


def test_an_outage_is_one_notification_for_all_runs_of_the_workstation(local: Path) -> None:
    monitoring = Monitoring(local, Limits(outage=100))
    rows = monitoring.watch({0: [busy("a"), busy("b")], 30: OUTAGE})
    assert rows == [
        "6 unreachable bench0 a",
        "6 unreachable bench0 b",
        "6 given up bench0 -",
    ]
    assert monitoring.notifier.titles == ["unreachable: bench0"]


# --- many runs: locks and closings
# ------------------------------------------------------------------


def test_a_held_lock_loses_no_run_and_lets_the_others_go_first(local: Path) -> None:
    monitoring = Monitoring(local, codes=[LOCKED, 0])
    rows = monitoring.watch({0: [complete("a", "2026-02-26_000000"), complete("b")]})
    assert [tag for _, tag in monitoring.closings] == ["a", "b", "a"]
    assert rows == ["0 closed bench0 b", "0 closed bench0 a"]
    assert monitoring.lock_waits == [60.0, 60.0, 60.0], "the other runs are polled meanwhile"


def test_a_lock_that_is_held_to_the_deadline_is_its_own_code(local: Path) -> None:
    monitoring = Monitoring(local, limits=Limits(deadline=100), codes=[LOCKED])
    assert monitoring.watch(DONE) == ["9 complete bench0 a"]
    assert [moment for moment, _ in monitoring.closings] == [30, 60, 90, 100]
    assert monitoring.lock_waits == [60.0, 60.0, 60.0, 600.0]


def test_a_closing_that_is_always_cut_off_holds_up_no_other(local: Path) -> None:
    monitoring = Monitoring(local, limits=Limits(outage=100), codes=[6, 0, 6])
    rows = monitoring.watch({0: [complete("cut", "2026-02-26_000000"), complete("b")]})
    assert rows == ["0 closed bench0 b", "6 complete bench0 cut"]
    assert [tag for _, tag in monitoring.closings][:3] == ["cut", "b", "cut"]


def test_a_closing_that_fails_does_not_stop_the_others(local: Path) -> None:
    monitoring = Monitoring(local, codes=[4, 0])
    rows = monitoring.watch({0: [complete("a", "2026-02-26_000000"), complete("b")]})
    assert rows == ["4 complete bench0 a", "0 closed bench0 b"]
    assert monitoring.loop.rows[0].message.startswith("its closing ended with exit code 4; ")


def test_answers_that_arrive_during_a_long_closing_are_taken_with_their_own_time(
    local: Path,
) -> None:
    monitoring = Monitoring(local, closing_seconds=200.0, poll_seconds=1.0)
    rows = monitoring.watch({0: [complete("a")]}, {0: [busy("b")], 32: [silent("b")]})
    assert rows == ["0 closed bench0 a", "7 dead bench1 b"]


def test_a_run_that_ends_while_another_is_closed_is_next(local: Path) -> None:
    monitoring = Monitoring(local, closing_seconds=100.0)
    monitoring.watch({0: [complete("a"), busy("b")], 40: [complete("a"), complete("b")]})
    assert monitoring.closings == [(30, "a"), (160, "b")]


def test_detaching_counts_what_is_not_closed(local: Path) -> None:
    monitoring = Monitoring(local)

    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monitoring.close = interrupt  # type: ignore[method-assign]
    monitoring.watch({0: [complete("a"), busy("b")]})
    assert not monitoring.finished
    assert monitoring.out_lines[-1] == "detached: 2 runs not closed yet; resume with: this"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_part_is_drawn_while_nothing_happens(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    drawn: list[list[str]] = []
    draw: Callable[..., None] = lambda _, lines: drawn.append(list(lines))  # noqa: E731
    monkeypatch.setattr(Screen, "draw", draw)
    monitoring = Monitoring(local, Limits(interval=2, deadline=4))
    monitoring._out = Terminal()
    monitoring.watch({0: [busy("a")]})
    assert len(drawn) >= 8, "twice a second"
    assert drawn[-1][0] == "1 workstation: 1 running; Ctrl-C detaches, the runs go on"
