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
from dataclasses import dataclass

from postrun.core import terminal
from postrun.core.errors import DeadlineReached, Locked, NotFinished, PostRunError, Unreachable
from postrun.monitor import notify
from postrun.monitor.display import Display
from postrun.monitor.host_monitor import HostAnswer, HostMonitor
from postrun.monitor.report import ReportRow, counted
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import State
from postrun.remote.snapshots import HostSnapshot

LAST_POLL = 5.0  # seconds that a poll gets in any case: the last one decides
_TICK = 0.5  # seconds between two drawings of the live part
_LONGEST_SLEEP = 60.0
_LOCK_HOLD = 60.0  # seconds at most for which a held lock keeps other runs from being polled

# Closes a run: request, `wait` (seconds, for a lock). Returns the exit code.
Close = Callable[..., int]
# A workstation, what it answered (None: a bug), and when, by the monotonic clock.
Answer = tuple[HostMonitor, HostAnswer | None, float]


class BackgroundPolls:
    """Polls in threads, so that neither Ctrl-C nor a deadline has to wait for a network."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def now(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    def start(self, host: HostMonitor) -> None:
        """Begin a poll of a workstation."""
        poll = host.begin_poll(self.now())
        threading.Thread(target=self._poll, args=(host, poll), daemon=True).start()

    def _poll(self, host: HostMonitor, poll: Callable[[], HostSnapshot]) -> None:
        answer: HostAnswer | None = None
        try:
            answer = poll()
        except PostRunError as error:
            answer = error
        finally:
            self._answers.put((host, answer, self.now()))

    def wait(self, seconds: float) -> Answer | None:
        """Return the next answer; None when none comes within so many seconds."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None


@dataclass(frozen=True)
class LoopOptions:
    """How long a loop stays, and how it closes runs."""

    once: bool = False  # stay only for a run whose every poll points to the same end
    dry_run: bool = False  # one poll, whatever it points to
    lock_wait: float = 600.0


class MonitorLoop:
    """Monitors runs until each has ended, or waiting has. `rows` hold what became of each."""

    def __init__(
        self,
        hosts: Sequence[HostMonitor],
        options: LoopOptions,
        close: Close | None,  # None: complete runs are not closed
        display: Display,
        polls: BackgroundPolls,
    ) -> None:
        self.hosts, self.options, self.display = hosts, options, display
        self.rows: list[ReportRow] = []
        self.notifier = notify.notifier_for(hosts[0].request.root, display.show_problem)
        self._polls, self._close = polls, close
        self._stops_early = options.once or options.dry_run  # a run that goes on is not waited for
        self._complete: deque[tuple[HostMonitor, RunMonitor]] = deque()  # not closed yet
        self._next_closing = -math.inf

    def run(self, resume: str) -> bool:
        """Monitor until nothing is left to wait for. Return whether nobody pressed Ctrl-C.

        `resume` says how to go on after that. Raises Invalid for a broken ledger.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            unclosed = len(self._complete) + sum(len(host.open_monitors) for host in self.hosts)
            message = f"detached: {counted(unclosed, 'run')} not closed yet; {resume}"
            self.display.screen.show(terminal.plain(message))
            return False
        finally:
            self.display.screen.clear()
            self.notifier.close()
        return True

    def _run(self) -> None:
        """Poll, report and close until nothing is left to wait for."""
        while self._complete or not all(map(self._is_done, self.hosts)):
            for host in self.hosts:
                if self._may_poll(host) and host.due <= self._polls.now():
                    self._polls.start(host)
            answer = self._polls.wait(self._seconds_to_sleep())
            if answer is not None:
                self._take(*answer)
            else:
                # Only when nothing has arrived: a closing takes long, and keeps no answer waiting.
                self._end_late_polls()
                self._close_next()
            self.display.draw(self._polls.now())
        for host in self.hosts:
            self._report_open_runs(host)

    # --- when to poll, and how long ---

    def _is_done(self, host: HostMonitor) -> bool:
        """Return whether nothing is left to wait for at a workstation."""
        if host.due == math.inf or (self._stops_early and host.problem is not None):
            return True
        knows_its_runs = host.has_answered or host.discovery is None
        return knows_its_runs and all(map(self._is_enough, host.monitors.values()))

    def _is_enough(self, monitor: RunMonitor) -> bool:
        """Return whether a run needs no other poll."""
        if monitor.has_ended:
            return True
        if not self._stops_early or monitor.polls == 0:
            return False
        return self.options.dry_run or not monitor.points_to_end

    def _may_poll(self, host: HostMonitor) -> bool:
        """Return whether a workstation may be polled again.

        One whose runs have all ended is still asked for new ones while other workstations have some.
        """
        looks_for_runs = host.discovery is not None and not self._stops_early
        return not host.is_polling and (looks_for_runs or not self._is_done(host))

    def _seconds_to_sleep(self) -> float:
        """Return the seconds until something has to be done, unless an answer comes before."""
        now = self._polls.now()
        moments = [now + (_TICK if self.display.is_live else _LONGEST_SLEEP)]
        for host in self.hosts:
            if host.is_polling:
                moments.append(_end_of_poll(host, now))
            elif self._may_poll(host):
                moments.append(host.due)
        if self._complete:
            moments.append(self._next_closing)
        return max(0.0, min(moments) - now)

    # --- answers ---

    def _end_late_polls(self) -> None:
        now = self._polls.now()
        for host in self.hosts:
            if host.is_polling and _end_of_poll(host, now) <= now:
                thing = f"workstation {host.request.host}"
                self._take(host, Unreachable(thing, "an answer", "no answer in time"), now)

    def _take(self, host: HostMonitor, answer: HostAnswer | None, now: float) -> None:
        """Take in an answer: report and notify what has changed, and start what is new."""
        if answer is None:
            raise RuntimeError("the poll stopped with an error of its own; see its traceback above")
        if not host.is_polling:
            return  # too late: it was counted as no answer
        is_first_contact = not host.has_answered
        for monitor in host.take(answer, now):
            self.display.run_polled(monitor)
            if monitor.has_changed or monitor.has_ended:
                self.notifier.notify(notify.state_event(monitor.host, monitor.tag, monitor.current))
            if monitor.has_ended:
                self._end_run(host, monitor)
        if isinstance(answer, HostSnapshot):
            host.add_new_runs(answer, now)
        if is_first_contact:
            self.display.first_contact(host)
        if host.error is not None:
            self._give_up(host, host.error)

    def _end_run(self, host: HostMonitor, monitor: RunMonitor) -> None:
        """Have a complete run closed in its turn; report any other end."""
        ended_by = monitor.current.ended_by
        if ended_by is DeadlineReached and host.problem is not None:
            ended_by = Unreachable
        if ended_by is not None:
            self.rows.append(monitor.report(ended_by.exit_code))
        elif self._close is not None:
            self._complete.append((host, monitor))

    def _give_up(self, host: HostMonitor, error: PostRunError) -> None:
        """Report a workstation that is not polled any more: one event for all its runs."""
        lost_runs = []
        for monitor in host.monitors.values():
            if monitor.current.state is State.UNREACHABLE and monitor.run:
                lost_runs.append(monitor.run)
        name = host.request.host
        if host.has_answered or type(error) is Unreachable:
            self.notifier.notify(notify.outage_event(name, lost_runs))
        self.display.show_host(host, f": given up ({error})")
        self.rows.append(ReportRow(name, "given up", str(error), error.exit_code))

    def _report_open_runs(self, host: HostMonitor) -> None:
        """Report the runs of a workstation that are not waited for any longer."""
        code = host_code = DeadlineReached.exit_code
        if self._stops_early:
            code, host_code = NotFinished.exit_code, Unreachable.exit_code
        if not host.has_answered and host.error is None:
            row = ReportRow(host.request.host, "not seen", str(host.problem), host_code)
            self.rows.append(row)
        if host.problem is not None:
            code = (host.error or Unreachable).exit_code
        for monitor in host.open_monitors:
            self.rows.append(monitor.report(code))

    # --- closings ---

    def _close_next(self) -> None:
        """Close the next complete run, if there is one. Polls that were begun go on meanwhile."""
        if self._close is None or not self._complete or self._polls.now() < self._next_closing:
            return
        host, monitor = self._complete[0]
        self.display.show_run(monitor, "closing")
        self.display.screen.clear()
        is_last_try = self._stops_early or self._polls.now() >= host.deadline
        # Where many runs are monitored, those that go on are polled while a lock is held.
        retries_locks = host.discovery is not None and not is_last_try
        lock_wait = self.options.lock_wait
        if retries_locks:
            lock_wait = min(lock_wait, _LOCK_HOLD)
        try:
            code = self._close(host.closing_request(monitor), wait=lock_wait)
        except PostRunError as error:
            terminal.error(str(error))
            code = error.exit_code
        self._complete.popleft()

        now = self._polls.now()
        delay = monitor.retry_delay(code, now)
        if retries_locks and code == Locked.exit_code:
            delay = host.limits.interval
        if delay is None or is_last_try:
            self.notifier.report_closing(monitor.run, monitor.tag, code)
            self.rows.append(monitor.report(code, is_closing=True))
            return
        next_try = f"next attempt in {math.ceil(delay)} s"
        self.display.show_run(monitor, f"not closed yet (exit code {code}); {next_try}")
        self._complete.append((host, monitor))  # behind the others
        self._next_closing = min(now + delay, host.deadline)


def _end_of_poll(host: HostMonitor, now: float) -> float:
    """Return the moment from which on a poll that is under way is not waited for."""
    return max(host.polled_at + LAST_POLL, now + host.seconds_left(now))
