"""Verifying on Slurm: what is refused before anything is submitted.

With a real Slurm: tests/postrun/remote/test_shard_array.py.
"""

from pathlib import Path

import pytest

import verify_on_slurm


@pytest.mark.parametrize(
    ("name", "found"), [("none", "no folder"), ("", "a folder without audit/")]
)
def test_no_workspace(
    local: Path, name: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = local / name
    assert verify_on_slurm.main(["--local-root", str(root), "--shards", "2"]) == 3
    assert capsys.readouterr().err == f"{root}: expected a workspace, found {found}\n"
    assert list(local.iterdir()) == []


def test_a_wrong_number(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_on_slurm.main(["--local-root", str(local), "--shards", "0"]) == 2
    assert "expected a number of shards, such as 8, found '0'" in capsys.readouterr().err
