"""What a person sees of a monitor loop: a table of many runs, or one run with its log."""

import math
import time
from collections.abc import Sequence

from postrun.core import terminal
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import Screen, progress
from postrun.monitor.states import State
from postrun.monitor.table import duration, table_lines

_MOST_NAMES = 5  # of run folders in one line


class Display:
    """The display of many runs: a line for each change, below them the live table."""

    log_lines = 5  # the last lines of run.log that are shown when a run is dead
    shows_one_run = False  # whether lines need not say which run or workstation they are about

    def __init__(self, hosts: Sequence[HostMonitor], screen: Screen) -> None:
        self.hosts = hosts
        self.screen = screen
        is_quiet = terminal.is_quiet()
        self.is_live = screen.live and not is_quiet

    def show(self, message: str) -> None:
        """Write a line that stays, with the time; nothing with --quiet."""
        if not terminal.is_quiet():
            self.show_problem(message)

    def show_problem(self, message: str) -> None:
        """Write a line that stays, with the time: with --quiet, too."""
        text = terminal.plain(message)
        line = terminal.stamped(text)
        if line == text:  # without --verbose: the time of day is enough for a person
            line = f"{time.strftime('%H:%M:%S')} {text}"
        self.screen.show(line)

    def show_run(self, monitor: RunMonitor, message: str) -> None:
        """Write a line about a run."""
        if not self.shows_one_run:
            message = f"{monitor.host} {monitor.tag} {message}"
        self.show(message)

    def show_host(self, host: HostMonitor, message: str) -> None:
        """Write a line about a workstation. Of a single run, the run's own lines say enough."""
        if not self.shows_one_run:
            self.show(f"{host.request.host}{message}")

    def first_contact(self, host: HostMonitor) -> None:
        """Show how many runs there are, or that the workstation has not answered yet."""
        runs = terminal.counted(len(host.monitors), "unfinished run")
        message = f": {runs} to watch"
        if not host.has_answered:
            message = f" does not answer ({host.problem})"
        elif host.discovery and host.discovery.skipped_old_runs:
            skipped = terminal.counted(host.discovery.skipped_old_runs, "older run")
            message += f"; {skipped} left out: use --since or --all"
        self.show_host(host, message)

    def odd_runs(self, host: HostMonitor) -> None:
        """Show the run folders that are left out because of their names."""
        if not host.discovery or not host.discovery.odd_runs:
            return
        folders = [run.folder for run in reversed(host.discovery.odd_runs)]
        shown = ", ".join(folders[:_MOST_NAMES])
        if len(folders) > _MOST_NAMES:
            shown += f" and {len(folders) - _MOST_NAMES} more"
        reason = "a name without a decision tag that can be asked for"
        self.show_host(host, f": left out for {reason}: {shown}")

    def run_polled(self, monitor: RunMonitor) -> None:
        """Show a change of state, and the end of the log of a dead run."""
        if not monitor.has_changed:
            return
        current = monitor.current
        message = f"{monitor.state_name}: {current.message}"
        if monitor.problem:
            message += f" ({monitor.problem})"
        self.show_run(monitor, message)
        if current.state is State.DEAD and not terminal.is_quiet():
            log = monitor.log_tail.splitlines()
            for line in log[-self.log_lines :]:
                self.screen.show(terminal.plain(f"  | {line}"))

    def draw(self, now: float) -> None:
        """Show the live part. `now` is the monotonic clock in seconds."""
        if self.is_live:
            lines = self.live_lines(now)
            self.screen.draw([terminal.plain(line) for line in lines])

    def live_lines(self, now: float) -> list[str]:
        """Return the lines of the live part."""
        monitors: list[RunMonitor] = []
        for host in self.hosts:
            monitors += host.monitors.values()
        return table_lines(len(self.hosts), monitors, now)


class OneRunDisplay(Display):
    """The display of one run: its state, its progress, and the last lines of its log."""

    log_lines = 10
    shows_one_run = True
    _progress = ""

    def run_polled(self, monitor: RunMonitor) -> None:
        """Show a change of state or of the progress."""
        super().run_polled(monitor)
        previous = self._progress
        self._progress = ""
        if monitor.current.last_known in (State.RUNNING, State.STALLED):
            self._progress = progress(monitor.log_tail)
        # The live part shows it anyway.
        is_new = self._progress not in ("", previous)
        if is_new and not self.is_live:
            self.show(self._progress)

    def live_lines(self, now: float) -> list[str]:
        """Return the lines of the live part."""
        (host,) = self.hosts
        (monitor,) = host.monitors.values()
        current = monitor.current
        lines = [f"run {monitor.tag}: first poll"]
        if current.state:
            state = f"{current.state} for {duration(monitor, now)}"
            lines = [f"run {monitor.tag}: {state}: {current.message}"]
        if self._progress:
            lines.append(f"  {self._progress}")
        log = monitor.log_tail.splitlines()
        for line in log[-3:]:
            lines.append(f"  | {line}")
        activity = "polling"
        if monitor.has_ended:
            activity = "closing"
        elif not host.is_polling:
            seconds = max(0.0, host.due - now)
            activity = f"next poll in {math.ceil(seconds)} s"
        lines.append(f"{activity}; Ctrl-C detaches, the run goes on")
        return lines
