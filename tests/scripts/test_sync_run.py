"""Bringing evidence home: whole, proved, never twice, and never silently over what was there."""

import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import detect_run
import monitor_then_finalize
import sync_run
from harness import factory, programs
from harness.factory import put
from harness.sshd import Sshd
from harness.workspace import location_flags
from postrun.core import disk
from postrun.core.locations import RunPaths
from postrun.remote import workstation
from postrun.store import documents
from sync_run import main

# tests side by side must not see each other's processes
TAG = f"committee_2026-02-21_run4.{os.getpid()}"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
GATE = "production_gates_2026-02-21_031700"
RUN_PATH = f"audit/workstation_runs/{RUN}"
GATE_PATH = f"gate_results/{GATE}"
FILES = 17  # of an untouched run
make_run = functools.partial(factory.make_run, tag=TAG)


class Flow:
    """Detects and syncs one run between two roots."""

    def __init__(self, remote: Path, local: Path, host: str) -> None:
        self.remote, self.local, self.host = remote, local, host

    def flags(self, *more: str) -> list[str]:
        where = location_flags(self.remote, self.local, self.host)
        return ["--tag", TAG, *where, *more]

    def __call__(self, *more: str) -> int:
        return main(self.flags(*more))

    def detect(self, *more: str) -> None:
        assert detect_run.main(self.flags(*more)) == 0

    def manifest(self) -> dict[str, Any]:
        document: dict[str, Any] = documents.read(
            RunPaths(self.local, RUN, GATE), "evidence_manifest"
        )
        return document


@pytest.fixture
def flow(remote: Path, local: Path) -> Flow:
    made = Flow(remote, local, "local")
    make_run(remote)
    made.detect()
    return made


@pytest.fixture(params=["local", "ssh"])
def both(request: pytest.FixtureRequest, remote: Path, local: Path) -> Flow:
    """Return a detected run, over both hosts in turn."""
    made = Flow(
        remote, local, request.getfixturevalue("ssh_host") if request.param == "ssh" else "local"
    )
    make_run(remote)
    made.detect()
    return made


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Return every file below a root, but the locks, with digest and modification time."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }


def contents(root: Path) -> dict[str, str]:
    return {path: digest for path, (digest, _) in tree(root).items()}


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line of a refusal."""
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()[-1]


def test_everything_comes_home_and_is_recorded(
    both: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert both() == 0
    shown = capsys.readouterr()
    assert shown.err == f"sync-run: {FILES} files (0.0 MB), {FILES} fetched, verified\n"
    assert shown.out == f"{both.local / RUN_PATH}/evidence_manifest.json\n"
    manifest, expected = both.manifest(), contents(both.remote)
    assert {row["path"]: row["sha256"] for row in manifest["files"]} == expected
    assert {
        path: digest for path, digest in contents(both.local).items() if path in expected
    } == expected
    assert all(
        row["size"] == (both.remote / row["path"]).stat().st_size for row in manifest["files"]
    )
    assert {row["source"] for row in manifest["files"]} == {both.host}
    assert (manifest["verified"], manifest["links"], manifest["changes"]) == (True, [], [])
    assert (manifest["run_folder"], manifest["gate_folder"]) == (RUN, GATE)


def test_a_second_sync_moves_nothing_and_changes_no_byte(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flow() == 0
    before = tree(flow.local)
    moved: list[object] = []
    monkeypatch.setattr(
        workstation.Workstation, "copy_files", lambda *given, **_: moved.append(given)
    )
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4000000000")
    assert flow() == 0
    assert tree(flow.local) == before
    assert moved == []


def test_another_name_for_the_host_changes_no_byte(both: Flow) -> None:
    assert both() == 0
    before = tree(both.local)
    for other in (Flow(both.remote, both.local, "local"), both):
        assert other() == 0
        assert other("--no-sync") == 0
    assert tree(both.local) == before


def test_the_far_side_is_never_written(flow: Flow) -> None:
    before = tree(flow.remote)
    assert flow() == 0
    assert tree(flow.remote) == before


def test_files_of_this_project_stay_on_both_sides(flow: Flow) -> None:
    external = [
        "governance_audit_check.json",
        "evidence_manifest.json",
        "monitor_events.jsonl",
        "superseded_evidence/1/x",
    ]
    for name in external:
        put(flow.remote / RUN_PATH / name, b"the far side's")
    put(flow.remote / GATE_PATH / "production_gates_final_summary.md", b"the far side's")
    put(flow.remote / RUN_PATH / "sub/run_detection.json", b"evidence: not at the top")
    put(flow.local / RUN_PATH / "governance_audit_check.json", b"ours")
    assert flow() == 0
    assert (flow.local / RUN_PATH / "governance_audit_check.json").read_bytes() == b"ours"
    assert not (flow.local / RUN_PATH / "monitor_events.jsonl").exists()
    assert not (flow.local / RUN_PATH / "superseded_evidence").exists()
    assert not (flow.local / GATE_PATH / "production_gates_final_summary.md").exists()
    paths = {row["path"] for row in flow.manifest()["files"]}
    assert len(paths) == FILES + 1
    assert f"{RUN_PATH}/sub/run_detection.json" in paths


# --- changed evidence


def change_here(flow: Flow) -> str:
    path = flow.local / RUN_PATH / "result.json"
    path.write_text(path.read_text().replace('"exit_code": 0', '"exit_code": 1'))
    return f"{RUN_PATH}/result.json changed here"


def change_here_keeping_size_and_time(flow: Flow) -> str:
    path = flow.local / GATE_PATH / "production_gates_report.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"overall_pass": true', '"overall_pass": null'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return f"{GATE_PATH}/production_gates_report.json changed here"


def remove_here(flow: Flow) -> str:
    (flow.local / GATE_PATH / "cost_stress_results.csv").unlink()
    return f"{GATE_PATH}/cost_stress_results.csv gone here"


def add_here(flow: Flow) -> str:
    put(flow.local / GATE_PATH / "walk_forward_stress/made_up.csv", b"1")
    return f"{GATE_PATH}/walk_forward_stress/made_up.csv added here"


def link_here(flow: Flow) -> str:
    (flow.local / GATE_PATH / "link").symlink_to("/etc/passwd")
    return f"{GATE_PATH}/link added here"


def change_there(flow: Flow) -> str:
    put(flow.remote / RUN_PATH / "run.log", b"more came")
    return f"{RUN_PATH}/run.log changed on the workstation"


def change_there_keeping_size_and_time(flow: Flow) -> str:
    path = flow.remote / RUN_PATH / "run.log"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return f"{RUN_PATH}/run.log changed on the workstation"


def remove_there(flow: Flow) -> str:
    (flow.remote / GATE_PATH / "cost_stress_results.csv").unlink()
    return f"{GATE_PATH}/cost_stress_results.csv gone on the workstation"


def add_there(flow: Flow) -> str:
    put(flow.remote / GATE_PATH / "late.csv", b"1")
    return f"{GATE_PATH}/late.csv added on the workstation"


def link_there(flow: Flow) -> str:
    (flow.remote / GATE_PATH / "late").symlink_to("x")
    return f"{GATE_PATH}/late added on the workstation"


HERE = [change_here, change_here_keeping_size_and_time, remove_here, add_here, link_here]
THERE = [change_there, change_there_keeping_size_and_time, remove_there, add_there, link_there]


@pytest.mark.parametrize("spoil", [*HERE, *THERE])
def test_changed_evidence_is_refused_and_nothing_moves(
    spoil: Any, flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow() == 0
    words = spoil(flow)
    before = tree(flow.local)
    capsys.readouterr()
    assert flow() == 4
    line = last_line(capsys)
    assert line.startswith(
        f"evidence of {RUN}: expected what evidence_manifest.json records, found {words}; "
    )
    assert '--accept-changed-evidence "reason"' in line
    assert tree(flow.local) == before


@pytest.mark.parametrize(
    "spoil", [change_here, remove_here, link_here, change_there_keeping_size_and_time, add_there]
)
def test_changed_evidence_is_taken_with_a_reason(spoil: Any, flow: Flow) -> None:
    assert flow() == 0
    path = (
        spoil(flow).rpartition(" on the workstation")[0].rpartition(" ")[0]
        if spoil in THERE
        else spoil(flow)[:-5]
    )
    path = path.rpartition(" ")[0] if spoil in HERE else path
    old = contents(flow.local)
    assert flow("--accept-changed-evidence", "the disk was repaired") == 0
    manifest = flow.manifest()
    (change,) = manifest["changes"]
    assert (change["reason"], change["files"]) == ("the disk was repaired", [path])
    assert {row["path"]: row["sha256"] for row in manifest["files"]} == contents(flow.remote)
    aside = flow.local / RUN_PATH / "superseded_evidence/1"
    kept = contents(aside) if aside.exists() else {}
    if spoil in (remove_here, add_there, link_there):
        assert (change["in"], change["kept"], kept) == (None, [], {})
    elif spoil is link_here:
        assert (aside / path).is_symlink()
    else:
        assert (change["in"], change["kept"]) == ("superseded_evidence/1", [path])
        assert kept == {path: old[path]}, "what was there is kept as it was"
    assert manifest["verified"] is True
    before = tree(flow.local)
    assert flow() == 0
    assert flow("--accept-changed-evidence", "again, for no reason") == 0
    assert tree(flow.local) == before, "accepted once, it is the evidence"


def test_every_accepted_change_has_a_folder_of_its_own(flow: Flow) -> None:
    assert flow() == 0
    for number in (1, 2, 3):
        put(flow.remote / RUN_PATH / "run.log", f"log {number}".encode())
        assert flow("--accept-changed-evidence", f"reason {number}") == 0
    changes = flow.manifest()["changes"]
    assert [change["in"] for change in changes] == [
        f"superseded_evidence/{number}" for number in (1, 2, 3)
    ]
    aside = flow.local / RUN_PATH / "superseded_evidence"
    assert [(aside / str(number) / RUN_PATH / "run.log").read_bytes() for number in (2, 3)] == [
        b"log 1",
        b"log 2",
    ]


def test_many_changes_are_counted(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    assert flow() == 0
    for number in range(9):
        put(flow.remote / GATE_PATH / f"late_{number}.csv", b"1")
    assert flow() == 4
    assert f"{GATE_PATH}/late_4.csv added on the workstation and 4 more; " in last_line_of(capsys)


def last_line_of(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_accepting_needs_words(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    assert flow("--accept-changed-evidence", "  ") == 2
    assert "--accept-changed-evidence: expected text" in last_line_of(capsys)


def test_what_lay_here_before_the_first_sync_is_kept_aside(flow: Flow) -> None:
    put(flow.local / RUN_PATH / "result.json", b"a made-up result")
    put(
        flow.local / RUN_PATH / "context.json",
        (flow.remote / RUN_PATH / "context.json").read_bytes(),
    )
    put(flow.local / GATE_PATH / "extra.csv", b"a made-up table")
    assert flow() == 0
    (change,) = flow.manifest()["changes"]
    wrong = [f"{RUN_PATH}/result.json", f"{GATE_PATH}/extra.csv"]
    assert (change["files"], change["kept"]) == (wrong, wrong)
    aside = flow.local / RUN_PATH / "superseded_evidence/1"
    assert (aside / wrong[0]).read_bytes() == b"a made-up result"
    assert (aside / wrong[1]).read_bytes() == b"a made-up table"
    expected = contents(flow.remote)
    assert {row["path"]: row["sha256"] for row in flow.manifest()["files"]} == expected


def test_a_broken_manifest_is_kept_and_made_again(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow() == 0
    path = flow.local / RUN_PATH / "evidence_manifest.json"
    before = json.loads(path.read_bytes())
    path.write_text("{")
    assert flow() == 0
    (kept,) = path.parent.glob("evidence_manifest.*-*.json")
    assert kept.read_text() == "{"
    assert f"kept as {kept.name}" in capsys.readouterr().err
    assert json.loads(path.read_bytes())["files"] == before["files"]


def test_another_gate_folder_is_changed_evidence(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow() == 0
    later = json.loads((flow.remote / GATE_PATH / "production_gates_report.json").read_bytes())
    later["generated_at"] = "2026-02-21T05:15:20"
    put(
        flow.remote
        / "gate_results/production_gates_2026-02-21_041500/production_gates_report.json",
        later,
    )
    flow.detect()
    assert flow() == 4
    assert f"{GATE_PATH}/cost_stress_results.csv gone here" in last_line_of(capsys)


# --- what lies in the folders


def test_links_are_recorded_and_not_followed(flow: Flow) -> None:
    secret = flow.remote / "secret"
    put(secret / "key.txt", b"not evidence")
    (flow.remote / RUN_PATH / "out").symlink_to(secret)
    (flow.remote / GATE_PATH / "file").symlink_to(secret / "key.txt")
    assert flow() == 0
    assert flow.manifest()["links"] == [
        {"path": f"{RUN_PATH}/out", "target": str(secret)},
        {"path": f"{GATE_PATH}/file", "target": str(secret / "key.txt")},
    ]
    assert not list(flow.local.rglob("key.txt"))
    assert not (flow.local / RUN_PATH / "out").is_symlink()
    assert flow() == 0, "a link that was not copied is not gone"


def test_odd_names_come_home(both: Flow) -> None:
    for number, name in enumerate(
        (b"two words", b"it's", b'"q"', b"two\nlines", b"a\\b", b"-n", b"\xe9", b"$(id);*")
    ):
        put(both.remote / GATE_PATH / "odd" / os.fsdecode(name) / "x.csv", f"{number}".encode())
    assert both() == 0
    expected = contents(both.remote)
    assert {row["path"]: row["sha256"] for row in both.manifest()["files"]} == expected
    assert {
        path: digest for path, digest in contents(both.local).items() if path in expected
    } == expected
    assert both() == 0


def test_a_run_without_a_report_is_its_run_folder(remote: Path, local: Path) -> None:
    flow = Flow(remote, local, "local")
    made = make_run(remote, change=lambda made: made.result.update(exit_code=1))
    (remote / f"gate_results/{made.gate_folder}/production_gates_report.json").unlink()
    flow.detect()
    assert flow() == 0
    manifest = flow.manifest()
    assert manifest["gate_folder"] is None
    assert all(row["path"].startswith(RUN_PATH) for row in manifest["files"])
    assert not (local / "gate_results").exists()


# --- without a workstation


def test_a_run_that_lies_here_is_recorded_as_unverified(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(local)
    before = tree(local)
    flow = Flow(local, local, "local")
    flow.detect("--no-sync")
    capsys.readouterr()
    assert flow("--no-sync") == 0
    assert capsys.readouterr().err == f"sync-run: {FILES} files (0.0 MB), 0 fetched, unverified\n"
    assert flow.manifest()["verified"] is False
    assert {path: it for path, it in tree(local).items() if path in before} == before
    again = tree(local)
    assert flow("--no-sync") == 0
    assert flow() == 0, "a workstation that is the workspace itself proves nothing either"
    assert tree(local) == again


def test_changed_evidence_is_refused_without_a_workstation_too(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow() == 0
    assert flow("--no-sync") == 0
    assert flow.manifest()["verified"] is True, "what was proved stays proved"
    words = change_here(flow)
    assert flow("--no-sync") == 4
    assert words in last_line_of(capsys)
    assert flow("--no-sync", "--accept-changed-evidence", "edited by hand") == 0
    assert flow.manifest()["verified"] is False
    assert flow.manifest()["changes"][0]["in"] is None, "the old content is nowhere"


def test_an_unverified_run_is_verified_by_a_sync(flow: Flow) -> None:
    make_run(flow.local)
    os.utime(flow.local / RUN_PATH / "result.json")
    assert flow("--no-sync") == 0
    assert flow.manifest()["verified"] is False
    assert flow() == 0
    assert flow.manifest()["verified"] is True


# --- refusals


def test_it_needs_a_detection(
    remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    assert Flow(remote, local, "local")() == 3
    assert "expected a detected run" in last_line_of(capsys)


def test_a_gate_folder_that_vanished(both: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    (both.remote / GATE_PATH).rename(both.remote / "elsewhere")
    assert both() == 3
    assert last_line_of(capsys).startswith(
        f"{GATE_PATH} on workstation {both.host}: expected a folder"
    )


def test_a_file_that_changes_while_it_is_copied(
    flow: Flow, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_files = workstation.Workstation.copy_files

    def late(asked: workstation.Workstation, *arguments: Any, **options: Any) -> None:
        put(flow.remote / RUN_PATH / "run.log", b"one line more")
        copy_files(asked, *arguments, **options)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(workstation.Workstation, "copy_files", late)
        assert flow() == 4
    assert f"found others for {RUN_PATH}/run.log" in last_line_of(capsys)
    assert not (flow.local / RUN_PATH / "evidence_manifest.json").exists()
    assert flow() == 0


def test_a_rehearsal_copies_nothing(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(flow.local)
    capsys.readouterr()
    assert flow("--dry-run") == 0
    assert f"would fetch {FILES} of {FILES} files" in capsys.readouterr().err
    assert tree(flow.local) == before


def test_a_sync_that_was_killed_goes_on(
    sshd: Sshd, remote: Path, local: Path, tmp_path: Path
) -> None:
    """rsync is killed in the middle of a large file.

    The next sync brings the rest, and only that.
    """
    make_run(remote)
    put(remote / GATE_PATH / "zz/large.bin", os.urandom(6_000_000))
    flow = Flow(remote, local, sshd.host)
    flow.detect()
    slow = tmp_path / "bin"
    put(slow / "rsync", f'#!/bin/sh\nexec {_which("rsync")} --bwlimit=1000 "$@"\n'.encode())
    (slow / "rsync").chmod(0o755)
    script = Path(__file__).resolve().parents[2] / "scripts/sync_run.py"
    environment = {**os.environ, "PATH": f"{slow}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, str(script), *flow.flags()], env=environment, start_new_session=True
    )
    deadline = time.monotonic() + 20
    while not list(local.rglob(".large.bin.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, 9)
    process.wait()
    assert not (local / RUN_PATH / "evidence_manifest.json").exists()
    come = f".postrun-copy/files/{RUN}/"
    arrived = {
        name.removeprefix(come): file
        for name, file in tree(local / RUN_PATH).items()
        if name.startswith(come)
    }
    assert "result.json" in arrived
    assert not (local / RUN_PATH / "result.json").exists(), "not before all of them are here"
    assert flow() == 0
    assert not list(local.rglob(".postrun-copy"))
    assert flow.manifest()["changes"] == []
    assert {row["path"]: row["sha256"] for row in flow.manifest()["files"]} == contents(remote)
    assert {path: it for path, it in tree(local / RUN_PATH).items() if path in arrived} == arrived


def _which(name: str) -> str:
    return subprocess.run(
        ["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("disks", [1, 2])
def test_one_rsync_brings_both_folders_that_are_on_one_disk(
    disks: int, both: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate folder is where --out-dir led it, and may be on a disk of its own here."""
    bin_folder, started = tmp_path / "bin", tmp_path / "started"
    program = f'#!/bin/sh\necho 1 >> {started}\nexec {_which("rsync")} "$@"\n'
    put(bin_folder / "rsync", program)
    (bin_folder / "rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    if disks == 2:
        monkeypatch.setattr(disk, "device_of", lambda path: len(path.relative_to(both.local).parts))
    assert both() == 0
    assert started.read_text().split() == ["1"] * disks
    assert both.manifest()["verified"] is True
    recorded = {row["path"]: row["sha256"] for row in both.manifest()["files"]}
    assert recorded == contents(both.remote)
    assert not list(both.local.rglob(".postrun-copy"))


@pytest.mark.skipif(not programs.STATUS.exists(), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_log(flow: Flow) -> None:
    with (flow.remote / RUN_PATH / "run.log").open("wb") as log:
        log.truncate(200 * 2**20)
    code, most = programs.peak_memory("sync_run", *flow.flags())
    assert code == 0
    assert 0 < most < 150 * 1024
    assert {row["size"] for row in flow.manifest()["files"]} >= {200 * 2**20}


def test_the_lock_names_its_holder(flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from postrun.core import locks; from pathlib import Path\n"
    code += (
        "with locks.hold(Path(sys.argv[1]), 0, 'another sync'):\n    print(flush=True); "
        "sys.stdin.read()"
    )
    path = flow.local / f"audit/.locks/run-{TAG}.lock"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "scripts")}
    command = [sys.executable, "-c", code, str(path)]
    holder = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        assert flow("--lock-wait", "0") == 9
    finally:
        holder.communicate()
    assert "found it held by another sync" in last_line_of(capsys)


LITTER = (".nfs000000000a1b2c3d", ".run.log.swp", "run.log~", "._run.log", "Thumbs.db", ".DS_Store")


def test_litter_on_either_side_is_no_evidence(
    both: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in LITTER:
        put(both.remote / RUN_PATH / name, b"there")
        put(both.remote / GATE_PATH / "walk_forward_stress" / name, b"there")
    assert both() == 0
    for name in LITTER:
        put(both.local / RUN_PATH / name, b"here")
        put(both.local / GATE_PATH / name, b"here")
    (both.remote / RUN_PATH / LITTER[0]).unlink()
    before = (both.local / RUN_PATH / "evidence_manifest.json").read_bytes()
    capsys.readouterr()
    assert both() == 0
    assert "0 fetched, verified" in capsys.readouterr().err
    assert (both.local / RUN_PATH / "evidence_manifest.json").read_bytes() == before
    listed = {Path(row["path"]).name for row in both.manifest()["files"]}
    assert listed.isdisjoint(LITTER)
    assert not (both.local / GATE_PATH / "walk_forward_stress/run.log~").exists()
    assert (both.local / RUN_PATH / "run.log~").read_bytes() == b"here"


def test_a_folder_that_is_called_like_litter_is_copied(both: Flow) -> None:
    put(both.remote / GATE_PATH / "walk_forward_stress/alpha~/walk_forward_summary.csv", b"1")
    put(both.remote / GATE_PATH / "walk_forward_stress/alpha~/.nfs01", b"1")
    assert both() == 0
    folder = both.local / GATE_PATH / "walk_forward_stress/alpha~"
    assert [path.name for path in folder.iterdir()] == ["walk_forward_summary.csv"]


@pytest.fixture
def small_disk(local: Path) -> list[str]:
    """Return the words that run a command with a disk of one megabyte in place of gate_results."""
    folder = local / "gate_results"
    folder.mkdir()
    mount = f'mount -t tmpfs -o size=1m tmpfs {shlex.quote(str(folder))} && exec "$@"'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    return words


def run_on(
    small_disk: list[str], flow: Flow, script: Any = sync_run, *more: str
) -> subprocess.CompletedProcess[str]:
    command = [*small_disk, sys.executable, script.__file__, *flow.flags(*more)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_copy_that_has_no_room_is_refused_before_it_begins(
    small_disk: list[str], flow: Flow
) -> None:
    put(flow.remote / GATE_PATH / "large.csv", b"x" * 3_000_000)
    refused = run_on(small_disk, flow)
    assert refused.returncode == 3
    assert re.fullmatch(
        rf"disk of {flow.local}/gate_results: expected room for 3,0\d\d,\d\d\d bytes that are "
        r"still to be copied, found 1,048,576 bytes free; make room there and sync again\n",
        refused.stderr,
    )
    assert not (flow.local / RUN_PATH / "result.json").exists()


def test_a_disk_that_becomes_full_during_the_copy_is_no_outage(
    small_disk: list[str], both: Flow
) -> None:
    """The size of a file with an odd name is not known before the copy."""
    put(both.remote / GATE_PATH / "odd\nname.csv", b"x" * 3_000_000)
    refused = run_on(small_disk, both)
    assert refused.returncode == 3
    assert "expected a copy that can be written here" in refused.stderr
    assert "No space left on device" in refused.stderr
    assert "make room on this machine" in refused.stderr


def test_the_monitor_does_not_wait_for_room_on_this_machine(
    small_disk: list[str], flow: Flow
) -> None:
    put(flow.remote / GATE_PATH / "large.csv", b"x" * 3_000_000)
    ended = run_on(small_disk, flow, monitor_then_finalize, "--interval", "0.2")
    assert ended.returncode == 3
    # As it happens, and in the last line.
    assert ended.stderr.count("bytes that are still to be copied") == 2


def test_a_place_that_may_not_be_written_to_is_named(small_disk: list[str], flow: Flow) -> None:
    read_only = [word.replace("size=1m", "ro") for word in small_disk]
    refused = run_on(read_only, flow)
    assert refused.returncode == 3
    assert "gate_results/" in refused.stderr
    assert "expected a place that can be written to, found Read-only file system" in refused.stderr


def test_room_counts_on_the_disk_of_each_folder(small_disk: list[str], flow: Flow) -> None:
    put(flow.remote / RUN_PATH / "large.csv", b"x" * 3_000_000)
    assert run_on(small_disk, flow).returncode == 0
