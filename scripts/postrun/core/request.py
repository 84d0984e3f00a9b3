"""What a step is asked, and what came of it: the only two records that cross the table of steps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunRequest:
    """One run to work on, as the command line named it. Which folders that means is read from disk, step by step."""

    root: Path
    tag: str | None = None
    run_dir: Path | None = None
    report_json: Path | None = None
    host: str = "local"
    remote_root: str = "."
    run_dir_remote: str | None = None
    report_json_remote: str | None = None
    no_sync: bool = False
    accept_changed_evidence: str | None = None
    objective: str | None = None
    abandoned: str | None = None  # why a run that is dead is closed without a result
    mode: str | None = None  # of the candidate queue; None: as its policy says


@dataclass(frozen=True)
class StepResult:
    """A step that ran to its end. `yes` is its verdict; a step that judges nothing says yes."""

    words: str
    wrote: tuple[Path, ...] = ()
    yes: bool = True

    @property
    def exit_code(self) -> int:
        """Give 0 for yes and 1 for no; refusals have codes of their own."""
        return 0 if self.yes else 1


StepFunction = Callable[[RunRequest], StepResult]
