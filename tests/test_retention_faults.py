"""Archive and restore, disturbed at every file operation: no byte is lost, and the next one ends as
an undisturbed one.

`strace` kills the program as it begins an operation, or gives it an error. By day a slice of the
operations, every night all of them.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import strace
from harness.programs import SCRIPTS
from harness.retained import ORIGINALS, Retained
from harness.signers import Signer
from harness.workspace import Workspace

pytestmark = [
    pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not()),
    pytest.mark.xdist_group("retention_faults"),
]
DISTURBED = ["retention_archive", "retention_restore"]
FAULTS = [strace.KILL, "ENOSPC"]
EVERY = 9  # by day
TIME = "1900000000"  # the same in every run


@dataclass(frozen=True)
class Disturbed:
    """A workspace before one of the two programs, and what the program does to it undisturbed."""

    script: str
    folder: Path
    operations: tuple[strace.Operation, ...]
    after: dict[str, bytes]


def at(folder: Path) -> Retained:
    return Retained(Workspace(folder / "remote", folder / "local"), Signer("hui", folder))


def run(
    script: str, folder: Path, operation: strace.Operation | None = None, fault: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), "--tag", "loser"]
    command += ["--local-root", str(folder / "local")]
    trace = strace.command(folder / "trace", operation, fault)
    environment = {"SOURCE_DATE_EPOCH": TIME, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [*trace, *command], env=environment, capture_output=True, text=True, check=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of the workspace, with one name for each original and its place."""
    return at(folder).bytes()


@pytest.fixture(scope="module", params=DISTURBED)
def disturbed(
    request: pytest.FixtureRequest,
    retained_once: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Disturbed:
    folder = tmp_path_factory.mktemp("before") / "made"
    shutil.copytree(retained_once, folder, symlinks=True)
    if request.param == "retention_restore":
        done = run("retention_archive", folder)
        assert done.returncode == 0, done.stderr
        # One file comes out of the archive, the others from the originals.
        retained = at(folder)
        retained.original(retained.log()).unlink()
    # Twice: in the first run Python may still compile what it imports.
    for name in ("warm", "whole"):
        whole = folder.with_name(name)
        shutil.copytree(folder, whole, symlinks=True)
        done = run(request.param, whole)
        assert done.returncode == 0, done.stderr
    operations = strace.read_trace(whole / "trace", whole / "local")
    assert len(operations) > 20
    return Disturbed(request.param, folder, tuple(operations), contents(whole))


def evidence(folder: Path) -> set[bytes]:
    """Return the contents of the run's files that are archived, wherever they are."""
    retained = at(folder)
    run_paths = retained.run_paths()
    places = [retained.root / "gate_results" / str(run_paths.gate), retained.log().parent]
    places.append(retained.root / ORIGINALS)
    found = set()
    for place in places:
        for path in place.rglob("*"):
            if path.name in ("run.log", "walk_forward_summary.csv"):
                found.add(path.read_bytes())
    return found


# What the next archive, restore or closing mends: a row that the record or the view still lacks,
# and a file that was not finished.
MENDED = ("closing_record.json", "STAGE_AUDIT_LOG.md", ".tmp")


def check_one(disturbed: Disturbed, number: int, fault: str, folder: Path) -> None:
    shutil.copytree(disturbed.folder, folder, symlinks=True)
    before = evidence(folder)
    operation = disturbed.operations[number]
    run(disturbed.script, folder, operation, fault)
    what = f"{fault} at {number}: {operation}"
    assert strace.find_disturbed(folder / "trace", folder / "local") is not None, what
    assert before <= evidence(folder), f"{what}: a file is lost"
    broken = at(folder).broken()
    assert {name for name in broken if not name.endswith(MENDED)} == set(), what
    done = run(disturbed.script, folder)
    assert done.returncode == 0, f"{what}: {done.stderr}"
    assert contents(folder) == disturbed.after, what
    shutil.rmtree(folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slice_of_the_operations(disturbed: Disturbed, fault: str, tmp_path: Path) -> None:
    for number in range(FAULTS.index(fault), len(disturbed.operations), EVERY):
        check_one(disturbed, number, fault, tmp_path / str(number))


@pytest.mark.nightly
@pytest.mark.parametrize("fault", [*FAULTS, "EACCES"])
def test_every_operation(disturbed: Disturbed, fault: str, tmp_path: Path) -> None:
    for number in range(len(disturbed.operations)):
        check_one(disturbed, number, fault, tmp_path / str(number))
