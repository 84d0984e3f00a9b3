"""`make retention-plan`: what may be archived and why, and why a run is left out."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import retention_plan
from harness import factory
from harness import retained as runs
from harness.programs import run_without_root_rights
from harness.retained import ORIGINALS, Retained
from postrun.core import locations
from postrun.store import seals


def test_it_lists_files_and_says_why_others_stay(retained: Retained) -> None:
    plans = retained.plan()
    loser = plans["loser"]
    assert (loser["state"], loser["kept"]) == ("ready", [])
    names = [Path(file["path"]).name for file in loser["files"]]
    assert names == ["run.log", "walk_forward_summary.csv", "walk_forward_summary.csv"]
    assert "shard_00" in loser["files"][1]["path"]
    assert all(file["why"] for file in loser["files"])
    crashed = plans["crashed"]
    (kept,) = crashed["kept"]
    assert crashed["state"] == "nothing to archive"
    assert kept["path"].endswith("_crashed/run.log")
    assert kept["why"].endswith(" was made from it")
    paths = [file["path"] for file in plans["changed"]["files"]]
    assert any("/superseded_evidence/1/" in path for path in paths)


def test_it_prints_a_table(retained: Retained) -> None:
    lines = retained.run("retention_plan").out.splitlines()
    assert lines[0].endswith("_loser")
    path = retained.log().relative_to(retained.root)
    size = retained.log().stat().st_size
    assert lines[1] == f"{size:>16,}  {path}: {retained.plan()['loser']['files'][0]['why']}"
    assert any(line.startswith("stays: ") and "_crashed/run.log" in line for line in lines)
    assert any(line.startswith("left out: ") for line in lines)
    total = sum(file["size"] for plan in retained.plan().values() for file in plan["files"])
    assert lines[-1].startswith(f"{total:,} bytes in ")


def test_it_writes_nothing(retained: Retained) -> None:
    before = {path: path.stat().st_mtime_ns for path in retained.root.rglob("*")}
    assert retained.run("retention_plan").code == 0
    after = {path: path.stat().st_mtime_ns for path in retained.root.rglob("*")}
    assert after == before


def close_later_run(retained: Retained, *flags: str) -> None:
    factory.make_run(retained.workspace.remote, tag="later", stamp="2026-02-23_031500")
    assert retained.workspace.close("later", *flags) in (0, 1)


def state(retained: Retained, tag: str) -> tuple[str, str]:
    plan = retained.plan()[tag]
    assert plan["state"] == "ready" or plan["files"] == []
    return plan["state"], plan["reason"]


def test_a_run_after_the_seal_is_not_sealed(retained: Retained) -> None:
    close_later_run(retained)
    name, reason = state(retained, "later")
    assert name == "not sealed"
    assert reason.endswith("of the ledger came after the seal; seal the workspace: make seal")
    assert state(retained, "loser")[0] == "ready"
    retained.seal()
    assert state(retained, "later")[0] == "ready"


def test_without_a_good_seal_nothing_is_sealed(
    retained: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "newest", lambda _: None)
    assert state(retained, "loser")[0] == "not sealed"


def test_a_forged_seal_holds_nothing(retained: Retained) -> None:
    path = retained.root / "audit/seals/1.dsse.json"
    envelope = json.loads(path.read_text())
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = signature[:40] + signature[44:]
    path.write_text(json.dumps(envelope))
    done = retained.run("retention_plan", "--json")
    assert (done.code, done.err) == (0, "")
    assert {plan["state"] for plan in json.loads(done.out)["runs"]} == {"not sealed"}


def test_a_run_that_was_only_copied_is_not_closed(retained: Retained) -> None:
    close_later_run(retained, "--to", "sync-run")
    assert state(retained, "later") == ("not closed", "close the run: make finalize TAG=...")


def test_an_interrupted_closing_is_incomplete(retained: Retained) -> None:
    record = retained.run_paths().path("closing_record")
    record.write_text(record.read_text().replace('"open": false', '"open": true'))
    assert state(retained, "loser")[0] == "incomplete"


@pytest.mark.parametrize("artifact", ["run_log", "production_gates_report", "result"])
def test_an_edited_run_is_left_out(retained: Retained, artifact: str) -> None:
    path = retained.run_paths().path(artifact)
    runs.flip(path)
    name, reason = state(retained, "loser")
    assert name == "edited"
    assert reason.startswith(str(path.relative_to(retained.root)))


def make_link(path: Path) -> None:
    """Put a link to a file of the same content in the place of a file."""
    kept = path.parents[3] / "elsewhere.log"
    shutil.copy(path, kept)
    path.unlink()
    path.symlink_to(kept)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [make_link, make_fifo, Path.unlink])
def test_what_is_no_regular_file_is_edited(
    retained: Retained, change: Callable[[Path], object]
) -> None:
    change(retained.log())
    assert state(retained, "loser")[0] == "edited"


def test_a_run_that_is_worked_on_is_active(retained: Retained) -> None:
    lock = retained.root / locations.LOCKS / "run-loser.lock"
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert state(retained, "loser") == ("active", "another process works on it")
    assert state(retained, "loser")[0] == "ready"


def test_a_run_given_up_may_have_a_result_yet(retained: Retained) -> None:
    def without_result(made: factory.Documents) -> None:
        made.result = made.report = made.statistics = None

    factory.make_run(
        retained.workspace.remote, without_result, tag="later", stamp="2026-02-23_031500"
    )
    assert retained.workspace.close("later", "--abandoned", "the power went") == 1
    retained.seal()
    assert state(retained, "later")[0] == "active"


def test_only_the_runs_of_a_tag(retained: Retained) -> None:
    done = retained.run("retention_plan", "--json", "--tag", "changed")
    document = json.loads(done.out)
    assert [plan["tag"] for plan in document["runs"]] == ["changed"]
    assert document["tag"] == "changed"
    done = retained.run("retention_plan", "--tag", "los")
    assert done.code == 5
    assert "nearest: loser" in done.err
    assert retained.run("retention_plan", "--tag", "$(touch x)").code == 2


def test_a_hostile_folder_is_left_out(retained: Retained) -> None:
    name = "2026-02-24_031500_production_gates_$(touch x);\x1b[31m"
    (retained.root / locations.RUNS / name).mkdir()
    done = retained.run("retention_plan")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if "touch" in line]
    assert "left out: " in line
    assert "\x1b" not in done.out


def test_a_broken_ledger_is_refused(retained: Retained) -> None:
    path = retained.root / "audit/stage_ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    done = retained.run("retention_plan")
    assert done.code == 4
    assert "make restore-ledger" in done.err
    assert len(done.err.splitlines()) == 1


def test_an_unreadable_folder_leaves_its_run_out(retained: Retained) -> None:
    folder = retained.log().parent / "superseded_evidence"
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    done = run_without_root_rights("retention_plan", "--json", "--local-root", str(retained.root))
    folder.chmod(0o755)
    plans = {plan["tag"]: plan for plan in json.loads(done.out)["runs"]}
    assert plans["loser"]["state"] == "edited"
    assert "superseded_evidence" in plans["loser"]["reason"]


@pytest.mark.parametrize("mode", [0, 0o444])
def test_originals_that_cannot_be_read_are_named(retained: Retained, mode: int) -> None:
    retained.must_archive()
    folder = retained.root / ORIGINALS
    flags = ("--local-root", str(retained.root))
    folder.chmod(mode)
    done = run_without_root_rights("retention_plan", "--json", *flags)
    again = run_without_root_rights("retention_archive", "--tag", "loser", *flags)
    folder.chmod(0o755)
    plans = {plan["tag"]: plan for plan in json.loads(done.out)["runs"]}
    assert plans["loser"]["state"] == "edited"
    assert plans["loser"]["reason"].endswith("found Permission denied")
    assert again.code == 4
    assert again.err.strip().endswith("found Permission denied")


def test_a_package_is_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "ro-crate-metadata.json").write_text("{}")
    assert retention_plan.main(["--local-root", str(tmp_path)]) == 4
    assert "expected a workspace, found the package of one run" in capsys.readouterr().err
