"""The monitor of one workstation: a single poll for all its runs, and a monitor for
each of them.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from postrun.core import locations, run_names
from postrun.core.errors import AmbiguousRun, PostRunError, Unreachable
from postrun.core.request import RunRequest
from postrun.monitor.discovery import RunDiscovery
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import (
    Limits,
    MonitorState,
    next_state,
    pause,
    seconds_left,
)
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.store import run_folders

# Asks the workstation about these tags, and for the run folders from a name on.
Poll = Callable[[Sequence[str], str], HostSnapshot]
HostAnswer = HostSnapshot | PostRunError


@dataclass
class HostMonitor:
    """One workstation and its monitored runs, by tag. At most one poll of it is under way."""

    request: RunRequest  # where: host, remote root, workspace; and how its runs are closed
    poll: Poll
    limits: Limits
    started_at: float
    discovery: RunDiscovery | None = None  # finds further runs; None: only those in `monitors`
    shared_places: dict[str, list[str]] = field(default_factory=dict)  # run folder -> where it is
    monitors: dict[str, RunMonitor] = field(default_factory=dict)
    has_answered: bool = False  # at least once
    is_polling: bool = False
    polled_at: float = 0.0  # when the latest poll began
    answered_at: float | None = None  # when the latest answer came
    due: float = -math.inf  # when the next poll may begin; infinite when there is none
    problem: PostRunError | None = None  # why the last poll failed
    error: PostRunError | None = None  # why this workstation is not polled any more
    is_rejected: bool = False  # whether that was so at the first contact

    def __post_init__(self) -> None:
        # The state of a run that is never missing: only the outages count.
        self._current = MonitorState(self.started_at)
        # A poll that ends after the deadline is the last one.
        self.deadline = self.started_at + self.limits.deadline

    @property
    def has_ended(self) -> bool:
        """Return whether this workstation is not polled any more: given up, or out of time."""
        return self.due == math.inf

    @property
    def active_monitors(self) -> list[RunMonitor]:
        """Return the monitors of the runs that have not ended."""
        monitors = self.monitors.values()
        return [monitor for monitor in monitors if not monitor.has_ended]

    def begin_poll(self, now: float) -> Callable[[], HostSnapshot]:
        """Return the poll that is due, to be called in any thread."""
        self.is_polling = True
        self.polled_at = now
        tags = [monitor.tag for monitor in self.active_monitors]
        first_name = ""
        if self.discovery:
            first_name = self.discovery.first_name()
        return partial(self.poll, tags, first_name)

    def seconds_left(self, now: float) -> float:
        """Return the seconds until waiting for this workstation ends, whatever it answers."""
        seconds = seconds_left(self._current, now, self.limits)
        if not self.discovery:
            for monitor in self.active_monitors:
                run_seconds = seconds_left(monitor.current, now, self.limits)
                seconds = min(seconds, run_seconds)
        return seconds

    def take(self, answer: HostAnswer, now: float) -> list[RunMonitor]:
        """Process one poll. Return the monitors of the runs that it was about."""
        self.is_polling = False
        if isinstance(answer, HostSnapshot):
            self.has_answered = True
            self.answered_at = now
            self.problem = None
            self._current = MonitorState(self.started_at)
        else:
            self._take_problem(answer, now)
        polled = []
        for monitor in self.active_monitors:
            run_answer: RunSnapshot | PostRunError | None = self.problem
            if isinstance(answer, HostSnapshot):
                run_answer = answer.run_snapshots.get(monitor.tag)
            if run_answer is None or self.is_rejected:
                continue
            self._take_run(monitor, run_answer, now)
            polled.append(monitor)
        self.due = math.inf
        if not self.error and now < self.deadline:
            seconds = pause(self._current, now, self.limits, random.random())
            seconds = min(seconds, self.seconds_left(now))
            self.due = now + max(0.0, seconds)
        return polled

    def _take_problem(self, problem: PostRunError, now: float) -> None:
        self.problem = problem
        self._current = next_state(self._current, None, now, self.limits)
        # A wrong root, user or key at the first contact: asking again would not help. After the
        # first answer it may be a disk that is away for a while.
        if not self.has_answered:
            self.is_rejected = type(problem) is not Unreachable
        if self.is_rejected or self._current.error_class is Unreachable:
            self.error = problem

    def _take_run(
        self,
        monitor: RunMonitor,
        answer: RunSnapshot | PostRunError,
        now: float,
    ) -> None:
        """Process the poll of one run. What is wrong with one run alone ends only its monitor."""
        places = self.shared_places.get(monitor.run, [])
        try:
            if len(places) > 1:
                # Where its processes are not, a run would be taken for dead, or for complete too
                # early.
                actual = f"it on {' and on '.join(places)}"
                hint = "if they share a disk, name one of them: --host and --remote-root"
                thing = f"run folder {monitor.run}"
                raise AmbiguousRun(thing, "it on one workstation", actual, hint)
            monitor.take(answer, now)
        except PostRunError as error:
            monitor.end_with(error)

    def add_new_runs(self, snapshot: HostSnapshot, now: float) -> None:
        """Start a monitor for each run that is new; they are polled at once. Raises Invalid."""
        if not self.discovery:
            return
        place = f"{self.request.host}:{self.request.remote_root}"
        for run in self.discovery.find_new_runs(snapshot):
            places = self.shared_places.setdefault(run.folder, [])
            places.append(place)
            monitor = self.monitors.get(run.tag)
            if monitor is None or monitor.has_ended:
                self._add_monitor(
                    run.tag,
                    run.folder,
                    now,
                )
        for tag in self.discovery.find_queued_tags(snapshot):
            if tag not in self.monitors:
                self._add_monitor(tag, "", now)

    def _add_monitor(self, tag: str, folder: str, now: float) -> None:
        """Start the monitor of a run; it is polled at once."""
        self.monitors[tag] = RunMonitor(
            self.request,
            tag,
            self.limits,
            self.started_at,
            folder,
        )
        if now < self.deadline:
            self.due = now

    def closing_request(self, monitor: RunMonitor) -> RunRequest:
        """Return the request to close a run: by its tag, and its folder where that is not enough.

        By the tag alone, detection would pass over a newer run that has no context.
        """
        request = monitor.request
        tag = run_names.folder_tag(monitor.tag)
        folders = set(run_folders.list_folders(self.request.root))
        folders.update(self.shared_places)
        if monitor.snapshot:
            folders.update(monitor.snapshot.runs)
            raw_tag = monitor.snapshot.raw_tags.get(monitor.run, monitor.tag)
            request = replace(request, tag=raw_tag)
        folders.discard(monitor.run)
        for folder in folders:
            other = run_names.parse_run_name(folder)
            if other and other.tag == tag:
                remote_folder = f"{locations.RUNS}/{monitor.run}"
                return replace(request, run_dir_remote=remote_folder)
        return request
