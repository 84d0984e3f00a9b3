"""Verifying a workspace from the command line: what is printed, the exit code, and that nothing is
written.
"""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import check_session_handoff_readiness
import update_factor_experiment_registry
import verify_workspace
from harness import programs
from harness.programs import run_script, run_without_root_rights
from harness.verified import ClosedRuns
from postrun.core import disk
from postrun.store import index, json_files, ledger
from postrun.verify import findings

SCRIPT = "verify_workspace"
OLD = Path(__file__).resolve().parents[1] / "data/old_workspace"


def where(closed: ClosedRuns) -> tuple[str, str]:
    return "--local-root", str(closed.root)


def test_a_whole_workspace(closed: ClosedRuns) -> None:
    done = run_script(SCRIPT, *where(closed))
    assert (done.code, done.out) == (0, "")
    lines = done.err.splitlines()
    assert lines[-1].startswith("3 runs, ")
    assert lines[-1].endswith(" files: nothing broken")
    assert run_script(SCRIPT, *where(closed), "-q") == programs.Ended(0, "", "")


def test_a_broken_file_is_named_with_what_hangs_on_it(closed: ClosedRuns) -> None:
    path = closed.path("governance_audit_check")
    closed.edit(path, lambda content: content.replace(b'"passed": true', b'"passed": false', 1))
    done = run_script(SCRIPT, *where(closed), "-q")
    assert done.code == 4
    first, affected, *_ = done.out.splitlines()
    assert first.startswith(f"broken: {path}: expected ")
    assert "make governance-audit TAG='run0'" in done.out
    assert closed.path("governance_remediation_plan") in affected
    assert done.err.splitlines() == [f"3 runs, {_files(closed)} files: 1 file broken"]


def _files(closed: ClosedRuns) -> int:
    found = [path for path in closed.root.rglob("*") if path.is_file()]
    return len([path for path in found if not {".locks", ".cache"} & {*path.parts}])


def test_a_forged_index_is_not_believed(
    closed: ClosedRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index says that the ledger as it is now has no fault."""
    path = "audit/stage_ledger.jsonl"
    assert ledger.verify(closed.root) == []
    closed.edit(path, lambda content: content.replace(b'"fail"', b'"pass', 1))
    content = (closed.root / path).read_bytes()
    digest = ""
    for line in content.splitlines(keepends=True):
        digests = digest + disk.content_digest(line)
        digest = disk.content_digest(digests.encode())
    stamp = f"{len(content)} {digest}"

    def forge(connection: sqlite3.Connection) -> None:
        changed = connection.execute("UPDATE made_of SET stamp = ? WHERE name = 'ledger'", [stamp])
        assert changed.rowcount == 1

    index.use(closed.root, forge)
    assert ledger.verify(closed.root) == []
    assert verify_workspace.main([*where(closed), "-q"]) == 4
    assert f"broken: {path}: expected an intact chain of rows" in capsys.readouterr().out
    # Nor do a rebuild, and the handoff alone.
    assert update_factor_experiment_registry.main([*where(closed), "-q", "--rebuild"]) == 4
    assert "stage_ledger.jsonl: expected whole rows" in capsys.readouterr().err
    assert check_session_handoff_readiness.main([*where(closed)]) == 1
    assert "not ready: ledger_intact" in capsys.readouterr().err
    assert ledger.verify(closed.root) == []


def test_json_has_the_documented_shape(
    closed: ClosedRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    closed.edit(closed.path("run_log"), lambda content: content + b"more")
    assert verify_workspace.main([*where(closed), "--json", "--tag", "run0"]) == 4
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    json_files.check(document, "workspace_verification", "stdout")
    assert (document["tag"], document["runs"], document["broken"]) == ("run0", 1, 1)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--tag", "rn1"], 5, "tag rn1: expected a run of this workspace, found none; nearest: "),
        (["--tag", "../x"], 2, "decision tag: expected a full match of "),
        (["--local-root", "nowhere"], 3, "nowhere: expected a workspace, found no folder"),
        (["--local-root", "audit"], 3, "audit: expected a workspace, found a folder without audit"),
    ],
)
def test_what_cannot_be_verified(
    closed: ClosedRuns,
    flags: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(closed.root)
    done = run_script(SCRIPT, *where(closed), *flags)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(words)


def test_nothing_in_the_workspace_changes(closed: ClosedRuns) -> None:
    def snapshot() -> dict[Path, tuple[int, ...]]:
        seen: dict[Path, tuple[int, ...]] = {}
        for path in [closed.root, *closed.root.rglob("*")]:
            status = path.lstat()
            times = (status.st_mtime_ns, status.st_ctime_ns)
            seen[path] = (status.st_ino, status.st_size, status.st_mode, *times)
        return seen

    closed.edit(closed.path("factor_experiment_registry"), bytes.upper)
    closed.edit(closed.path("run_log", 1), bytes.upper)
    before = snapshot()
    assert run_script(SCRIPT, *where(closed)).code == 4
    assert snapshot() == before


def test_a_workspace_that_may_only_be_read(closed: ClosedRuns) -> None:
    folders = [path for path in closed.root.rglob("*") if path.is_dir()]
    for folder in [closed.root, *folders]:
        folder.chmod(0o555)
    done = run_without_root_rights(SCRIPT, *where(closed))
    for folder in [closed.root, *folders]:
        folder.chmod(0o755)
    assert (done.code, done.out) == (0, "")


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_what_may_not_be_read_is_named(closed: ClosedRuns) -> None:
    paths = [closed.path("governance_audit_check"), closed.path("run_log", 1)]
    paths.append(closed.path("factor_experiment_registry"))
    for path in paths:
        (closed.root / path).chmod(0)
    done = run_without_root_rights(SCRIPT, *where(closed))
    assert (done.code, "Traceback" in done.err) == (4, False)
    for path in paths:
        assert f"broken: {path}: " in done.out


@pytest.mark.parametrize("change", [make_fifo, make_folder])
@pytest.mark.parametrize(
    "artifact",
    [
        "closing_record",
        "context",
        "evidence_manifest",
        "factor_experiment_registry",
        "governance_audit_check",
        "stage_ledger",
        "workspace_record",
    ],
)
def test_what_is_no_file_is_named_and_not_waited_for(
    closed: ClosedRuns, artifact: str, change: Callable[[Path], None]
) -> None:
    path = closed.path(artifact)
    change(closed.root / path)
    done = run_script(SCRIPT, *where(closed))
    assert done.code == 4
    assert f"broken: {path}: " in done.out


def test_what_an_earlier_release_closed_is_listed_and_not_broken() -> None:
    done = run_script(SCRIPT, "--local-root", str(OLD))
    assert done.code == 0
    assert {line.partition(":")[0] for line in done.out.splitlines()} == {"listed"}
    assert done.out.count("no record: closed by an earlier release") == 5


def test_progress_is_shown_on_a_terminal(closed: ClosedRuns) -> None:
    flags = list(where(closed))
    shown = programs.on_a_terminal("verify_workspace.py", flags, "3 of 3 runs", ends=True)
    assert "verified 3 of 3 runs" in shown


def test_many_files_of_which_the_same_is_said_are_one_line() -> None:
    found = [
        findings.listed(f"run{number}", "its inputs", "an older version") for number in range(9)
    ]
    other = findings.listed("run9", "its inputs", "a kept copy")
    assert verify_workspace.lines([*found[:8], other]) == [str(one) for one in (*found[:8], other)]
    many = verify_workspace.lines([*found, other])
    assert many == [
        "listed: 9 files, the first is run0 (--json names all): expected its inputs, "
        "found an older version",
        str(other),
    ]


def test_each_broken_file_has_a_line() -> None:
    found = [findings.broken(f"run{number}", "its digest", "another") for number in range(9)]
    assert verify_workspace.lines(found) == list(map(str, found))
