"""Evidence is read as the manifest lists it, or refused by name."""

from pathlib import Path

import pytest

from harness import factory
from harness.workspace import Workspace
from postrun.core import step_notes
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import checked_files, ledger


@pytest.fixture
def closed(remote: Path, local: Path) -> tuple[Workspace, RunPaths]:
    """Return a workspace with one closed run, and where that run is."""
    workspace = Workspace(remote, local)
    made = factory.make_run(remote)
    assert workspace.close() == 0
    return workspace, RunPaths(local, made.run_folder, made.gate_folder)


def test_evidence_that_was_changed_is_refused(closed: tuple[Workspace, RunPaths]) -> None:
    _, run_paths = closed
    report = run_paths.path("production_gates_report")
    with step_notes.performing("run-review"):
        checked_files.read_evidence(run_paths, report)
        assert list(step_notes.current().inputs) == [run_paths.relative(report)]
    report.write_bytes(report.read_bytes() + b" ")
    with pytest.raises(Invalid, match=r"production_gates_report\.json: expected the file that"):
        checked_files.read_evidence(run_paths, report)
    with pytest.raises(Missing, match="nothing there"):
        checked_files.read_evidence(run_paths, report.with_name("gone.json"))


def test_a_file_that_the_manifest_does_not_list_is_no_evidence(
    closed: tuple[Workspace, RunPaths],
) -> None:
    _, run_paths = closed
    added = run_paths.path("context").with_name("added.json")
    added.write_text("{}")
    with pytest.raises(Invalid, match=r"a file that evidence_manifest\.json lists"):
        checked_files.read_evidence(run_paths, added)


def test_a_manifest_other_than_the_decision_s_is_refused(
    closed: tuple[Workspace, RunPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run_paths = closed
    decision = ledger.decision(run_paths.root, run_paths.run)
    assert decision is not None
    other = {**decision, "evidence_sha256": "0" * 64}
    monkeypatch.setattr(ledger, "decision", lambda *_: other)
    checked_files._manifests.clear()
    with pytest.raises(Invalid, match="the evidence that row 1 of the ledger names"):
        checked_files.manifest_digests(run_paths)


def test_without_its_manifest_nothing_of_a_closed_run_is_read(
    closed: tuple[Workspace, RunPaths],
) -> None:
    _, run_paths = closed
    run_paths.path("evidence_manifest").unlink()
    with pytest.raises(Invalid, match="expected the manifest of the decision, found nothing"):
        checked_files.read_evidence(run_paths, run_paths.path("production_gates_report"))


def test_what_a_run_may_lack_is_empty(closed: tuple[Workspace, RunPaths]) -> None:
    _, run_paths = closed
    command = run_paths.path("command")
    assert checked_files.read_if_there(run_paths, "command") == command.read_bytes()
    command.unlink()
    assert checked_files.read_if_there(run_paths, "command") == b""


def test_the_end_of_a_large_file_is_checked_as_a_whole(
    closed: tuple[Workspace, RunPaths],
) -> None:
    _, run_paths = closed
    log = run_paths.path("run_log")
    content = log.read_bytes()
    with step_notes.performing("run-review"):
        assert checked_files.read_end(run_paths, log, 3) == content[-3:]
        assert list(step_notes.current().inputs) == [run_paths.relative(log)]
    assert checked_files.read_end(run_paths, log, 10**6) == content
    log.write_bytes(b"x" + content[1:])
    with pytest.raises(Invalid, match=r"run\.log: expected the file that"):
        checked_files.read_end(run_paths, log, 3)
    log.unlink()
    with pytest.raises(Missing, match="nothing there"):
        checked_files.read_end(run_paths, log, 3)
