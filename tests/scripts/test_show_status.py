"""The status of a workspace: one line a run, and the same as JSON."""

import json
from pathlib import Path

import pytest

import show_status
from harness.verified import ClosedRuns
from postrun.core.locations import RunPaths
from postrun.store import journals, json_files

OPEN = "2026-02-25_031500_production_gates_run5"


def begin(root: Path, state: str) -> None:
    """Leave a run here that is not closed, and what a monitor saw of it."""
    path = RunPaths(root, OPEN, None).path("monitor_events")
    path.parent.mkdir(parents=True)
    event = {
        "tag": "run5",
        "run": OPEN,
        "before": None,
        "state": state,
        "lasted_s": None,
        "words": "as it is",
    }
    journals.append_event(path, json_files.stamped(event, "monitor_events"))


def test_each_run_has_a_line(closed: ClosedRuns, capsys: pytest.CaptureFixture[str]) -> None:
    begin(closed.root, "dead")
    assert show_status.main(["--local-root", str(closed.root)]) == 0
    out, err = capsys.readouterr()
    headings, *lines = out.splitlines()
    assert headings.split("  ")[0] == "day"
    assert [line.split()[1] for line in lines] == ["run0", "run1", "run2", "run5"]
    assert "nothing: run2 is later" in lines[0]
    assert "failed (" in lines[2]
    root = f"LOCAL_ROOT={closed.root}"
    assert lines[3].endswith(f'make finalize TAG=run5 ABANDONED="<reason>" {root}')
    assert err.startswith("4 runs, 1 not closed; waiting: ")


def test_the_json_fits_its_schema(closed: ClosedRuns, capsys: pytest.CaptureFixture[str]) -> None:
    begin(closed.root, "running")
    assert show_status.main(["--local-root", str(closed.root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    json_files.check(document, "workspace_status", "status")
    assert [row["monitored"] for row in document["runs"]] == [None, None, None, "running"]
    assert document["counts"]["runs"] == 4


def test_a_workspace_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_status.main(["--local-root", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "no run here yet: make finalize TAG=... closes one that has ended\n")
    assert show_status.main(["--local-root", str(tmp_path / "none")]) == 3


def test_hostile_names_do_no_harm() -> None:
    row = dict.fromkeys(("started", "result", "decision", "verdict", "superseded_by", "command"))
    row |= {"decision_tag": "a\x1b[31m\u202e", "factor": "b\nc", "state": "not closed"}
    row |= {"audit_passed": None, "high_items": None, "waits_for": "x\ry", "who": "z\x07"}
    headings, line = show_status.format_lines([row], Path("/w"))
    assert len(headings) > 0
    assert line.isprintable()
