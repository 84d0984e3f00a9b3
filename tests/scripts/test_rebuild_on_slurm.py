"""Rebuilding on Slurm: what is refused before anything is submitted.

With a real Slurm: tests/postrun/remote/test_shard_array.py.
"""

from pathlib import Path

import pytest

import rebuild_on_slurm


def test_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "none"
    assert rebuild_on_slurm.main(["--local-root", str(root), "--shards", "2"]) == 3
    assert capsys.readouterr().err == f"{root}: expected a workspace, found no folder\n"
    assert not root.exists()


@pytest.mark.parametrize("number", ["0", "nan", "-1", "1/2", "", "1000000000"])
def test_wrong_numbers(local: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebuild_on_slurm.main(["--local-root", str(local), f"--shards={number}"]) == 2
    line = f"expected a number of shards, such as 8, found {number!r}\n"
    assert capsys.readouterr().err.endswith(line)


def test_the_number_must_be_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTRUN_TARGET", "rebuild-on-slurm")
    assert rebuild_on_slurm.main([]) == 2
    assert "required: SHARDS" in capsys.readouterr().err
