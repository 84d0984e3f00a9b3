"""Which run folders a workspace has, and which of them were closed."""

import os
from pathlib import Path

from postrun.store import run_folders

HOME = "audit/workstation_runs"
FIRST = "2026-02-21_031500_production_gates_a"
SECOND = "2026-02-22_031500_production_gates_a"


def make(root: Path, folder: str, *names: str) -> Path:
    path = root / HOME / folder
    path.mkdir(parents=True)
    for name in names:
        (path / name).touch()
    return path


def test_a_workspace_without_runs_has_none(tmp_path: Path) -> None:
    assert run_folders.list_folders(tmp_path) == ()
    assert run_folders.list_closed(tmp_path) == []
    assert run_folders.list_files(tmp_path, FIRST) == frozenset()


def test_folders_are_in_order_and_a_new_one_is_listed_at_once(tmp_path: Path) -> None:
    make(tmp_path, SECOND)
    assert run_folders.list_folders(tmp_path) == (SECOND,)
    make(tmp_path, FIRST)
    assert run_folders.list_folders(tmp_path) == (FIRST, SECOND)


def test_an_old_listing_is_kept_until_a_folder_is_renamed(tmp_path: Path) -> None:
    path = make(tmp_path, FIRST)
    home = path.parent
    os.utime(home, (1_700_000_000, 1_700_000_000))
    assert run_folders.list_folders(tmp_path) == (FIRST,)
    assert run_folders.list_folders(tmp_path) == (FIRST,)
    path.rename(home / SECOND)
    assert run_folders.list_folders(tmp_path) == (SECOND,)


def test_a_run_is_closed_when_it_has_its_remediation_plan(tmp_path: Path) -> None:
    make(tmp_path, SECOND, "governance_remediation_plan.json")
    make(tmp_path, FIRST, "governance_audit_check.json")
    make(tmp_path, "notes", "governance_remediation_plan.json")
    assert run_folders.list_closed(tmp_path) == [SECOND]


def test_files_directly_in_a_run_folder_are_listed(tmp_path: Path) -> None:
    make(tmp_path, FIRST, "context.json", "result.json")
    assert run_folders.list_files(tmp_path, FIRST) == {"context.json", "result.json"}
    assert run_folders.list_files(tmp_path, f"{FIRST}/context.json") == frozenset()
