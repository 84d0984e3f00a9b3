"""A run that was changed after its closing is named by every later closing."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

import update_factor_experiment_registry as registry
from harness import factory, tampering
from harness.workspace import Workspace
from postrun.core import disk
from postrun.registry import closed_runs, rows
from postrun.registry.closed_runs import Changed
from postrun.store import index
from postrun.store.table_index import IndexedTable

POLICY = rows.load_policy()


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
    registered = rows.read(closed.local, rows.load_policy()).table
    assert closed_runs.find_changed(closed.local, registered, POLICY) == Changed()
    read = []
    monkeypatch.setattr(rows, "read_run", lambda _root, _policy, run: read.append(run))
    assert closed_runs.find_changed(closed.local, registered, POLICY) == Changed()
    assert read == []
    index.use(closed.local, lambda cache: cache.execute("DROP TABLE compared_runs"))
    closed_runs.find_changed(closed.local, registered, POLICY)
    assert len(read) == 2


def test_what_a_rebuild_has_read_is_not_read_again(
    closed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.use(closed.local, lambda cache: cache.execute("DROP TABLE compared_runs"))
    assert registry.main(["--rebuild", "--local-root", str(closed.local)]) == 0
    registered = rows.read(closed.local, rows.load_policy()).table
    read: list[str] = []
    monkeypatch.setattr(rows, "read_run", lambda _root, _policy, run: read.append(run))
    assert closed_runs.find_changed(closed.local, registered, POLICY) == Changed()
    assert read == []


def test_what_was_changed_is_named_every_time(closed: Workspace) -> None:
    registered = rows.read(closed.local, rows.load_policy()).table
    for report in closed.local.glob("gate_results/*/production_gates_report.json"):
        report.write_bytes(report.read_bytes() + b" ")
    runs = [row["run"] for row in registered.select(columns=["run"])]
    assert list(closed_runs.find_changed(closed.local, registered, POLICY).errors) == runs
    again = closed_runs.find_changed(closed.local, registered, POLICY, in_turn=0)
    assert list(again.errors) == runs, "what was not as recorded is looked at every time"


def test_each_run_has_its_turn(closed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = rows.read(closed.local, rows.load_policy()).table
    looked_at: list[str] = []
    look = closed_runs._look

    def counted(root: Path, table: IndexedTable, runs: Iterable[str]) -> closed_runs.Digests:
        looked_at.extend(runs)
        return look(root, table, runs)

    monkeypatch.setattr(closed_runs, "_look", counted)
    for _ in range(4):
        closed_runs.find_changed(closed.local, registered, POLICY, in_turn=1)
    runs = [row["run"] for row in registered.select(columns=["run"])]
    assert sorted(looked_at) == sorted([*runs, *runs])


def test_a_row_that_was_changed_with_its_record_is_made_again(
    closed: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    table = closed.local / "audit/factor_registry/factor_experiment_registry.csv"
    record = closed.local / "audit/workspace_record.json"
    before = table.read_bytes()
    text = record.read_text().replace(
        disk.content_digest(before),
        disk.content_digest(before.replace(b"reject_or_research", b"promote_candidate")),
    )
    record.write_bytes(tampering.encode(tampering.with_own_digest(json.loads(text))))
    table.write_bytes(before.replace(b"reject_or_research", b"promote_candidate"))
    capsys.readouterr()
    assert closed.close("one") == 0
    assert table.read_bytes() == before
    said = capsys.readouterr().err
    assert "rows that had been changed: 2026-02-21_031500_production_gates_two" in said
    assert len(list(table.parent.glob("factor_experiment_registry.edited-*.csv"))) == 1
