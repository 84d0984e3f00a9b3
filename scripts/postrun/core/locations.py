"""Where things are in a workspace: no path is written out anywhere else."""

from dataclasses import dataclass
from pathlib import Path

from postrun.core.artifacts import ARCHIVE, ARTIFACTS, Home
from postrun.core.errors import AmbiguousRun
from postrun.core.run_names import RUN_NAME, RunName, parse_run_name

_THIS_FILE = Path(__file__).resolve()
PROJECT = _THIS_FILE.parents[3]
RUNS = "audit/workstation_runs"
GATES = "gate_results"
LOCKS = "audit/.locks"
CACHES = "audit/.cache"  # may be deleted at any time
# The files that were moved away, as they were: a person may remove them.
ORIGINALS = f"{ARCHIVE}/originals"
# In the run folder: evidence that was replaced when changed evidence was accepted.
SUPERSEDED = "superseded_evidence"
# In the run folder and in the gate folder: a copy that is under way.
INCOMING = ".postrun-copy"


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

    @property
    def name(self) -> RunName:
        """Return the parts of the run folder's name. Raises AmbiguousRun when it is no run's."""
        name = parse_run_name(self.run)
        if name is None:
            expected = f"a name like {RUN_NAME}"
            raise AmbiguousRun("run folder", expected, repr(self.run))
        return name

    def folder(self, home: Home) -> Path:
        """Return the folder of a home. A run without gate folder keeps everything in its own."""
        if home is Home.PROJECT:
            return PROJECT
        if home is Home.GATE and self.gate is not None:
            return self.root / GATES / self.gate
        if home in (Home.RUN, Home.GATE):
            return self.root / RUNS / self.run
        return self.root

    def path(self, name: str, suffix: str = "") -> Path:
        """Return the path of an artifact; `suffix` names a format other than its first."""
        artifact = ARTIFACTS[name]
        suffix = suffix or artifact.suffixes[0]
        folder = self.folder(artifact.home)
        return folder / f"{artifact.file}{suffix}"

    def without_root(self, message: object) -> str:
        """Return a message with paths as artifacts have them: the same on every machine."""
        text = str(message)
        return text.replace(f"{self.root}/", "")

    def relative(self, path: Path) -> str:
        """Return a path as artifacts have it: from the workspace root, POSIX."""
        from_root = path.relative_to(self.root)
        return from_root.as_posix()


def workspace_path(root: Path, name: str, suffix: str = "") -> Path:
    """Return the path of an artifact of the workspace or the project."""
    workspace = RunPaths.of_workspace(root)
    return workspace.path(name, suffix)


def shown_path(path: Path) -> str:
    """Return a path as it is typed from where one stands."""
    here = Path.cwd()
    if path.is_relative_to(here):
        path = path.relative_to(here)
    return str(path)
