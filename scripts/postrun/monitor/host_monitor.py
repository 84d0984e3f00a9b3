"""Many runs on many workstations under watch: which of them are unfinished, and one connection and one poll a host."""

import queue
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from postrun.core import clock, run_names
from postrun.core.errors import AmbiguousRun, PostRunError, Unreachable
from postrun.core.locations import RunPaths
from postrun.core.run_names import RunName
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import Limits, MonitorState, judge, pause
from postrun.remote import processes
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.remote.workstation import Workstation
from postrun.store import configuration, ledger

RECENT = timedelta(days=7)  # an archive of runs that nobody ever closed is not closed by surprise
_SLACK = timedelta(
    days=1
)  # a clock that is put back, or a shell in another time zone, gives a run an earlier name
_BEGINNING = "0"  # before every name


@dataclass(frozen=True)
class Since:
    """From when on a run counts, by the time in its folder's name. Neither: RECENT, by the workstation's own clock."""

    stamp: datetime | None = None
    everything: bool = False

    def counts(self, name: RunName, seen: HostSnapshot, ignored: Sequence[str]) -> bool:
        """Say whether a run is to be watched: begun late enough, or at work still, in no `ignored` program."""
        now = clock.local_time(seen.clock, seen.zone)
        if self.everything or name.started >= (self.stamp or now - RECENT):
            return True
        if seen.folders[name.folder]:
            return False
        return bool(
            processes.of_run(seen.processes, name.tag, name.folder, ignored_programs=ignored)
        )


def is_closed(root: Path, folder: str, decided: frozenset[str]) -> bool:
    """Say whether a run was closed in this workspace: it was audited, and stands in the ledger."""
    return (
        folder in decided and RunPaths(root, folder, None).path("governance_audit_check").is_file()
    )


@dataclass
class HostMonitor:
    """One workstation under watch, with its unfinished runs by tag. One thread at a time speaks with it."""

    host: str
    door: Workstation
    root: Path
    since: Since
    limits: Limits
    began: float
    claims: dict[str, list[str]]  # run folder -> the roots below which it lies; shared by all posts
    runs: dict[str, RunMonitor] = field(default_factory=dict)
    older: int = 0  # unfinished runs that began too early to count
    error: PostRunError | None = None  # why this workstation was given up
    trouble: PostRunError | None = None  # why the last poll brought nothing
    due: float = 0.0
    asked: bool = False
    _begun: dict[str, str] = field(
        default_factory=dict
    )  # tag -> the run folder with which its watch began
    _memory: MonitorState = field(init=False)
    _met: dict[str, RunName] | None = None  # every run folder seen so far
    _now: datetime = datetime.min  # by the workstation's own clock, at the last answer  # noqa: DTZ901

    def __post_init__(self) -> None:
        self._memory = MonitorState(began=self.began)

    @property
    def looked(self) -> bool:
        """Say whether it is known which runs there are."""
        return self._met is not None

    def ask(self, answers: "queue.SimpleQueue[Answer]") -> None:
        """Poll in the background; the answer comes through the queue."""
        self.asked = True
        tags = [tag for tag, one in self.runs.items() if not one.memory.ended]
        threading.Thread(target=self._poll, args=(tags, answers), daemon=True).start()

    def _poll(self, tags: Sequence[str], answers: "queue.SimpleQueue[Answer]") -> None:
        found: HostSnapshot | PostRunError | None = None
        try:
            found = self.door.take_host_snapshot(tags, self._first())
        except PostRunError as error:
            found = error
        finally:
            answers.put((self, found, time.monotonic()))

    def _first(self) -> str:
        """Give the name from which on new run folders are looked for."""
        if not self._met:
            return _BEGINNING
        newest = max(name.started for name in self._met.values())
        return (min(newest, self._now) - _SLACK).strftime(
            clock.RUN_STAMP
        )  # a name may lie in the future

    def take(
        self, found: HostSnapshot | PostRunError, now: float
    ) -> Iterator[tuple[RunMonitor, bool]]:
        """Fold in one poll; give each run that was polled and whether its state changed."""
        self.asked = False
        self.trouble = found if isinstance(found, PostRunError) else None
        if isinstance(found, PostRunError):
            self._memory = judge(self._memory, None, now, self.limits)
            if (
                type(found) is not Unreachable and not self.looked
            ) or self._memory.over is Unreachable:
                self.error = found
        else:
            self._memory = MonitorState(began=self.began)
        self.due = now + pause(self._memory, now, self.limits, random.random())
        for tag, one in self.runs.items():
            seen = found.run_snapshots.get(tag) if isinstance(found, HostSnapshot) else found
            if seen is not None and not one.memory.ended:
                yield one, self._fold(one, seen, now)
        if isinstance(found, HostSnapshot) and self._discover(found):
            self.due = now

    def _discover(self, seen: HostSnapshot) -> bool:
        """Begin to watch what is unfinished and was not met before; say whether there was any."""
        first, self._now = not self.looked, clock.local_time(seen.clock, seen.zone)
        met = self._met = self._met or {}
        names = [
            name
            for name in map(run_names.parse_run_name, seen.folders)
            if name and run_names.TAG.fullmatch(name.tag)
        ]
        fresh = {
            name.tag: name
            for name in sorted(names, key=lambda one: one.started)
            if name.folder not in met
        }
        met.update((name.folder, name) for name in names)
        decided = (
            frozenset(row["run"] for row in ledger.read_rows(self.root)) if fresh else frozenset()
        )
        unfinished = [
            name for name in fresh.values() if not is_closed(self.root, name.folder, decided)
        ]
        ignored = configuration.workstation()["ignored_programs"] if first else ()
        chosen = [
            name for name in unfinished if not first or self.since.counts(name, seen, ignored)
        ]
        self.older += len(unfinished) - len(chosen)
        for name in chosen:
            self.claims.setdefault(name.folder, []).append(f"{self.host}:{self.door.root}")
        begun = [
            name for name in chosen if name.tag not in self.runs or self.runs[name.tag].memory.ended
        ]
        for name in begun:
            self._begun[name.tag] = name.folder
            self.runs[name.tag] = RunMonitor(self.root, name.tag, self.limits, self.began)
        return bool(begun)

    def _fold(self, one: RunMonitor, seen: RunSnapshot | PostRunError, now: float) -> bool:
        """Fold one poll into one run. What is wrong with one run, such as a damaged log, ends the watch of it alone."""
        folder = one.memory.run or self._begun[one.tag]
        try:
            self._check_alone(folder)
            return one.take(seen, now)
        except PostRunError as error:
            one.memory = replace(one.memory, run=folder, words=str(error), over=type(error))
            return True

    def _check_alone(self, folder: str) -> None:
        """Refuse a run that lies on several workstations: where its processes are not, it would look dead."""
        hosts = self.claims.get(folder, ())
        if len(hosts) > 1:
            hint = "if they share a disk, name one of them: --host and --remote-root"
            raise AmbiguousRun(
                f"run folder {folder}",
                "it on one workstation",
                f"it on {' and on '.join(hosts)}",
                hint,
            )


Answer = tuple[HostMonitor, HostSnapshot | PostRunError | None, float]  # None: the poll broke off
