"""Which runs of a workstation are new, not closed yet and recent enough to be monitored."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from postrun.core import clock, disk, run_names
from postrun.core.locations import RunPaths
from postrun.core.run_names import RunName
from postrun.remote import processes
from postrun.remote.snapshots import HostSnapshot
from postrun.store import configuration, ledger

RECENT = timedelta(days=7)
# A clock that is put back, or a shell in another time zone, names a new run after an earlier time.
_SLACK = timedelta(days=1)
_BEFORE_EVERY_NAME = "0"


@dataclass
class RunDiscovery:
    """Finds the runs of one workstation that are to be monitored, poll by poll."""

    root: Path
    since: datetime | None = None  # from when on runs count; None: RECENT
    skipped_old_runs: int = 0  # open runs that began too early
    # New run folders of the last poll that nobody can ask for: their names hold no decision tag.
    odd_runs: list[RunName] = field(default_factory=list)
    known_runs: dict[str, RunName] = field(default_factory=dict)  # by folder
    _now: datetime | None = None  # by the workstation's own clock, at the last poll

    def find_new_runs(self, snapshot: HostSnapshot) -> list[RunName]:
        """Return the runs that no earlier poll listed, that are open and recent, oldest first.

        Raises Invalid for a broken ledger.
        """
        is_first_poll = self._now is None
        self._now = clock.local_time(snapshot.clock, snapshot.zone)
        new_runs = self._remember(snapshot)
        open_runs = self._without_closed(new_runs)
        if not is_first_poll:
            return open_runs
        # Later polls list only what began meanwhile. The first one lists the archive as well, and
        # nobody wants a year of abandoned runs to be closed by surprise.
        start = self.since or self._now - RECENT
        ignored_programs = configuration.workstation()["ignored_programs"]
        recent = []
        for run in open_runs:
            is_recent = run.started >= start
            if is_recent or is_at_work(run, snapshot, ignored_programs):
                recent.append(run)
        self.skipped_old_runs = len(open_runs) - len(recent)
        return recent

    def find_queued_tags(self, snapshot: HostSnapshot) -> list[str]:
        """Return the tags, as in a folder's name, of the jobs that have not ended.

        A queued job has no run folder yet.
        """
        if snapshot.queue is None:
            return []
        tags = map(run_names.folder_tag, snapshot.queue.waiting_tags)
        return sorted(set(tags))

    def first_name(self) -> str:
        """Return the name from which on the next poll lists run folders."""
        if self._now is None or not self.known_runs:
            return _BEFORE_EVERY_NAME
        runs = self.known_runs.values()
        newest = max(run.started for run in runs)
        # A folder's name may lie in the future; the clock does not let it hide the runs after it.
        newest = min(newest, self._now)
        start = newest - _SLACK
        return start.strftime(clock.RUN_STAMP)

    def _remember(self, snapshot: HostSnapshot) -> list[RunName]:
        """Return the run folders that were not listed before; of one tag only the newest."""
        newest_by_tag: dict[str, RunName] = {}
        self.odd_runs = []
        # The stamp comes first in a name, so this is oldest first.
        for folder in sorted(snapshot.folders):
            run = run_names.parse_run_name(folder)
            if run is None or folder in self.known_runs:
                continue
            self.known_runs[folder] = run
            if run_names.FOLDER_TAG.fullmatch(run.tag):
                newest_by_tag[run.tag] = run
            else:
                self.odd_runs.append(run)
        return list(newest_by_tag.values())

    def _without_closed(self, runs: list[RunName]) -> list[RunName]:
        """Return the runs that this workspace has not closed. The ledger is read only for some."""
        if not runs:
            return []
        decided = ledger.decided_runs(self.root)
        open_runs = []
        for run in runs:
            if not is_closed(self.root, run.folder, decided):
                open_runs.append(run)
        return open_runs


def is_closed(root: Path, folder: str, decided: set[str]) -> bool:
    """Return whether a run has been closed here: it has a decision in the ledger and an audit."""
    if folder not in decided:
        return False
    run_paths = RunPaths(root, folder, None)
    return disk.is_present(run_paths.path("governance_audit_check"))


def is_at_work(
    run: RunName,
    snapshot: HostSnapshot,
    ignored_programs: Collection[str],
) -> bool:
    """Return whether a run has processes, but for ignored programs, and no result yet."""
    if snapshot.folders[run.folder]:
        return False
    found = processes.of_run(
        snapshot.processes,
        run.tag,
        run.folder,
        ignored_programs=ignored_programs,
    )
    return bool(found)
