"""What a person sees: lines with the time, --quiet and --verbose, the live view of one run."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.fake_workstations import busy, silent
from postrun.core import terminal
from postrun.core.request import RunRequest
from postrun.monitor.display import Display, OneRunDisplay
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import Screen
from postrun.monitor.states import Limits


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    yield
    terminal.set_level(terminal.Level.NORMAL)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def monitor_of(local: Path) -> RunMonitor:
    return RunMonitor(RunRequest(local, host="bench"), "a", Limits(grace=1.0), 0.0)


def test_a_line_has_the_time_and_the_run(local: Path, out: io.StringIO) -> None:
    monitor = monitor_of(local)
    monitor.take(busy("a"), 0.0)
    Display([], Screen(out)).run_polled(monitor)
    assert re.fullmatch(r"\d\d:\d\d:\d\d bench a running: 1 process is running\n", out.getvalue())


def test_control_characters_are_shown_not_obeyed(out: io.StringIO) -> None:
    Display([], Screen(out)).show("a\x1b[31mred")
    assert out.getvalue().endswith(" a\\x1b[31mred\n")


def test_quiet_leaves_problems_only(local: Path, out: io.StringIO) -> None:
    terminal.set_level(terminal.Level.QUIET)
    display, monitor = Display([], Screen(out)), monitor_of(local)
    for now in (0.0, 2.0):
        monitor.take(silent("a"), now)
        display.run_polled(monitor)
    assert (monitor.has_ended, display.is_live, out.getvalue()) == (True, False, "")
    display.show_problem("an address that does not work")
    assert "an address that does not work" in out.getvalue()


def test_verbose_lines_have_the_date_once(out: io.StringIO) -> None:
    terminal.set_level(terminal.Level.VERBOSE)
    Display([], Screen(out)).show("closing")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ closing\n", out.getvalue())


def test_the_live_view_of_one_run(local: Path, out: io.StringIO) -> None:
    monitor = monitor_of(local)
    host = HostMonitor(
        monitor.request, lambda *_: NotImplemented, Limits(), 0.0, monitors={"a": monitor}
    )
    display = OneRunDisplay([host], Screen(out))
    host.begin_poll(0.0)
    end = "; Ctrl-C detaches, the run goes on"
    assert display.live_lines(1.0) == ["run a: first poll", f"polling{end}"]
    host.is_polling, host.due = False, 31.0
    monitor.take(busy("a"), 1.0)
    display.run_polled(monitor)
    assert display.live_lines(12.0) == [
        "run a: running for 0:00:11: 1 process is running",
        "  walk_forward, 1/3",
        "  | [walk_forward] 1/3",
        "  | second line",
        f"next poll in 19 s{end}",
    ]
