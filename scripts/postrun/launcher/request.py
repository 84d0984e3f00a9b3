"""The run that a person asks the launcher for."""

from dataclasses import dataclass
from pathlib import Path

from postrun.launcher.policy import Policy


@dataclass(frozen=True)
class LaunchRequest:
    """What to run, for whom and under which policy."""

    root: Path
    workflow: str
    tag: str
    owner: str
    notes: str
    threads: int
    data: str  # the data file, relative to the root; empty when none was named
    skip_data_quality: bool
    require_clean: bool
    policy: Policy
    command: tuple[str, ...]
