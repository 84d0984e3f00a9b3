"""What a step is asked, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from postrun.core.locations import RunPaths


@dataclass(frozen=True)
class RunRequest:
    """One run to work on, as the command line named it."""

    root: Path
    tag: str | None = None
    run_dir: Path | None = None
    report_json: Path | None = None
    host: str = "local"
    remote_root: str = "."
    scheduler: str | None = None  # what starts jobs there: `slurm`; None: nothing does
    run_dir_remote: str | None = None
    report_json_remote: str | None = None
    no_sync: bool = False
    accept_changed_evidence: str | None = None
    objective: str | None = None
    abandoned: str | None = None  # why a run is closed without result or report
    mode: str | None = None  # of the candidate queue; None: as its policy says
    is_alone: bool = False  # one step alone, which checks all closed runs; false: a whole closing


@dataclass(frozen=True)
class StepResult:
    """What a step that ran to its end has to report. A step that decides nothing has passed."""

    summary: str
    written: tuple[Path, ...] = ()
    passed: bool = True
    caution: str = (
        ""  # what to say at the very end: something beside this step is not as it should be
    )

    @property
    def exit_code(self) -> int:
        """Return 0 when it passed, else 1; errors have codes of their own."""
        return int(not self.passed)


# Every step gets the same two values: what was asked, and where that run is.
StepFunction = Callable[[RunRequest, RunPaths], StepResult]
