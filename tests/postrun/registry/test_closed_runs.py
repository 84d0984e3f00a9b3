"""A run that was changed after its closing is named by every later closing."""

from pathlib import Path

import pytest

from harness import factory
from harness.workspace import Workspace
from postrun.registry import closed_runs, rows


@pytest.fixture
def closed(remote: Path, local: Path) -> Workspace:
    """Return a workspace with two closed runs, one of which failed."""
    workspace = Workspace(remote, local)
    for day, tag in enumerate(("one", "two"), start=20):
        factory.make_run(remote, tag=tag, stamp=f"2026-02-{day}_031500", passing=tag == "one")
        assert workspace.close(tag) == 0
    return workspace


def test_a_changed_run_is_named_at_the_end(
    closed: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    report = closed.local / "gate_results/production_gates_2026-02-21_031700"
    report /= "production_gates_report.json"
    content = report.read_bytes()
    report.write_bytes(content.replace(b"false", b"true "))
    capsys.readouterr()
    assert closed.close("one") == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("the number of trials is not sure: 1 closed run cannot be read: ")
    assert "production_gates_report.json" in last


def test_unchanged_runs_are_not_read_again(
    closed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = {row["run"]: row for row in rows.read(closed.local, rows.load_policy()).rows}
    assert closed_runs.find_changed(closed.local, registered, "") == {}
    read = []
    monkeypatch.setattr(rows, "read_run", lambda _root, run: read.append(run))
    assert closed_runs.find_changed(closed.local, registered, "") == {}
    assert read == []
    for cache in (closed.local / "audit/.cache").iterdir():
        cache.unlink()
    closed_runs.find_changed(closed.local, registered, "")
    assert len(read) == 2
