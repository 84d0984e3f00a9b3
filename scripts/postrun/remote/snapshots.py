"""What one poll of the workstation saw: records of facts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """One process on the workstation; `args` is its command line as `ps` shows it."""

    pid: int
    parent: int
    args: str
    started: float | None = (
        None  # seconds since 1970 by the workstation's clock, as far as `ps` says
    )


@dataclass(frozen=True)
class RunSnapshot:
    """What one poll of a workstation that answered saw of one run. Texts are None where there is no such file."""

    clock: float  # the workstation's own time, seconds since 1970
    zone: str | None  # its offset, like -0700
    boot_id: str | None
    runs: tuple[
        str, ...
    ]  # run folders whose name has exactly this tag, oldest first; the rest is about the last
    has_context: bool
    preflight: str | None
    data_quality: str | None  # the newest data-quality report
    result: str | None
    result_modified: float | None
    pid_file: str | None
    processes: tuple[
        Process, ...
    ]  # every process of the workstation, the probe's own ones left out
    settled: str  # sums over sizes, times and inodes in the run folder and the gate folders whose report has this tag
    activity: str  # the same, with gate folders that have no report yet and began after the run
    log_tail: str
    gates: tuple[str, ...] = ()  # names of the gate folders whose report has this tag


@dataclass(frozen=True)
class HostSnapshot:
    """What one poll of a workstation that answered saw of many runs, and which run folders there are."""

    clock: float  # the workstation's own time, seconds since 1970
    zone: str | None  # its offset, like -0700
    boot_id: str | None
    folders: dict[str, bool]  # name of a run folder -> whether it has a result.json
    processes: tuple[Process, ...]
    run_snapshots: dict[str, RunSnapshot]  # by tag
