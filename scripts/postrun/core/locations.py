"""Where things are in a workspace: no path is written out anywhere else."""

from dataclasses import dataclass
from pathlib import Path

from postrun.core.artifacts import ARTIFACTS, Home

PROJECT = Path(__file__).resolve().parents[3]
RUNS = "audit/workstation_runs"
GATES = "gate_results"
LOCKS = "audit/.locks"
SUPERSEDED = (
    "superseded_evidence"  # in the run folder: what was there before changed evidence was accepted
)


@dataclass(frozen=True)
class RunPaths:
    """One run in one workspace. `gate` is None for a run that ended without a gate report."""

    root: Path
    run: str
    gate: str | None

    @classmethod
    def of_workspace(cls, root: Path) -> "RunPaths":
        """Return the paths of a workspace, for what belongs to no single run."""
        return cls(root, "", None)

    def folder(self, home: Home) -> Path:
        """Give the folder of a home. What belongs into a gate folder that is not there goes to the run folder."""
        if home is Home.RUN or (home is Home.GATE and self.gate is None):
            return self.root / RUNS / self.run
        if home is Home.GATE:
            return self.root / GATES / str(self.gate)
        return PROJECT if home is Home.PROJECT else self.root

    def path(self, name: str, suffix: str = "") -> Path:
        """Give the path of a noun that has one file name of its own."""
        artifact = ARTIFACTS[name]
        return self.folder(artifact.home) / f"{artifact.file}{suffix or artifact.suffixes[0]}"

    def relative(self, path: Path) -> str:
        """Write a path the way artifacts have it: from the workspace root, POSIX."""
        return path.relative_to(self.root).as_posix()


def workspace_path(root: Path, name: str, suffix: str = "") -> Path:
    """Give the path of a noun that belongs to no single run (workspace or project)."""
    return RunPaths.of_workspace(root).path(name, suffix)
