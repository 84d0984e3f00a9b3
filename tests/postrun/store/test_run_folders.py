"""Listing run folders: once while nothing changes, again when it does."""

import os
from pathlib import Path

import pytest

from harness.archive import run_folder
from postrun.core import locations
from postrun.store import run_folders

ONE, TWO = run_folder("2026-02-16_031500"), run_folder("2026-02-17_031500")


def make(local: Path, folder: str, *files: str) -> None:
    path = local / locations.RUNS / folder
    path.mkdir(parents=True)
    for name in files:
        (path / name).write_text("{}")


def test_nothing_there(local: Path) -> None:
    assert run_folders.list_folders(local) == ()
    assert run_folders.list_closed(local) == []
    assert run_folders.list_files(local, ONE) == set()


def test_closed_runs_have_a_plan_and_a_runs_name(local: Path) -> None:
    make(local, TWO, "governance_remediation_plan.json")
    make(local, ONE, "governance_remediation_plan.json", "run.log")
    make(local, run_folder("2026-02-18_031500"), "run.log")
    make(local, "notes", "governance_remediation_plan.json")
    assert run_folders.list_closed(local) == [ONE, TWO]
    assert run_folders.list_files(local, ONE) == {"governance_remediation_plan.json", "run.log"}


def test_the_parent_is_listed_once_while_it_does_not_change(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(local, ONE)
    parent = local / locations.RUNS
    os.utime(parent, (1e9, 1e9))
    listed: list[Path] = []
    listdir = os.listdir

    def counted(path: Path) -> list[str]:
        listed.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", counted)
    for _ in range(3):
        assert run_folders.list_folders(local) == (ONE,)
    assert listed == [parent]
    make(local, TWO)
    assert run_folders.list_folders(local) == (ONE, TWO)


def test_a_folder_made_in_the_same_moment_is_listed(local: Path) -> None:
    for number in range(20):
        make(local, f"run{number:02d}")
        assert len(run_folders.list_folders(local)) == number + 1
