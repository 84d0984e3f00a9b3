"""What becomes of a run whose gate report is elsewhere, broken, unreadable or not there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import factory, programs
from harness.factory import Documents
from harness.workspace import CLOSING, Workspace, location_flags

# A tag of its own: detection looks at the machine's real processes.
TAG = f"elsewhere_2026-02-21_run1.{os.getpid()}"
STAMP = "2026-02-21_031500"
WHY = ("--abandoned", "nobody can read it")


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    return Workspace(remote, local)


def make_run(
    root: Path, out_dir: str = "", change: Callable[[Documents], object] | None = None
) -> Documents:
    """Write a run whose command says where its gate folder is."""
    made = factory.make_run(root, tag=TAG, stamp=STAMP, change=change)
    if out_dir:
        command = made.run_dir(root) / "command.sh"
        command.write_text(f"{command.read_text().rstrip()} --out-dir {out_dir}\n")
    return made


def move_gate(made: Documents, root: Path, folder: str) -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    moved = root / folder / made.gate_folder
    shutil.move(root / "gate_results" / made.gate_folder, moved)
    return moved


def report_of(made: Documents, root: Path) -> Path:
    return root / "gate_results" / made.gate_folder / "production_gates_report.json"


def ledger_is_empty(workspace: Workspace) -> bool:
    return not (workspace.local / "audit/stage_ledger.jsonl").exists()


# --- elsewhere


@pytest.mark.parametrize(
    ("folder", "out_dir"),
    [
        ("gate_results/desk", "gate_results/desk"),
        ("out/a b", "'out/a b'"),
        ("out\\1", "'out\\1'"),
        ("out/ä'b", "$'out/\\303\\244\\'b'"),
        ("desk", "{root}/desk"),
        ("desk", "/srv/quant/desk"),  # the root that its preflight names
    ],
)
def test_a_report_is_found_where_the_command_says(
    folder: str, out_dir: str, workspace: Workspace
) -> None:
    root = workspace.remote
    made = make_run(root, out_dir.format(root=root))
    move_gate(made, root, folder)
    assert workspace.close(TAG) == 0
    assert workspace.ledger()[0]["result"] == "pass"
    assert report_of(made, workspace.local).is_file()
    before = workspace.bytes()
    assert workspace.close(TAG) == 0
    assert workspace.bytes() == before


def test_within_one_root_it_is_copied_to_where_all_gate_folders_are(workspace: Workspace) -> None:
    made = make_run(workspace.local, "gate_results/desk")
    moved = move_gate(made, workspace.local, "gate_results/desk")
    assert workspace.close(TAG, "--no-sync") == 1, "it was never compared with a workstation"
    assert workspace.ledger()[0]["result"] == "pass"
    assert report_of(made, workspace.local).is_file()
    assert moved.is_dir()
    before = workspace.bytes()
    assert workspace.close(TAG, "--no-sync") == 1
    assert workspace.bytes() == before


def test_a_report_elsewhere_can_be_asked_for(workspace: Workspace) -> None:
    made = make_run(workspace.remote)
    move_gate(made, workspace.remote, "kept/aside")
    asked = f"kept/aside/{made.gate_folder}/production_gates_report.json"
    assert workspace.close(TAG, "--report-json-remote", asked) == 0
    assert report_of(made, workspace.local).is_file()


def test_a_folder_outside_of_the_root_is_named(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_run(workspace.remote, str(tmp_path / "outside"))
    move_gate(made, workspace.remote, str(tmp_path / "outside"))
    assert workspace.close(TAG) == 4
    assert f"{made.gate_folder}/production_gates_report.json: outside of the root" in (
        capsys.readouterr().err
    )
    assert ledger_is_empty(workspace)


def test_runs_that_began_in_one_second_do_not_share_a_gate_folder(workspace: Workspace) -> None:
    made = make_run(workspace.remote, "desk")
    move_gate(made, workspace.remote, "desk")
    other = factory.make_run(workspace.remote, tag=f"{TAG}0", stamp=STAMP)
    assert other.gate_folder == made.gate_folder
    assert workspace.close(TAG) == 0
    before = report_of(made, workspace.local).read_bytes()
    assert workspace.close(f"{TAG}0") == 4
    assert report_of(made, workspace.local).read_bytes() == before
    assert len(workspace.ledger()) == 1


# --- not found


def test_exit_code_zero_without_a_report_is_refused_with_all_that_was_looked_at(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_run(workspace.remote)
    report = report_of(made, workspace.remote)
    document = json.loads(report.read_text())
    document["inputs"]["decision_tag"] = ""
    report.write_text(json.dumps(document))
    other = factory.make_run(workspace.remote, tag=f"{TAG}0", stamp="2026-02-21_031700")
    assert workspace.close(TAG) == 3
    shown = capsys.readouterr().err
    assert f"gate_results/{made.gate_folder}/production_gates_report.json: its inputs name an" in (
        shown
    )
    assert (
        f"gate_results/{other.gate_folder}/production_gates_report.json: its inputs name tag"
        in (shown)
    )
    assert ledger_is_empty(workspace)
    assert workspace.close(TAG, *WHY) == 1
    [row] = workspace.ledger()
    assert row["reasons"][0] == "abandoned: nobody can read it"
    assert made.gate_folder in row["reasons"][1]
    assert made.gate_folder in workspace.audit(made)["report_files_present"]["observed"]
    before = workspace.bytes()
    assert workspace.close(TAG) == 1, "the reason is kept"
    assert workspace.bytes() == before


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("flags", [(), ("--no-sync",)])
def test_a_report_that_is_cut_off_is_refused_by_name(
    code: int, flags: tuple[str, ...], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace.local if flags else workspace.remote
    made = make_run(root, change=lambda made: made.result.update(exit_code=code))
    report = report_of(made, root)
    whole = report.read_bytes()
    report.write_bytes(whole[:200])
    assert workspace.close(TAG, *flags) == 4
    path = f"gate_results/{made.gate_folder}/production_gates_report.json"
    assert f"{path}: report: expected a JSON document" in capsys.readouterr().err
    assert ledger_is_empty(workspace)
    assert workspace.close(TAG, *flags, *WHY) == 1
    reasons = workspace.ledger()[0]["reasons"]
    assert reasons[0] == "abandoned: nobody can read it"
    assert reasons[-1].startswith(f"gate report cannot be used: {path}: report: expected a JSON")
    assert path in workspace.audit(made)["report_readable"]["observed"]
    report.write_bytes(whole)
    assert workspace.close(TAG, *flags, *WHY) == 2, "now there is nothing to abandon"
    workspace.close(TAG, *flags)
    assert workspace.ledger()[-1]["result"] == ("fail" if code else "pass")


def test_a_folder_in_the_reports_place_is_not_called_absent(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_run(workspace.remote)
    report = report_of(made, workspace.remote)
    report.unlink()
    report.mkdir()
    assert workspace.close(TAG) == 4
    path = f"gate_results/{made.gate_folder}/production_gates_report.json"
    assert f"{path}: no plain file" in capsys.readouterr().err
    assert ledger_is_empty(workspace)


def test_a_run_that_failed_without_a_report_is_closed_as_ever(workspace: Workspace) -> None:
    made = make_run(workspace.remote, change=lambda made: made.result.update(exit_code=1))
    shutil.rmtree(workspace.remote / "gate_results" / made.gate_folder)
    assert workspace.close(TAG) == 1
    assert workspace.ledger()[0]["reasons"] == ["exit code 1", "no gate report"]


# --- no permission


@pytest.mark.parametrize(
    ("blocked", "named"),
    [
        ("gate_results", "gate_results: a folder that this account may not enter"),
        ("gate_results/{gate}", "gate_results/{gate}: a folder that this account may not enter"),
        ("gate_results/{gate}/production_gates_report.json", "that this account may not read"),
        ("audit/workstation_runs/{run}", "a folder that this account may not enter"),
        ("audit/workstation_runs/{run}/result.json", "result.json"),
        ("audit/workstation_runs/{run}/context.json", "context.json"),
        ("audit/workstation_runs", "a folder that this account may not enter"),
        ("audit", "a folder that this account may not enter"),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--no-sync",)])
def test_what_this_account_may_not_read_is_not_absent(
    blocked: str, named: str, flags: tuple[str, ...], workspace: Workspace
) -> None:
    if flags and blocked.startswith("audit") and not blocked.endswith("json"):
        pytest.skip("the workspace itself: nothing can be written there")
    root = workspace.local if flags else workspace.remote
    made = make_run(root)
    path = root / blocked.format(gate=made.gate_folder, run=made.run_folder)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        done = programs.run_without_root_rights(CLOSING, *workspace.flags(TAG, *flags))
    finally:
        path.chmod(mode)
    assert done.code == 4, done.err
    assert named.format(gate=made.gate_folder, run=made.run_folder) in done.err
    assert ledger_is_empty(workspace)
    assert workspace.close(TAG, *flags) == (1 if flags else 0)
    assert workspace.ledger()[0]["result"] == "pass"


def test_a_monitor_ends_on_a_run_folder_that_it_may_not_read(workspace: Workspace) -> None:
    made = make_run(workspace.remote)
    folder = made.run_dir(workspace.remote)
    mode = folder.stat().st_mode
    folder.chmod(0)
    flags = workspace.flags(TAG, "--interval", "0.05", "--grace", "0.2")
    try:
        done = programs.run_without_root_rights("monitor_then_finalize", *flags)
    finally:
        folder.chmod(mode)
    assert done.code == 4, done.err
    assert "a folder that this account may not enter" in done.err.splitlines()[-1]


def test_a_monitor_of_a_complete_run_without_a_report_ends_with_its_name(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_run(workspace.remote)
    report_of(made, workspace.remote).write_text('{"generated_at"')
    flags = ("--interval", "0.05", "--grace", "0.2")
    assert workspace.run("monitor_then_finalize", TAG, *flags) == 4
    shown = capsys.readouterr().err
    assert f"{made.gate_folder}/production_gates_report.json" in shown
    assert shown.count("detect-run         refused") == 1


def test_the_last_line_of_a_watch_names_the_report_and_does_not_try_again(
    workspace: Workspace,
) -> None:
    made = make_run(workspace.remote)
    report_of(made, workspace.remote).write_text('{"generated_at"')
    flags = [*location_flags(workspace.remote, workspace.local), "--interval", "0.05", "--all"]
    done = programs.run_script("watch_runs", *flags)
    assert done.code == 4
    last = done.out.splitlines()[-1]
    assert last.startswith(
        f"4 complete local {made.run_folder}: its closing ended with exit code 4"
    )
    assert f"gate_results/{made.gate_folder}/production_gates_report.json" in last
    assert done.err.count("detect-run         refused") == 1
