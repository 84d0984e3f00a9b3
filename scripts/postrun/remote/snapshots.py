"""What one poll of the workstation saw: records of facts, for whoever monitors runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from postrun.remote.scheduler import Queue


@dataclass(frozen=True)
class Process:
    """One process on the workstation; `args` is its command line as `ps` shows it."""

    pid: int
    parent: int
    args: str
    started: float | None = None  # seconds since 1970, by the workstation's clock


@dataclass(frozen=True)
class View:
    """From where processes were listed: not every run's can be seen from everywhere."""

    host_name: str | None = None
    pid_namespace: str | None = None  # as Linux names it, `pid:[4026531836]`
    lists_process_1: bool = True


@dataclass(frozen=True)
class RunSnapshot:
    """What one poll saw of one run. A text is None when there is no such file.

    `settled` and `activity` change when a file changes: its size, time, inode or name. `settled` is
    about the run folder and the gate folders whose report has this tag. `activity` is also about
    gate folders that have no report yet and began after the run: one of them may become the run's.
    """

    boot_id: str | None
    # Names of the run folders with exactly this tag, oldest first. The rest is about the last one.
    runs: tuple[str, ...]
    has_context: bool
    preflight: str | None
    data_quality: str | None  # the newest data-quality report
    result: str | None
    pid_file: str | None
    processes: tuple[Process, ...]  # all of the workstation's but the probe's own
    settled: str
    activity: str
    log_tail: str
    gates: tuple[str, ...] = ()  # names of the gate folders whose report has this tag
    raw_tags: Mapping[str, str] = field(default_factory=dict)  # by run folder, as its records say
    started_on: str | None = None  # the host's name in the run's records
    view: View = View()
    nearest_tags: str = ""  # when no run folder has this tag
    unreadable: str | None = None  # why the run folder or its result.json could not be read
    queue: Queue | None = None  # of the scheduler, where it is asked


@dataclass(frozen=True)
class HostSnapshot:
    """What one poll saw of many runs, and which run folders there are."""

    clock: float  # the workstation's own time, seconds since 1970
    zone: str | None  # its UTC offset, like -0700
    folders: dict[str, bool]  # name of a run folder -> whether it has a result.json
    processes: tuple[Process, ...]
    run_snapshots: dict[str, RunSnapshot]  # by tag
    queue: Queue | None = None  # of the scheduler, where it is asked
