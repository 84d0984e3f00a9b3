"""Journals since the closing: longer is right; shorter, other or gone is not."""

import os

import pytest

from harness.verified import ClosedRuns
from postrun.core.locations import RunPaths
from postrun.store import journals, json_files
from postrun.verify import growing_files
from postrun.verify.closed_run import ClosedRun

EVENT = {
    "schema_version": 3,
    "program_version": "0.1.0",
    "generated_at": "2026-02-21T10:15:00Z",
    "before": None,
    "lasted_s": None,
    "state": "running",
    "tag": "run0",
    "words": "3 processes of it",
}


@pytest.fixture
def journal(closed: ClosedRuns) -> tuple[RunPaths, ClosedRun]:
    """Return a run that was closed with two lines in its journal."""
    run_paths = closed.run_paths()
    path = run_paths.path("monitor_events")
    for _ in range(2):
        journals.append_event(path, {**EVENT, "run": run_paths.run})
    run = closed.run()
    state = journals.state(run_paths.root, path)
    record = {**(run.record or {}), "complete": {"journals": [state]}}
    run.documents["closing_record"] = record
    return run_paths, run


def test_a_longer_journal_is_right(journal: tuple[RunPaths, ClosedRun]) -> None:
    run_paths, run = journal
    assert list(growing_files.check(run)) == []
    journals.append_event(run_paths.path("monitor_events"), {**EVENT, "run": run_paths.run})
    assert list(growing_files.check(run)) == []


@pytest.mark.parametrize("change", ["shorter", "other", "gone", "a FIFO", "a wrong digest"])
def test_any_other_change_is_named(journal: tuple[RunPaths, ClosedRun], change: str) -> None:
    run_paths, run = journal
    path = run_paths.path("monitor_events")
    first, second = path.read_bytes().splitlines(keepends=True)
    if change == "shorter":
        path.write_bytes(first)
    elif change == "other":
        path.write_bytes(first + second.replace(b"3 processes", b"4 processes"))
    elif change == "a wrong digest":
        event = {**EVENT, "run": run_paths.run, "previous_sha256": "0" * 64}
        path.write_bytes(first + second + json_files.encode_line(event))
    else:
        path.unlink()
        if change == "a FIFO":
            os.mkfifo(path)
    [finding] = growing_files.check(run)
    assert finding.file == run_paths.relative(path)
