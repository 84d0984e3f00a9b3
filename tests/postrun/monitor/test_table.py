"""The live table: which run stands where, and what it says."""

from pathlib import Path

from harness.fake_workstations import busy, complete, silent
from postrun.core.errors import Unreachable
from postrun.core.request import RunRequest
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import Limits
from postrun.monitor.table import table_lines
from postrun.remote.snapshots import RunSnapshot

LIMITS = Limits(grace=10.0)


def monitors_of(
    local: Path, name: str, **answers: RunSnapshot | Unreachable | None
) -> dict[str, RunMonitor]:
    """Return the monitors of runs that had this answer twice, at seconds 0 and 20."""
    request = RunRequest(local, host=name)
    monitors = {}
    for tag, answer in answers.items():
        monitors[tag] = RunMonitor(request, tag, LIMITS, 0.0)
        if answer is not None:
            for now in (0.0, 20.0):
                monitors[tag].take(answer, now)
    return monitors


def test_what_needs_a_person_comes_first_and_what_is_closed_last(local: Path) -> None:
    one = monitors_of(local, "a", done=complete("done"), going=busy("going"), fresh=None)
    other = monitors_of(local, "bench", dead=silent("dead"), gone=Unreachable("x", "y", "z"))
    one["done"].report(0, is_closing=True)
    head, *lines = table_lines(2, [*one.values(), *other.values()], 30.0)
    counts = "1 closed, 1 dead, 1 first poll, 1 running, 1 unreachable"
    assert head == f"2 workstations: {counts}; Ctrl-C detaches, the runs go on"
    assert lines == [
        "  bench  dead   dead          0:00:10  no process is left and there is no result.json",
        "  bench  gone   unreachable   0:00:30  the workstation does not answer",
        "  a      fresh  first poll             ",
        "  a      going  running       0:00:30  walk_forward, 1/3",
        "  a      done   closed        0:00:10  no result, audit not made",
    ]


def test_a_complete_run_waits_for_its_closing(local: Path) -> None:
    monitors = monitors_of(local, "bench", a=complete("a"))
    assert table_lines(1, monitors.values(), 20.0)[1].endswith("  its closing is next")


def test_a_run_whose_process_is_missing_shows_no_progress(local: Path) -> None:
    monitors = monitors_of(local, "bench", a=busy("a"))
    monitors["a"].take(silent("a"), 21.0)
    assert table_lines(1, monitors.values(), 21.0)[1].endswith("  no process was found")


def test_without_runs_there_is_a_headline_only() -> None:
    (line,) = table_lines(1, [], 0.0)
    assert line == "1 workstation: no unfinished run; Ctrl-C detaches, the runs go on"
