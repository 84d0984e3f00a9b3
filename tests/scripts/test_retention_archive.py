"""`make retention-archive`: the archive is checked before anything moves; nothing else changes."""

import fcntl
import hashlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import build_site
import check_session_handoff_readiness
import retention_archive
import update_factor_experiment_registry
import update_failure_pattern_db
from harness import factory
from harness import retained as runs
from harness.programs import SCRIPTS, run_script, run_without_root_rights
from harness.retained import ARCHIVE, ORIGINALS, Retained
from postrun.core import locations
from postrun.store import archive_files, configuration, json_files, ledger

TABLES = ("audit/factor_registry/", "audit/failure_patterns/", "audit/site/")


def contents(retained: Retained, names: list[str]) -> dict[str, bytes]:
    return {name: (retained.root / name).read_bytes() for name in names}


def test_a_run_is_archived(retained: Retained) -> None:
    names = retained.names()
    before = contents(retained, names)
    archive = retained.must_archive()
    with tarfile.open(archive) as opened:
        assert opened.getnames() == names
        for name in names:
            member = opened.extractfile(name)
            assert member is not None
            assert member.read() == before[name]
    for name in names:
        assert not (retained.root / name).exists()
        original = retained.root / ORIGINALS / retained.run_paths().run / name
        assert original.read_bytes() == before[name]
    row = retained.row()
    assert (row["action"], row["files"]) == ("archived", len(names))
    assert row["bytes"] == sum(map(len, before.values()))
    assert row["archive_sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert archive.name == f"{retained.run_paths().run}-{row['archive_sha256'][:8]}.tar.xz"
    index = json.loads((retained.root / row["index"]).read_bytes())
    assert json_files.findings(index, "archive") == []
    assert [file["path"] for file in index["files"]] == names
    assert ledger.verify(retained.root) == []


def test_verify_follows_the_files_into_the_archive(retained: Retained) -> None:
    names = retained.names()
    retained.must_archive()
    done = retained.verify()
    assert (done.code, done.err.rpartition(": ")[2]) == (0, "nothing broken\n")
    for name in names:
        assert f"listed: {name}: expected a file in its place, found archived in {ARCHIVE}/" in (
            done.out
        )
    retained.free()
    assert retained.verify().code == 0
    assert retained.verify("--tag", "loser").code == 0


def test_all_of_the_plan_is_archived(retained: Retained) -> None:
    done = retained.archive()
    assert done.code == 0
    assert {row["run"] for row in retained.rows()} == {
        retained.run_paths(tag).run for tag in ("loser", "changed")
    }
    states = {tag: plan["state"] for tag, plan in retained.plan().items()}
    expected = {"loser": "archived", "crashed": "nothing to archive", "changed": "archived"}
    assert states == expected
    assert retained.verify().code == 0
    again = retained.archive()
    assert (again.code, again.out) == (0, "")
    assert "nothing to archive" in again.err
    assert len(retained.rows()) == 2


def rebuild_all(retained: Retained) -> None:
    """Make registry, patterns, handoff and site again from the run folders."""
    root = ["--local-root", str(retained.root)]
    for script in (update_factor_experiment_registry, update_failure_pattern_db):
        assert script.main(["--rebuild", *root]) == 0
    remote = ["--host", "local", "--remote-root", str(retained.workspace.remote)]
    assert check_session_handoff_readiness.main([*root, *remote]) in (0, 1)
    assert build_site.main([*root, *remote]) == 0


def test_a_rebuild_before_and_after_gives_the_same_bytes(retained: Retained) -> None:
    """Losers that are archived still count as trials."""
    rebuild_all(retained)
    before = retained.bytes()
    assert retained.archive().code == 0
    for tag in ("loser", "changed"):
        retained.free(tag)
    # Not one table or page that is made again may be found as it was left.
    for name in before:
        is_kept = "candidate_queue" in name or "next_run_plan" in name
        if name.startswith(TABLES) and not is_kept:
            (retained.root / name).unlink()
    rebuild_all(retained)
    after = retained.bytes()
    differing = {name for name in before.keys() & after.keys() if before[name] != after[name]}
    records = {
        f"{locations.RUNS}/{retained.run_paths(tag).run}/closing_record.json"
        for tag in ("loser", "changed")
    }
    of_ledger = {"audit/stage_ledger.jsonl", "docs/production_research/STAGE_AUDIT_LOG.md"}
    assert differing - {"audit/workspace_record.json"} == records | of_ledger
    statistics = before["audit/factor_registry/factor_statistics.csv"]
    assert after["audit/factor_registry/factor_statistics.csv"] == statistics
    assert retained.verify().code == 0


def test_a_seal_after_it_holds(retained: Retained) -> None:
    retained.must_archive()
    retained.seal()
    assert retained.verify().code == 0
    assert retained.restore().code == 0
    assert retained.plan()["loser"]["state"] == "ready", "its own rows ask for no other seal"


def test_closing_again_changes_no_byte(retained: Retained) -> None:
    for tag in ("loser", "changed"):
        retained.must_archive(tag)
        retained.free(tag)
        before = retained.bytes()
        assert retained.workspace.close(tag) in (0, 1)
        assert retained.bytes() == before
    assert retained.verify().code == 0


def test_changed_evidence_of_an_archived_run_is_refused(
    retained: Retained, capsys: pytest.CaptureFixture[str]
) -> None:
    retained.must_archive()
    (log,) = (retained.workspace.remote / locations.RUNS).glob("*_loser/run.log")
    log.write_text("other\n")
    before = retained.bytes()
    capsys.readouterr()
    for flags in ((), ("--accept-changed-evidence", "why not")):
        assert retained.workspace.close("loser", *flags) == 4
        said = capsys.readouterr().err
        assert "changed evidence, and the archive of row" in said
        assert "make retention-restore TAG=loser" in said
        assert retained.bytes() == before


def test_a_package_names_what_to_restore(retained: Retained) -> None:
    pytest.importorskip("rocrate")
    retained.must_archive()
    done = retained.run("package_run", "--tag", "loser")
    assert done.code == 4
    assert "bring its files back first: make retention-restore TAG=loser" in done.err
    assert retained.restore().code == 0
    assert retained.run("package_run", "--tag", "loser").code == 0


def test_the_command_that_frees_the_space_is_printed(retained: Retained) -> None:
    done = retained.archive("--tag", "loser")
    *_, command = done.out.splitlines()
    words = shlex.split(command)
    folder = retained.root / ORIGINALS / retained.run_paths().run
    assert words == ["rm", "-r", "--", str(folder)]
    assert folder.is_dir(), "it is printed, not run"
    assert retained.plan()["loser"]["free"] == command
    subprocess.run(command, shell=True, check=True)
    assert retained.plan()["loser"]["free"] is None
    assert retained.verify().code == 0


@pytest.mark.parametrize("name", ["a b", "it's; rm -rf $HOME", "-r", "x\ny", "\u202eabc"])
def test_the_command_is_quoted(retained: Retained, name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    retained.root.rename(root)
    done = run_script("retention_archive", "--tag", "loser", f"--local-root={root}")
    assert done.code == 0
    *_, command = done.out.splitlines()
    subprocess.run(command, shell=True, check=True, cwd=root)
    assert not list((root / ORIGINALS).glob("*"))


def test_the_same_files_make_the_same_bytes(retained: Retained) -> None:
    archive = retained.must_archive()
    before = archive.read_bytes()
    assert retained.restore().code == 0
    assert retained.must_archive() == archive
    assert archive.read_bytes() == before
    assert [row["action"] for row in retained.rows()] == ["archived", "restored", "archived"]
    assert retained.rows()[2]["index_sha256"] == retained.rows()[0]["index_sha256"]
    assert retained.verify().code == 0


def test_an_original_that_changes_meanwhile_stops_it(
    retained: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = retained.log()
    names = retained.names()
    write = archive_files.write

    def change_and_write(*args: object) -> object:
        runs.flip(log)
        return write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(archive_files, "write", change_and_write)
    done = retained.archive("--tag", "loser")
    assert done.code == 4
    assert f"{log}: expected the file that was recorded" in done.err
    assert all((retained.root / name).exists() for name in names)
    assert retained.rows() == []
    assert list((retained.root / ARCHIVE).glob("*")) == []


def test_an_original_that_changes_after_the_archive_stops_it(
    retained: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = retained.log()
    names = retained.names()
    write = archive_files.write

    def write_and_change(*args: object) -> object:
        written = write(*args)  # type: ignore[arg-type]
        runs.flip(log)
        return written

    monkeypatch.setattr(archive_files, "write", write_and_change)
    done = retained.archive("--tag", "loser")
    assert done.code == 4
    assert "expected the run as it was planned, found edited: " in done.err
    assert all((retained.root / name).exists() for name in names)
    assert retained.rows() == []
    monkeypatch.undo()
    runs.flip(log)
    done = retained.verify()
    assert done.code == 0, "an archive that no row names harms nobody"
    assert "none: its archive was not recorded; nothing depends on it" in done.out
    retained.must_archive()
    assert "not recorded" not in retained.verify().out


def swap(path: Path) -> None:
    path.write_text("other")


@pytest.mark.parametrize("change", [swap, Path.unlink])
def test_an_edited_run_is_refused_by_name(
    retained: Retained, change: Callable[[Path], object]
) -> None:
    change(retained.log())
    before = retained.bytes()
    done = retained.archive("--tag", "loser")
    assert done.code == 4
    assert "expected one that may be archived, found edited: " in done.err
    assert "make verify TAG=loser" in done.err
    assert len(done.err.splitlines()) == 1
    assert retained.bytes() == before


def test_a_run_that_is_not_sealed_is_refused(retained: Retained) -> None:
    factory.make_run(retained.workspace.remote, tag="later", stamp="2026-02-23_031500")
    assert retained.workspace.close("later") == 0
    done = retained.archive("--tag", "later")
    assert done.code == 3
    assert "found not sealed: row" in done.err


def test_a_policy_that_names_too_much_is_refused(
    retained: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"home": "gate", "pattern": "*.json", "why": "large"}
    load = configuration.load
    policy = {"policy_version": 2, "files": [rule]}
    monkeypatch.setattr(
        configuration, "load", lambda name: policy if name == "retention_policy" else load(name)
    )
    before = retained.bytes()
    done = retained.archive()
    assert done.code == 4
    assert "configs/retention_policy.json: $.files[0].pattern: expected one that cannot" in done.err
    assert retained.bytes() == before


def test_a_merged_table_in_the_folder_of_a_shard_stays(retained: Retained) -> None:
    """The report of a run with one shard may name its table, which is then read."""

    def name_the_shard(made: factory.Documents) -> None:
        summary = made.report["wf_stress"]["summary_csv"]
        shard = summary.replace("walk_forward_stress/", "walk_forward_stress/shard_00/")
        made.report["wf_stress"]["summary_csv"] = shard

    remote = retained.workspace.remote
    made = factory.make_run(remote, name_the_shard, tag="one", stamp="2026-02-23_031500")
    gate = remote / "gate_results" / str(made.gate_folder) / "walk_forward_stress"
    (merged,) = gate.glob("momentum*/walk_forward_summary.csv")
    shutil.copy(merged, gate / "shard_00" / merged.parent.name)
    assert retained.workspace.close("one") in (0, 1)
    retained.seal()
    plan = retained.plan()["one"]
    (kept,) = plan["kept"]
    assert "/shard_00/" in kept["path"]
    assert all("/shard_00/" not in file["path"] for file in plan["files"])


def test_a_dry_run_writes_nothing(retained: Retained) -> None:
    before = retained.bytes()
    done = retained.archive("--dry-run", "--tag", "loser")
    assert done.code == 0
    assert "would archive 3 files, " in done.err
    assert retained.bytes() == before


def test_json_fits_its_schema(retained: Retained) -> None:
    done = retained.archive("--json")
    document = json.loads(done.out)
    assert json_files.findings(document, "command_output") == []
    assert "rm -r -- " in document["words"]
    assert [Path(path).suffixes[-2:] for path in document["wrote"]] == [[".tar", ".xz"]] * 2


def test_a_run_that_is_being_closed_is_waited_for(retained: Retained) -> None:
    lock = retained.root / locations.LOCKS / "workspace.lock"
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = retained.archive("--tag", "loser", "--lock-wait", "0")
    assert done.code == 9
    assert retained.rows() == []
    assert all((retained.root / name).exists() for name in retained.names())


def test_two_at_once_archive_once(retained: Retained) -> None:
    command = [sys.executable, str(SCRIPTS / "retention_archive.py")]
    command += ["--local-root", str(retained.root)]
    codes: list[int] = []

    def archive() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        codes.append(done.returncode)

    threads = [threading.Thread(target=archive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert len(retained.rows()) == 2
    assert retained.verify().code == 0


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


def test_without_room_nothing_changes(retained: Retained) -> None:
    before = retained.bytes()
    command = [sys.executable, str(SCRIPTS / "retention_archive.py"), "--tag", "loser"]
    done = subprocess.run(
        [*command, "--local-root", str(retained.root)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_file_size,
    )
    assert done.returncode == 3
    assert "expected a place that can be written to, found File too large" in done.stderr
    assert retained.bytes() == before


def test_without_permission_it_says_so(retained: Retained) -> None:
    names = retained.names()
    before = retained.bytes()
    flags = ("--tag", "loser", "--local-root", str(retained.root))
    for folder in {(retained.root / name).parent for name in names}:
        folder.chmod(0o555)
        done = run_without_root_rights("retention_archive", *flags)
        folder.chmod(0o755)
        assert done.code == 3
        assert f"{folder}: expected a folder that can be written to, found Permis" in done.err
        assert retained.bytes() == before
    (retained.root / ORIGINALS).mkdir(parents=True)
    (retained.root / ORIGINALS).chmod(0o555)
    done = run_without_root_rights("retention_archive", *flags)
    (retained.root / ORIGINALS).chmod(0o755)
    assert done.code == 3
    assert retained.verify().code == 0, "the row is there, and so are the files"
    assert retained.plan()["loser"]["state"] == "unfinished"
    assert all((retained.root / name).exists() for name in names)
    retained.must_archive()
    assert not any((retained.root / name).exists() for name in names)
    assert retained.verify().code == 0


def test_a_gate_folder_on_another_disk_stays(
    retained: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postrun.core import disk

    device_of = disk.device_of
    monkeypatch.setattr(
        disk, "device_of", lambda path: device_of(path) + ("gate_results" in path.parts)
    )
    plan = retained.plan()["loser"]
    assert [Path(file["path"]).name for file in plan["files"]] == ["run.log"]
    assert len(plan["kept"]) == 2
    assert "on another file system than" in plan["kept"][0]["why"]


def test_names_of_any_bytes_come_back(retained: Retained) -> None:
    remote = retained.workspace.remote
    made = factory.make_run(remote, tag="odd", stamp="2026-02-23_031500")
    gate = remote / "gate_results" / str(made.gate_folder) / "walk_forward_stress/shard_00/odd"
    gate.mkdir()
    odd = [os.fsdecode(name) for name in (b"\xff\xfe.csv", b"a\nb.csv", b"-x $(y).csv")]
    for name in odd:
        (gate / name).write_text(name, errors="surrogateescape")
    assert retained.workspace.close("odd") in (0, 1)
    retained.seal()
    names = retained.names("odd")
    assert len(names) == 6
    before = contents(retained, names)
    retained.must_archive("odd")
    retained.free("odd")
    assert retained.verify().code == 0
    assert retained.restore("odd").code == 0
    assert contents(retained, names) == before


def test_main_answers_as_a_program(retained: Retained) -> None:
    assert retention_archive.main(["--tag", "none", "--local-root", str(retained.root)]) == 5
    assert retention_archive.main(["--tag", "../x", "--local-root", str(retained.root)]) == 2
