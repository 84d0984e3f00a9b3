"""The monitor's judgment: from what the polls saw to the state of a run, as pure functions over facts.

Nothing here looks at a clock, a disk or a network: the times are handed in, so that every sequence can be tested.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """One process on the workstation; `args` is its command line as `ps` shows it."""

    pid: int
    parent: int
    args: str


@dataclass(frozen=True)
class Glance:
    """What one poll of a workstation that answered saw of one run. Texts are None where there is no such file."""

    clock: float  # the workstation's own time, seconds since 1970
    zone: str | None  # its offset, like -0700
    boot_id: str | None
    runs: tuple[str, ...]  # run folders whose name has exactly this tag, oldest first; the rest is about the last
    has_context: bool
    preflight: str | None
    data_quality: str | None  # the newest data-quality report
    result: str | None
    result_modified: float | None
    pid_file: str | None
    processes: tuple[Process, ...]  # every process of the workstation, the probe's own ones left out
    settled: str  # listing (path, size, mtime) of the run folder and of the gate folder whose report has this tag
    activity: str  # the same, with gate folders that have no report yet and began after the run
    log_tail: str
