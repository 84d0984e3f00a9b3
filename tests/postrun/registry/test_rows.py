"""The registry is read as it was recorded, else made again from the run folders."""

import shutil
from pathlib import Path

import pytest

import update_factor_experiment_registry as registry_script
from harness import factory
from harness.workspace import Workspace
from postrun.core import locations
from postrun.registry import rows


@pytest.fixture
def closed(remote: Path, local: Path) -> Workspace:
    """Return a workspace with two closed runs, one of which failed."""
    workspace = Workspace(remote, local)
    for day, tag in enumerate(("one", "two"), start=20):
        factory.make_run(remote, tag=tag, stamp=f"2026-02-{day}_031500", passing=tag == "one")
        assert workspace.close(tag) == 0
    return workspace


def table(workspace: Workspace) -> Path:
    return locations.workspace_path(workspace.local, rows.REGISTRY)


def test_the_table_as_it_was_recorded_is_taken(closed: Workspace) -> None:
    registered = rows.read(closed.local, rows.load_policy())
    assert registered.was_recorded
    assert [row["decision_tag"] for row in registered.table.select()] == ["one", "two"]


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_a_changed_table_is_made_again(
    closed: Workspace, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(closed)
    before = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(before.replace(b"reject_or_research", b"promote_candidate"))
    registered = rows.read(closed.local, rows.load_policy())
    assert not registered.was_recorded
    capsys.readouterr()
    assert closed.close("one") == 0
    assert path.read_bytes() == before
    said = capsys.readouterr().err
    if change == "edited":
        assert "rows that had been changed: 2026-02-21_031500_production_gates_two" in said
    else:
        assert f"{path}: expected a file, found it gone; made again" in said


def test_runs_that_cannot_be_read_are_named(closed: Workspace) -> None:
    (closed.local / "gate_results/production_gates_2026-02-21_031700").joinpath(
        "production_gates_report.json"
    ).write_text("{}")
    made = rows.make_all(closed.local, rows.load_policy())
    assert [row["decision_tag"] for row in made.rows] == ["one"]
    assert list(made.errors) == ["2026-02-21_031500_production_gates_two"]


@pytest.mark.parametrize("lost", ["the folder", "governance_remediation_plan.json"])
def test_a_run_that_the_ledger_knows_stays_a_trial(
    closed: Workspace, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else one could be rid of a failed run by deleting a file, and rebuilding."""
    folder = closed.local / locations.RUNS / "2026-02-21_031500_production_gates_two"
    if lost == "the folder":
        shutil.rmtree(folder)
    else:
        (folder / lost).unlink()
    before = table(closed).read_bytes()
    assert registry_script.main(["--local-root", str(closed.local), "--rebuild"]) == 4
    assert folder.name in capsys.readouterr().err
    assert closed.close("one") == 0
    assert "the number of trials is not sure: 1 closed run" in capsys.readouterr().err
    assert table(closed).read_bytes() == before
