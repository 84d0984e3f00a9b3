"""The monitor of one run: takes in polls, keeps the state, writes the event journal."""

import random
from dataclasses import replace

from postrun.core.errors import (
    AmbiguousRun,
    Locked,
    Missing,
    NotFinished,
    PostRunError,
    Unreachable,
)
from postrun.core.request import RunRequest
from postrun.monitor.facts import facts_from
from postrun.monitor.journal import Journal
from postrun.monitor.report import ReportRow
from postrun.monitor.states import (
    Limits,
    MonitorState,
    State,
    next_state,
    pause,
    seconds_left,
)
from postrun.remote.snapshots import RunSnapshot
from postrun.store import configuration, make_lines, verdict

CLOSED = "closed"  # in a report row
# A closing that ends with one of these may succeed later: the network was cut, or a process of the
# run has started again.
_RETRIED_CODES = (Unreachable.exit_code, NotFinished.exit_code)


class RunMonitor:
    """One run that is waited for. `current` is its state after the last poll."""

    def __init__(
        self,
        request: RunRequest,  # where it is, and how it is closed
        tag: str,
        limits: Limits,
        started_at: float,
        first_folder: str = "",
        pattern: str | None = None,
    ) -> None:
        self.request = replace(request, tag=tag)
        self.host = request.host
        self.tag = tag
        self.limits = limits
        self.current = MonitorState(started_at)
        self.polls = 0
        self.has_changed = False  # whether the last poll brought another state
        self.snapshot: RunSnapshot | None = None  # of the last poll that was answered
        self.log_tail = ""
        # When a poll saw another log than the poll before; the first one that it saw counts.
        self.log_changed_at: float | None = None
        self.problem = ""  # why the last poll, or its line in the journal, failed
        self.error: PostRunError | None = None  # what ended this monitor alone
        self.report_row: ReportRow | None = None  # what became of the run, once that is known
        self._first_folder = first_folder
        self._pattern = pattern
        settings = configuration.workstation()
        self._ignored_programs = settings["ignored_programs"]
        self._journal = Journal(request.root, tag)

    @property
    def has_ended(self) -> bool:
        """Return whether nothing is left to wait for."""
        return self.current.has_ended

    @property
    def run(self) -> str:
        """Return the run folder, as far as it is known."""
        return self.current.run or self._first_folder

    @property
    def points_to_end(self) -> bool:
        """Return whether every poll so far has pointed to the same final state."""
        pending = self.current.pending
        if pending is None:
            return False
        return pending.polls == self.polls

    @property
    def state_name(self) -> str:
        """Return what the run is; one on two workstations is not known from either."""
        if self.current.error_class is AmbiguousRun:
            return "unclear"
        return str(self.current.state or "not seen")

    def take(self, answer: RunSnapshot | PostRunError, now: float) -> None:
        """Process one poll, or why it failed. Raises Invalid for a damaged event journal.

        `now` is the monotonic clock in seconds.
        """
        previous = self.current
        facts = None
        self.polls += 1
        self.problem = ""
        if isinstance(answer, RunSnapshot):
            self.snapshot = answer
            if answer.log_tail != self.log_tail:
                self.log_changed_at = now
            self.log_tail = answer.log_tail
            facts = facts_from(answer, self.tag, self._pattern, self._ignored_programs)
        else:
            self.problem = str(answer)
        self.current = next_state(previous, facts, now, self.limits)
        self.has_changed = self.current.differs_from(previous)
        try:
            self._journal.record(previous, self.current, now)
        except (Missing, Locked) as error:
            # A full disk, say. The journal keeps the line until the next poll, and the run is still
            # being monitored.
            self.problem = str(error)

    def end_with(self, error: PostRunError) -> None:
        """End this monitor alone, for an error that concerns no other run."""
        self.error = error
        self.has_changed = True
        run = self.run or None
        message = str(error)
        self.current = replace(self.current, run=run, message=message, error_class=type(error))

    def report(
        self,
        exit_code: int,
        is_closing: bool = False,
        problem: str = "",
    ) -> ReportRow:
        """Return the row of a run: of its closing the verdict, or the problem that it met."""
        state = self.state_name
        message = self.current.message
        if is_closing:
            try:
                message = str(verdict.of_run(self.request.root, self.run))
            except PostRunError as error:
                message = str(error)
            if exit_code > 1:
                reason = problem or message
                message = f"its closing ended with exit code {exit_code}; {reason}"
            else:
                state = CLOSED
        next_line = ""
        if self.run and state in (State.DEAD, State.CORRUPT):
            tag = make_lines.value("TAG", self.tag)
            line = make_lines.make_line("finalize", self.request, tag)
            next_line = f'{line} ABANDONED="<reason>"'
        row = ReportRow(
            self.host,
            state,
            message,
            exit_code,
            self.tag,
            self.current.run,
            next_line,
        )
        self.report_row = row
        return row

    def retry_delay(self, code: int, now: float) -> float | None:
        """Return the seconds until a closing that ended with this exit code is tried again.

        None when another try would not help, or when waiting has ended: what keeps a closing from
        its end counts as an outage, from the first try on.
        """
        if code not in _RETRIED_CODES:
            return None
        self.current = self.current.with_failed_attempt(now)
        if seconds_left(self.current, now, self.limits) <= 0:
            return None
        return pause(self.current, now, self.limits, random.random())
