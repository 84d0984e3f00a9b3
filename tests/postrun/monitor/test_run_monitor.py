"""The monitor of one run: polls and outages, its journal, and when a closing is tried again."""

import json
import math
from pathlib import Path

import pytest

from harness.factory import put
from harness.fake_workstations import busy, complete, run_folder, silent
from postrun.core import locations
from postrun.core.errors import AmbiguousRun, Invalid, Unreachable, Usage
from postrun.core.request import RunRequest
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import Limits, State

OUTAGE = Unreachable("bench", "an answer", "a dead line")


def monitor_of(local: Path, limits: Limits | None = None, pattern: str | None = None) -> RunMonitor:
    request = RunRequest(local, host="bench")
    return RunMonitor(request, "a", limits or Limits(), started_at=0.0, pattern=pattern)


def journal(local: Path) -> Path:
    return local / locations.RUNS / run_folder("a") / "monitor_events.jsonl"


def test_a_monitor_takes_in_polls_and_outages(local: Path) -> None:
    monitor = monitor_of(local)
    monitor.take(busy("a"), 0.0)
    assert monitor.has_changed
    monitor.take(busy("a"), 30.0)
    assert not monitor.has_changed
    monitor.take(OUTAGE, 60.0)
    assert monitor.has_changed
    assert monitor.current.state is State.UNREACHABLE
    assert monitor.problem == "bench: expected an answer, found a dead line"
    assert monitor.snapshot == busy("a"), "the last answer is kept"
    monitor.take(OUTAGE, 90.0)
    assert not monitor.has_changed
    monitor.take(busy("a"), 120.0)
    assert monitor.has_changed
    assert (monitor.problem, monitor.polls) == ("", 5)
    lines = journal(local).read_text().splitlines()
    states = [json.loads(line)["state"] for line in lines]
    assert states == ["running", "unreachable", "running"]


def test_what_an_outage_says_of_the_network_stays_out_of_the_journal(local: Path) -> None:
    monitor = monitor_of(local)
    monitor.take(busy("a"), 0.0)
    secret = "/home/hui/.ssh/id_ed25519 refused"
    monitor.take(Unreachable("bench.example", "a key", secret), 30.0)
    assert "hui" not in journal(local).read_text()


def test_a_journal_that_cannot_be_written_now_is_written_later(local: Path) -> None:
    """A disk that is full for a moment must not end the monitor of a run that goes on for hours."""
    folder = journal(local).parent
    put(folder, "a file where a folder belongs")
    monitor = monitor_of(local)
    monitor.take(busy("a"), 0.0)
    assert monitor.current.error_class is None
    assert "monitor_events.jsonl: expected a place that can be written to" in monitor.problem
    folder.unlink()
    monitor.take(busy("a"), 30.0)
    assert (len(journal(local).read_text().splitlines()), monitor.problem) == (1, "")


def test_a_damaged_journal_is_an_error(local: Path) -> None:
    put(journal(local), '{"state": "run\n')
    with pytest.raises(Invalid, match=r"monitor_events\.jsonl:1: expected a JSON document"):
        monitor_of(local).take(busy("a"), 0.0)


def test_a_pattern_that_is_none_is_wrong_usage(local: Path) -> None:
    with pytest.raises(Usage, match="--process-pattern"):
        monitor_of(local, pattern="(").take(busy("a"), 0.0)


def test_whether_every_poll_points_to_the_same_end(local: Path) -> None:
    monitor = monitor_of(local)
    monitor.take(silent("a"), 0.0)
    assert monitor.points_to_end
    monitor.take(complete("a"), 30.0)
    assert not monitor.points_to_end, "the first poll pointed to another end"


def test_a_run_on_two_workstations_has_no_state(local: Path) -> None:
    monitor = monitor_of(local)
    assert monitor.state_name == "not seen"
    monitor.end_with(AmbiguousRun("run folder a", "it on one workstation", "it on two"))
    row = monitor.report(5)
    assert (row.state, row.exit_code, monitor.has_ended) == ("unclear", 5, True)
    assert row.message == "run folder a: expected it on one workstation, found it on two"


def test_the_row_of_a_closing_says_what_came_of_it(local: Path) -> None:
    monitor = monitor_of(local)
    monitor.take(complete("a"), 0.0)
    closed = monitor.report(1, is_closing=True)
    assert (closed.state, closed.message) == ("closed", "no result, audit not made")
    stopped = monitor.report(4, is_closing=True)
    expected = "its closing ended with exit code 4; no result, audit not made"
    assert (stopped.state, stopped.message) == ("settling", expected)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 7, 8, 9])
def test_a_closing_that_would_get_no_further_is_not_retry_delay(local: Path, code: int) -> None:
    assert monitor_of(local).retry_delay(code, 100.0) is None


@pytest.mark.parametrize("code", [6, 10])
def test_a_closing_is_put_off_longer_and_longer_within_the_outage_budget(
    local: Path, code: int
) -> None:
    monitor = monitor_of(local, Limits(interval=10.0, outage=300.0))
    pauses = [
        monitor.retry_delay(code, now)
        for now in (100.0, 120.0, 150.0, 200.0, 300.0, 390.0, 400.0, 900.0)
    ]
    first, second, third, *_, short = [rest for rest in pauses if rest is not None]
    assert 7.5 <= first <= 12.5
    assert 15 <= second <= 25
    assert 30 <= third <= 50
    assert short == 10.0, "not past the end of the budget, which began with the first"
    assert pauses[-2:] == [None, None]


def test_a_deadline_ends_it_too(local: Path) -> None:
    monitor = monitor_of(local, Limits(outage=math.inf, deadline=50.0))
    assert monitor.retry_delay(6, 49.0) == 1.0
    assert monitor.retry_delay(6, 50.0) is None
