"""`make settle`: a failure of a run without factor is settled once, for a reason, and stays so."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import restore_ledger
import settle_failure
import update_failure_pattern_db
import verify_workspace
from harness import factory, spoiled
from harness.workspace import Workspace
from postrun.core import disk, locations
from postrun.store import csv_files, json_files, ledger

NAMELESS, NAMED = "nameless", "named"
CHECK = "report_files_present"
REASON = "the disk was full; | run 5 replaces it"
TABLE = "failure_patterns"
VIEW = "docs/production_research/STAGE_AUDIT_LOG.md"


@dataclass
class Closed:
    """A workspace with two closed runs: both crashed, and one names no factor."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.local

    def settle(
        self, *flags: str, tag: str = NAMELESS, check: str = CHECK, reason: str = REASON
    ) -> int:
        where = self.workspace.flags(tag, "--check", check, "--reason", reason)
        return settle_failure.main([*where, *flags])

    def settlements(self) -> list[dict[str, Any]]:
        return ledger.settlements(self.root)

    def path(self, artifact: str) -> Path:
        return locations.workspace_path(self.root, artifact)

    def states(self) -> dict[tuple[str, str], str]:
        """Return the state of each failure, by tag and check."""
        rows = csv_files.read_rows(self.path(TABLE), json_files.columns(TABLE))
        return {(row["decision_tag"], row["check"]): row["state"] for row in rows}

    def record(self) -> Path:
        (folder,) = (self.root / locations.RUNS).glob(f"*_{NAMELESS}")
        return folder / "closing_record.json"

    def verify(self) -> int:
        return verify_workspace.main(["--local-root", str(self.root)])

    def rebuild(self) -> int:
        flags = ["--rebuild", "--local-root", str(self.root)]
        return update_failure_pattern_db.main(flags)


@pytest.fixture(scope="session")
def closed_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Close both runs once; each test has a copy."""
    folder = tmp_path_factory.mktemp("settle")
    workspace = Workspace(folder / "remote", folder / "local")
    for day, tag in enumerate((NAMELESS, NAMED), start=20):
        stamp = f"2026-02-{day}_031500"
        made = factory.make_run(workspace.remote, spoiled.crash, tag=tag, stamp=stamp)
        if tag == NAMELESS:
            command = made.run_dir(workspace.remote) / "command.sh"
            command.write_text("python run_production_gates.py --strategy base.yaml\n")
        assert workspace.close(tag) == 1
    return folder


@pytest.fixture
def closed(closed_runs: Path, tmp_path: Path) -> Closed:
    disk.DRY_RUN.set(False)  # a --dry-run before this would go on in the same process
    folder = tmp_path / "settle"
    shutil.copytree(closed_runs, folder)
    return Closed(Workspace(folder / "remote", folder / "local"))


def test_a_failure_is_settled(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    before = closed.states()
    assert before[NAMELESS, CHECK] == "open"
    assert closed.settle() == 0
    assert f"{CHECK} of {closed.record().parent.name}: settled, row 5" in capsys.readouterr().err
    assert closed.states() == before | {(NAMELESS, CHECK): "settled"}
    (row,) = closed.settlements()
    said = (row["run"], row["check"], row["reason"], row["writer"])
    assert said == (closed.record().parent.name, CHECK, REASON, None)
    view = (closed.root / VIEW).read_text()
    assert f"- `{CHECK}` of `{row['run']}` (row 5, {row['recorded_at']}): the disk was" in view
    held = json.loads(closed.record().read_text())["ledger_rows"]
    line = closed.path("stage_ledger").read_text().splitlines()[-1]
    assert held[-1] == line
    assert closed.verify() == 0


def test_only_what_speaks_of_it_changes(closed: Closed) -> None:
    before = closed.workspace.bytes()
    assert closed.settle() == 0
    after = closed.workspace.bytes()
    own = {name for name in after if NAMELESS in name or "gate_results" in name}
    assert {name for name in own if before.get(name) != after[name]} == {
        closed.record().relative_to(closed.root).as_posix()
    }
    registry = closed.path("factor_experiment_registry").relative_to(closed.root).as_posix()
    assert before[registry] == after[registry]


def test_a_rebuild_and_another_closing_give_the_same_bytes(closed: Closed) -> None:
    assert closed.settle() == 0
    before = closed.workspace.bytes()
    assert closed.workspace.close(NAMELESS) == 1
    assert closed.workspace.close(NAMED) == 1
    assert closed.workspace.bytes() == before
    assert closed.rebuild() == 0
    assert closed.workspace.bytes() == before


def test_settlements_come_back_with_the_ledger(closed: Closed) -> None:
    assert closed.settle() == 0
    path = closed.path("stage_ledger")
    before = path.read_bytes()
    path.unlink()
    assert restore_ledger.main(["--local-root", str(closed.root)]) == 0
    assert path.read_bytes() == before
    assert closed.verify() == 0


def test_a_lost_settlement_is_named(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    assert closed.settle() == 0
    path = closed.path("stage_ledger")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert closed.verify() != 0
    assert "row 5 about" in capsys.readouterr().out


def test_a_record_without_the_settlement_is_named_and_made_again(
    closed: Closed, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the process was killed between ledger and record."""
    before = closed.record().read_bytes()
    assert closed.settle() == 0
    after = closed.record().read_bytes()
    closed.record().write_bytes(before)
    assert closed.verify() != 0
    assert "the ledger's 3 rows about this run" in capsys.readouterr().out
    assert closed.workspace.close(NAMELESS) == 1
    assert closed.record().read_bytes() == after


def test_a_row_that_settles_again_is_named(
    closed: Closed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert closed.settle() == 0
    (row,) = closed.settlements()
    again = {name: row[name] for name in ("kind", "run", "check", "reason")}
    ledger.append(closed.root, again)
    assert closed.verify() != 0
    assert "something that no row before it says" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": " "}, "--reason: expected text, found nothing"),
        ({"check": "tags_agree"}, "expected a check that failed in this run, found pass; these"),
        ({"check": "nothing"}, "expected a check that failed in this run, found no such check"),
        (
            {"tag": NAMED, "check": "exit_code_zero"},
            "found the factor momentum_12_1; a later run of the factor settles it",
        ),
    ],
)
def test_refusals(
    closed: Closed, capsys: pytest.CaptureFixture[str], changes: dict[str, str], words: str
) -> None:
    before = closed.workspace.bytes()
    assert closed.settle(**changes) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
    assert closed.workspace.bytes() == before


def test_a_second_settlement_is_refused(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    assert closed.settle() == 0
    before = closed.workspace.bytes()
    capsys.readouterr()
    assert closed.settle(reason="another") == 2
    assert f"found row 5 of the ledger: {REASON}" in capsys.readouterr().err
    assert closed.workspace.bytes() == before


def test_a_run_that_is_not_closed_is_refused(
    closed: Closed, capsys: pytest.CaptureFixture[str]
) -> None:
    factory.make_run(closed.workspace.remote, tag="begun", stamp="2026-02-22_031500")
    assert closed.workspace.close("begun", "--to", "sync-run") == 0
    capsys.readouterr()
    assert closed.settle(tag="begun") == 3
    assert "expected an audit and its record, found none; close" in capsys.readouterr().err
    assert closed.settlements() == []


def test_an_edited_audit_is_refused(closed: Closed) -> None:
    path = closed.record().with_name("governance_audit_check.json")
    path.write_bytes(path.read_bytes().replace(b'"pass"', b'"fail"', 1))
    assert closed.settle() == 4
    assert closed.settlements() == []


def test_a_dry_run_writes_nothing(closed: Closed, capsys: pytest.CaptureFixture[str]) -> None:
    before = closed.workspace.bytes()
    assert closed.settle("--dry-run") == 0
    assert f"would settle {CHECK} of " in capsys.readouterr().err
    assert closed.workspace.bytes() == before
