"""The table of steps is true: a step needs what it says it reads, and nothing else.

Four runs are closed once. Each step is then run alone on a copy in which its own artifacts are
gone: with every file away that it does not name, and without each file that it names.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import detect_run
import post_run_sync_and_finalize
from harness import factory, spoiled
from harness.factory import Documents
from harness.workspace import location_flags
from postrun.core import locations
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import documents
from steps import STEPS, Step

# The four runs are closed in one worker.
pytestmark = pytest.mark.xdist_group("reads")


def ended_unseen(made: Documents) -> None:
    """The machine went away after the report was written; a person gives the run up."""
    made.result = None


def with_dates(made: Documents) -> None:
    """The producer writes the IC of each test date, too."""
    made.dates = factory.dates(made.windows)


# What a step reads matters in one of these runs. The last two are of one factor, so they are
# compared.
CHANGES: dict[str, Callable[[Documents], None] | None] = {
    "abandoned": ended_unseen,
    "crashed": spoiled.crash,
    "earlier": with_dates,
    "later": spoiled.in_many_ways,
}
LAST = "later"
# What proves that the other files are as they were recorded: every step asks it.
PROOF = {"closing_record", "workspace_record", "stage_ledger"}
# A table that is gone is made again from the run folders: the step writes the same.
MADE_AGAIN = {
    ("run-review", "factor_experiment_registry"),
    ("run-review", "trial_statistics"),
}
Expected = Callable[[Step, str], dict[Path, bytes] | None]


class Workspace:
    """A workspace with the runs closed, beside the workstation that they came from."""

    def __init__(self, folder: Path, runs: dict[str, RunPaths]) -> None:
        self.folder = folder
        self.remote = folder / "workstation"
        self.root = folder / "workspace"
        self.runs = {tag: replace(paths, root=self.root) for tag, paths in runs.items()}

    def without_outputs(self, step: Step, folder: Path) -> "Workspace":
        """Return a copy in which nothing is left of what a step writes."""
        shutil.copytree(
            self.folder, folder, copy_function=os.link
        )  # no step changes a file in place
        copy = Workspace(folder, self.runs)
        for artifact in step.writes:
            for tag in copy.runs:
                copy.remove(artifact, tag)
        # Records of a ledger that is gone would be refused.
        if "stage_ledger" in step.writes:
            for tag in copy.runs:
                copy.remove("closing_record", tag)
                copy.remove("workspace_record", tag)
        return copy

    def run(self, step: Step, tag: str) -> dict[Path, bytes] | None:
        """Run one step; return what it wrote, None when it refuses."""
        # As a script: in a whole closing a step may leave out what another has just looked at.
        remote = str(self.remote)
        request = RunRequest(self.root, tag=tag, remote_root=remote, is_alone=True)
        run_paths = self.runs[tag] if step.needs_run else RunPaths.of_workspace(self.root)
        try:
            step.run(request, run_paths)
        except PostRunError:
            return None
        written = {}
        for artifact in step.writes:
            for path in self.files(artifact, tag):
                written[path.relative_to(self.root)] = path.read_bytes()
        return written

    def files(self, artifact: str, tag: str) -> set[Path]:
        """Return the files of an artifact that are on disk for one run, or for the workspace."""
        row = ARTIFACTS[artifact]
        folder = self.runs[tag].folder(row.home)
        return {path for pattern in file_names(row) for path in folder.glob(pattern)}

    def remove(self, artifact: str, tag: str) -> None:
        for path in self.files(artifact, tag):
            path.unlink()

    def remove_unnamed(self, step: Step, tag: str) -> None:
        """Remove the files of every artifact that a step does not name; of other runs, what they
        left.
        """
        for other in self.runs:
            named = {*step.reads, *step.reads_prior} if other == tag else {*step.reads_prior}
            of_workspace = {name for name in step.reads if is_of_workspace(name)}
            for artifact in ARTIFACTS.keys() - named - of_workspace - PROOF:
                if not is_of_project(artifact):
                    self.remove(artifact, other)


def file_names(row: Artifact) -> list[str]:
    return [f"{row.file}{suffix}" for suffix in row.suffixes]


def is_of_workspace(artifact: str) -> bool:
    return ARTIFACTS[artifact].home is Home.WORKSPACE


def is_of_project(artifact: str) -> bool:
    return ARTIFACTS[artifact].home is Home.PROJECT


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("closed")
    remote = folder / "workstation"
    runs = {}
    for day, (tag, change) in enumerate(CHANGES.items(), start=20):
        made = factory.make_run(remote, change, tag=tag, stamp=f"2026-02-{day}_031500")
        if made.report is None:
            command = "python run_production_gates.py --factor momentum_12_1 --strategy base.yaml\n"
            factory.put(made.run_dir(remote) / "command.sh", command)
        runs[tag] = RunPaths(folder, made.run_folder, None)
    # An older run with the tag of the last one stays on the workstation; another is only detected.
    factory.make_run(remote, tag=LAST, stamp="2026-02-10_031500")
    begun = factory.make_run(remote, tag="begun", stamp="2026-02-11_031500").run_folder
    runs["begun"] = RunPaths(folder, begun, None)

    workspace = Workspace(folder, runs)
    where = location_flags(remote, workspace.root)
    assert detect_run.main(["--run-dir-remote", f"{locations.RUNS}/{begun}", *where]) == 0
    for tag in CHANGES:
        reason = ["--abandoned", "the machine was rebuilt"] if tag == "abandoned" else []
        assert post_run_sync_and_finalize.main(["--tag", tag, *where, *reason]) in (0, 1)
        gate = documents.read(workspace.runs[tag], "run_detection")["gate_folder"]
        runs[tag] = replace(runs[tag], gate=gate)
    return Workspace(folder, runs)


@pytest.fixture(scope="module")
def expected(closed: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """Return what a step writes when every file is there."""

    @cache
    def outputs(step: Step, tag: str) -> dict[Path, bytes] | None:
        folder = tmp_path_factory.mktemp("whole") / "copy"
        return closed.without_outputs(step, folder).run(step, tag)

    return outputs


def tags_for(step: Step) -> list[str]:
    """Return the runs to try, those first that are likelier to need a file."""
    return list(reversed(CHANGES)) if step.needs_run else [LAST]


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_needs_no_file_that_it_does_not_name(
    closed: Workspace, expected: Expected, step: Step, tmp_path: Path
) -> None:
    for tag in tags_for(step):
        part = closed.without_outputs(step, tmp_path / tag)
        part.remove_unnamed(step, tag)
        written = part.run(step, tag)
        assert written is not None, f"{step.name} of {tag} refuses"
        assert written == expected(step, tag), f"{step.name} of {tag} writes something else"


READS = [
    (step, artifact)
    for step in STEPS
    for artifact in (*step.reads, *step.reads_prior)
    if (step.name, artifact) not in MADE_AGAIN
]


@pytest.mark.parametrize(
    ("step", "artifact"), READS, ids=lambda value: getattr(value, "name", value)
)
def test_a_step_uses_each_file_that_it_names(
    closed: Workspace, expected: Expected, step: Step, artifact: str, tmp_path: Path
) -> None:
    for tag in tags_for(step):
        part = closed.without_outputs(step, tmp_path / tag)
        # What is read from before is of any run.
        for other in part.runs if artifact in step.reads_prior else [tag]:
            part.remove(artifact, other)
        if part.run(step, tag) != expected(step, tag):
            return
    pytest.fail(f"{step.name} writes the same without {artifact}: it does not read it")
