"""The monitor loop: polls workstations, reports what changes, and closes each run as it completes.

One loop for one run and for many. What differs is handed in: the workstations with the runs to
monitor, how long to stay, what to show, and the function that closes a run.
"""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from postrun.core import terminal
from postrun.core.errors import (
    DeadlineReached,
    HostRejected,
    Locked,
    NotFinished,
    PostRunError,
    Unreachable,
)
from postrun.monitor import notify
from postrun.monitor.display import Display
from postrun.monitor.host_monitor import HostAnswer, HostMonitor
from postrun.monitor.prometheus import PrometheusFile
from postrun.monitor.report import ReportRow
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import State
from postrun.remote.snapshots import HostSnapshot

LAST_POLL = 5.0  # seconds that a poll gets in any case: the last one decides
_TICK = 0.5  # seconds between two drawings of the live part
_LONGEST_SLEEP = 60.0
# Seconds that a closing waits for a lock of another process, where other runs are to be polled.
_LONGEST_LOCK_WAIT = 60.0

# Closes a run: copies it and does every later step, in this process. Arguments: the request, and
# `wait`, the seconds to wait for a lock that another process holds. Returns the exit code.
Close = Callable[..., int]
# A workstation, what it answered (None: a bug), and when, by the monotonic clock.
Answer = tuple[HostMonitor, HostAnswer | None, float]
CompleteRun = tuple[HostMonitor, RunMonitor]


class BackgroundPolls:
    """Polls in threads, so that neither Ctrl-C nor a deadline has to wait for a network."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def now(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    def start(self, host: HostMonitor) -> None:
        """Start a poll of a workstation."""
        poll = host.begin_poll(self.now())

        def wait_for_answer() -> None:
            answer: HostAnswer | None = None
            try:
                answer = poll()
            except PostRunError as error:
                answer = error
            finally:
                self._answers.put((host, answer, self.now()))

        threading.Thread(target=wait_for_answer, daemon=True).start()

    def wait(self, seconds: float) -> Answer | None:
        """Return the next answer; None when none comes within so many seconds."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None


@dataclass
class MonitorLoop:
    """Monitors runs until each has ended or its time is up. `rows` report how each ended."""

    hosts: Sequence[HostMonitor]  # one with `discovery` is asked for new runs as well
    display: Display
    close: Close | None  # None: complete runs are not closed
    lock_wait: float
    once: bool = False  # end after one poll, or when the end that it points to is confirmed
    dry_run: bool = False  # end after one poll
    polls: BackgroundPolls = field(default_factory=BackgroundPolls)
    rows: list[ReportRow] = field(default_factory=list)
    metrics: PrometheusFile | None = None  # None: nobody asked for them
    _to_close: deque[CompleteRun] = field(default_factory=deque)
    # No closing begins before this moment. There is one for all runs: what made one closing fail, a
    # lock of the workspace or the network, would make the next one fail as well.
    _next_closing: float = -math.inf

    def __post_init__(self) -> None:
        # Without waiting for runs that have not ended.
        self._stops_early = self.once or self.dry_run
        root = self.hosts[0].request.root
        self.notifier = notify.notifier_for(root, self.display.show_problem)

    def run(self, resume: str) -> bool:
        """Monitor until nothing is left to wait for. Return whether nobody pressed Ctrl-C.

        `resume` says how to go on after that. Raises Invalid for a broken ledger.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            unclosed = len(self._to_close)
            for host in self.hosts:
                unclosed += len(host.active_monitors)
            message = f"detached: {terminal.counted(unclosed, 'run')} not closed yet; {resume}"
            self.display.screen.show(terminal.plain(message))
            return False
        finally:
            self._write_metrics(is_active=False)
            self.display.screen.clear()
            self.notifier.close()
        return True

    def _run(self) -> None:
        """Poll, report and close until nothing is left to wait for."""
        self._write_metrics()
        while self._to_close or not all(map(self._is_done, self.hosts)):
            now = self.polls.now()
            for host in self.hosts:
                if self._may_poll(host) and host.due <= now:
                    self.polls.start(host)
            seconds = self._seconds_to_sleep()
            answer = self.polls.wait(seconds)
            if answer:
                self._take(*answer)
            else:
                # Only when no answer has arrived: those that arrive during a closing, which may
                # take minutes, are processed after it.
                self._end_late_polls()
                self._close_next()
            self.display.draw(self.polls.now())
        for host in self.hosts:
            self._report_unended_runs(host)

    # --- when to poll, and how long ---

    def _is_done(self, host: HostMonitor) -> bool:
        """Return whether nothing is left to wait for at a workstation."""
        if host.has_ended:
            return True
        if self._stops_early and host.problem:
            return True
        if host.discovery and not host.has_answered:
            return False  # it is not known yet which runs there are
        return not any(map(self._needs_poll, host.monitors.values()))

    def _needs_poll(self, monitor: RunMonitor) -> bool:
        """Return whether a run has to be polled again."""
        if monitor.has_ended:
            return False
        if not self._stops_early or monitor.polls == 0:
            return True
        return monitor.points_to_end and not self.dry_run

    def _may_poll(self, host: HostMonitor) -> bool:
        """Return whether a workstation may be polled again.

        One whose runs have all ended is still asked for new ones while other workstations have
        some.
        """
        if host.is_polling:
            return False
        if host.discovery and not self._stops_early:
            return True
        return not self._is_done(host)

    def _seconds_to_sleep(self) -> float:
        """Return the seconds until something has to be done, unless an answer comes before."""
        now = self.polls.now()
        longest = _TICK if self.display.is_live else _LONGEST_SLEEP
        moments = [now + longest]
        for host in self.hosts:
            if host.is_polling:
                moments.append(_end_of_poll(host, now))
            elif self._may_poll(host):
                moments.append(host.due)
        if self._to_close:
            moments.append(self._next_closing)
        return max(0.0, min(moments) - now)

    # --- answers ---

    def _end_late_polls(self) -> None:
        now = self.polls.now()
        for host in self.hosts:
            if host.is_polling and _end_of_poll(host, now) <= now:
                thing = f"workstation {host.request.host}"
                error = Unreachable(thing, "an answer", "no answer in time")
                self._take(host, error, now)

    def _take(
        self,
        host: HostMonitor,
        answer: HostAnswer | None,
        now: float,
    ) -> None:
        """Process an answer: report and notify what has changed, and start what is new."""
        if answer is None:
            raise RuntimeError("a poll failed with a bug in this program; see its traceback above")
        if not host.is_polling:
            return  # too late: it was counted as no answer
        is_first_contact = not host.has_answered
        for monitor in host.take(answer, now):
            self.display.run_polled(monitor)
            if monitor.has_changed or monitor.has_ended:
                event = notify.state_event(monitor.host, monitor.tag, monitor.current)
                self.notifier.notify(event)
            if monitor.has_ended:
                self._end_run(host, monitor)
        if isinstance(answer, HostSnapshot):
            host.add_new_runs(answer, now)
        if is_first_contact and not host.is_rejected:
            self.display.first_contact(host)
        if isinstance(answer, HostSnapshot):
            self.display.odd_runs(host)
        if host.error:
            self._give_up(host, host.error)
        self._write_metrics()

    def _write_metrics(self, is_active: bool = True, is_closing: bool = False) -> None:
        """Write what is known now into the file for Prometheus, where one was asked for."""
        if self.metrics:
            self.metrics.write(self.polls.now(), is_active, is_closing)

    def _end_run(self, host: HostMonitor, monitor: RunMonitor) -> None:
        """Report a run that has ended; put a complete one into the queue of closings instead."""
        error_class = monitor.current.error_class
        if error_class is DeadlineReached and host.problem:
            error_class = Unreachable
        if error_class:
            row = monitor.report(error_class.exit_code)
            self.rows.append(row)
        elif self.close:
            self._to_close.append((host, monitor))

    def _give_up(self, host: HostMonitor, error: PostRunError) -> None:
        """Report a workstation that is not polled any more: one event for all its runs."""
        lost_runs = []
        for monitor in host.monitors.values():
            state = monitor.current.state
            if state is State.UNREACHABLE and monitor.run:
                lost_runs.append(monitor.run)
        name = host.request.host
        # A login that is refused at the first contact, which is a subclass of Unreachable, or a
        # root that does not exist is a mistake of the person who sits there, not an outage.
        if host.has_answered or type(error) is Unreachable:
            event = notify.outage_event(name, lost_runs)
            self.notifier.notify(event)
        self.display.show_host(host, f": given up ({error})")
        row = ReportRow(name, "given up", str(error), error.exit_code)
        self.rows.append(row)

    def _report_unended_runs(self, host: HostMonitor) -> None:
        """Report the runs that had not ended when the loop did, and a host that never answered."""
        code = DeadlineReached.exit_code
        host_code = code
        if self._stops_early:
            code = NotFinished.exit_code
            host_code = Unreachable.exit_code
        if not host.has_answered and not host.error:
            row = ReportRow(host.request.host, "not seen", str(host.problem), host_code)
            self.rows.append(row)
        if host.problem:
            reason = host.error or Unreachable
            code = reason.exit_code
        for monitor in host.active_monitors:
            row = monitor.report(code)
            self.rows.append(row)

    # --- closings ---

    def _close_next(self) -> None:
        """Close the first run of the queue, if it is time. Polls that have begun go on meanwhile.

        A run that could not be closed goes to the end of the queue when another try may help.
        """
        if not self.close or not self._to_close:
            return
        if self.polls.now() < self._next_closing:
            return
        self._write_metrics(is_closing=True)
        self._close_first(self.close)
        self._write_metrics()

    def _close_first(self, close: Close) -> None:
        """Close the first run of the queue; it leaves the queue, or goes to its end."""
        # It leaves the queue only afterwards: Ctrl-C during its closing counts it as not closed.
        host, monitor = self._to_close[0]
        self.display.show_run(monitor, "closing")
        self.display.screen.clear()
        is_late = self.polls.now() >= host.deadline
        is_last_try = self._stops_early or is_late
        # Where many runs are monitored, the others are polled again while a lock is held.
        retries_locks = host.discovery and not is_last_try
        lock_wait = self.lock_wait
        if retries_locks:
            lock_wait = min(lock_wait, _LONGEST_LOCK_WAIT)
        request = host.closing_request(monitor)
        problem = ""
        try:
            code = close(request, wait=lock_wait)
        except PostRunError as error:
            problem = str(error)
            terminal.error(problem)
            code = error.exit_code
            # No waiting mends a shell that rsync refuses: there is no other try.
            is_last_try = is_last_try or isinstance(error, HostRejected)
        self._to_close.popleft()

        now = self.polls.now()
        delay = monitor.retry_delay(code, now)
        if retries_locks and code == Locked.exit_code:
            delay = host.limits.interval
        if delay is None or is_last_try:
            self.notifier.report_closing(monitor.run, monitor.tag, code)
            row = monitor.report(code, is_closing=True, problem=problem)
            self.rows.append(row)
            return
        next_try = f"next attempt in {math.ceil(delay)} s"
        self.display.show_run(monitor, f"not closed yet (exit code {code}); {next_try}")
        self._to_close.append((host, monitor))
        self._next_closing = min(now + delay, host.deadline)


def _end_of_poll(host: HostMonitor, now: float) -> float:
    """Return the moment from which on a poll that is under way is not waited for."""
    end_of_waiting = now + host.seconds_left(now)
    return max(host.polled_at + LAST_POLL, end_of_waiting)
