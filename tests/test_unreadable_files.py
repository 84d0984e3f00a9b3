"""What cannot be read in a workspace is one line, never a traceback and never a hang."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import factory
from harness.programs import Ended, run_script, run_without_root_rights
from harness.workspace import CLOSING, location_flags

TAG = f"unreadable{os.getpid()}"  # tests side by side must not see each other's processes
REGISTRY = "audit/factor_registry"


def nightly(value: object) -> Any:
    return pytest.param(value, marks=pytest.mark.nightly)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, factory.Documents]:
    """Return a folder with a workstation and the workspace in which its run is closed."""
    folder = tmp_path_factory.mktemp("unreadable")
    documents = factory.make_run(folder / "workstation", tag=TAG)
    (folder / "closed").mkdir()
    flags = location_flags(folder / "workstation", folder / "closed")
    assert run_script(CLOSING, "--tag", TAG, *flags).code == 0
    return folder, documents


class Closed:
    """A copy of the closed workspace, with one thing in it changed."""

    def __init__(self, folder: Path, documents: factory.Documents, local: Path) -> None:
        shutil.copytree(folder / "closed", local, symlinks=True, dirs_exist_ok=True)
        self.local = local
        self.flags = ["--tag", TAG, *location_flags(folder / "workstation", local)]
        self.run = f"audit/workstation_runs/{documents.run_folder}"
        self.gate = f"gate_results/{documents.gate_folder}"

    def path(self, name: str) -> Path:
        return self.local / name.format(run=self.run, gate=self.gate)

    def close(self) -> Ended:
        return run_script(CLOSING, *self.flags)


@pytest.fixture
def closed(made: tuple[Path, factory.Documents], local: Path) -> Closed:
    return Closed(*made, local)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/no/such/disk/file")


def make_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def names_it(done: Ended, path: Path) -> bool:
    return any(path.name in line for line in done.err.splitlines())


FILES = [
    "audit/stage_ledger.jsonl",
    "docs/production_research/STAGE_AUDIT_LOG.md",
    "{run}/run_detection.json",
    "{run}/result.json",
    nightly("audit/workspace_record.json"),
    nightly(f"{REGISTRY}/factor_experiment_registry.csv"),
    nightly(f"{REGISTRY}/next_run_plan.md"),
    nightly("{run}/evidence_manifest.json"),
    nightly("{run}/closing_record.json"),
    nightly("{run}/governance_audit_check.json"),
    nightly("{run}/command.sh"),
    nightly("{gate}/production_gates_report.json"),
    nightly("{gate}/production_gates_run_review.html"),
]
KINDS = [make_fifo, make_dangling, nightly(make_folder), nightly(make_loop)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", KINDS)
def test_what_is_no_file_is_refused(
    closed: Closed, name: str, change: Callable[[Path], None]
) -> None:
    path = closed.path(name)
    change(path)
    kind = path.lstat().st_mode
    done = closed.close()
    assert done.code in (3, 4), done.err
    assert names_it(done, path), done.err
    assert path.lstat().st_mode == kind, "it is not replaced in silence"


@pytest.mark.parametrize(
    "name",
    [
        "audit/stage_ledger.jsonl",
        "{run}/result.json",
        REGISTRY,
        nightly("audit"),
        nightly("{gate}"),
    ],
)
def test_what_may_not_be_read_is_named(closed: Closed, name: str) -> None:
    path = closed.path(name)
    mode = path.stat().st_mode
    path.chmod(0)
    done = run_without_root_rights(CLOSING, *closed.flags)
    path.chmod(mode)
    assert done.code in (3, 4), done.err
    assert "Traceback" not in done.err
    assert names_it(done, path), done.err
    assert "Permission denied" in done.err


@pytest.mark.parametrize("mode", [0, nightly(0o444)])
@pytest.mark.parametrize(
    "name",
    [
        REGISTRY,
        "gate_results",
        nightly("audit"),
        nightly("audit/site"),
        nightly("audit/workstation_runs"),
        nightly("docs/production_research"),
        nightly("{run}"),
        nightly("{gate}"),
    ],
)
def test_verify_names_a_folder_that_may_not_be_read(closed: Closed, name: str, mode: int) -> None:
    path = closed.path(name)
    before = path.stat().st_mode
    path.chmod(mode)
    done = run_without_root_rights("verify_workspace", "--local-root", str(closed.local))
    path.chmod(before)
    assert done.code in (3, 4), done.err
    assert "Traceback" not in done.err
    said = done.out + done.err
    assert "Permission denied" in said
    assert path.name in said
