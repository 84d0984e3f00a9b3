"""Laying out a workstation: again without harm, the user's changes kept, the project's followed."""

import subprocess
import sys
from pathlib import Path

import make_workstation
import pytest
from make_workstation import SHIM, main

STRATEGY = "configs/strategies/reversal_1.yaml"


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_twice_is_once(tmp_path: Path) -> None:
    assert main([str(tmp_path / "ws")]) == 0
    before = content(tmp_path)
    assert main([str(tmp_path / "ws")]) == 0
    assert content(tmp_path) == before
    assert not [name for name in before if "__pycache__" in name]


def test_what_was_changed_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path)])
    (tmp_path / STRATEGY).write_text("mine\n")
    (tmp_path / "my_notes.txt").write_text("mine\n")
    main([str(tmp_path)])
    assert (tmp_path / STRATEGY).read_text() == (tmp_path / "my_notes.txt").read_text() == "mine\n"
    assert f"{STRATEGY} was changed here" in capsys.readouterr().err


def test_a_file_of_somebody_else_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / STRATEGY).parent.mkdir(parents=True)
    (tmp_path / STRATEGY).write_text("mine\n")
    assert make_workstation.lay_out(tmp_path) == [STRATEGY]
    assert (tmp_path / STRATEGY).read_text() == "mine\n"


def test_what_was_not_changed_follows_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main([str(tmp_path)])
    monkeypatch.setattr(make_workstation, "files_of", lambda _: iter([(STRATEGY, b"newer\n")]))
    assert make_workstation.lay_out(tmp_path) == []
    assert (tmp_path / STRATEGY).read_text() == "newer\n"


def test_the_shim_starts_the_launcher_with_this_python(tmp_path: Path) -> None:
    root = tmp_path / "a folder with spaces"
    main([str(root)])
    assert f"exec {sys.executable} " in (root / SHIM).read_text()
    done = subprocess.run(
        ["bash", SHIM, "--help"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Start an official run" in done.stdout
