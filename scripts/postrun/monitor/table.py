"""The live table of many runs."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from postrun.core.terminal import columns, counted, padded
from postrun.monitor.run_monitor import CLOSED, RunMonitor
from postrun.monitor.screen import progress
from postrun.monitor.states import State

_SHOWN_FIRST = ("dead", "corrupt", "unreachable", "stalled")


def table_lines(
    hosts: int,
    monitors: Iterable[RunMonitor],
    now: float,
) -> list[str]:
    """Return the live table, worst run first: it is cut where the terminal ends.

    `hosts` is the number of workstations, `now` the monotonic clock in seconds.
    """
    monitors = sorted(monitors, key=_place)
    counts = Counter(map(_state, monitors))
    states = []
    for state in sorted(counts):
        states.append(f"{counts[state]} {state}")
    summary = ", ".join(states) or "no unfinished run"
    workstations = counted(hosts, "workstation")
    lines = [f"{workstations}: {summary}; Ctrl-C detaches, the runs go on"]
    host_width = 0
    tag_width = 0
    for monitor in monitors:
        host_width = max(host_width, columns(monitor.host))
        tag_width = max(tag_width, columns(monitor.tag))
    for monitor in monitors:
        name = f"{padded(monitor.host, host_width)}  {padded(monitor.tag, tag_width)}"
        state = f"{_state(monitor):<11}  {duration(monitor, now):>8}"
        lines.append(f"  {name}  {state}  {_activity(monitor)}")
    return lines


def duration(monitor: RunMonitor, now: float) -> str:
    """Return for how long a run has been in its state; empty before the first poll."""
    current = monitor.current
    if current.state is None:
        return ""
    seconds = int(now - current.state_since)
    return str(timedelta(seconds=seconds))


def _place(monitor: RunMonitor) -> tuple[bool, bool, str, str]:
    """Return the place in the table: what needs a person on top, what is closed below."""
    needs_nobody = monitor.current.state not in _SHOWN_FIRST
    is_closed = _state(monitor) == CLOSED
    return needs_nobody, is_closed, monitor.host, monitor.tag


def _state(monitor: RunMonitor) -> str:
    if monitor.report_row:
        return monitor.report_row.state
    return str(monitor.current.state or "first poll")


def _activity(monitor: RunMonitor) -> str:
    """Return what a run is doing, or what became of it."""
    current = monitor.current
    if monitor.report_row:
        return monitor.report_row.message
    if current.state is State.COMPLETE:
        return "its closing is next"
    if current.state is State.RUNNING and not current.pending:
        shown = progress(monitor.log_tail)
        return shown or current.message
    return current.message
