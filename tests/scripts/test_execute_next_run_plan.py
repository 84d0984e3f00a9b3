"""The command line of the executor; what it does is tested with the plan that it executes."""

import subprocess
import sys
from pathlib import Path

import pytest

import execute_next_run_plan
from postrun.core.locations import PROJECT


def test_without_a_plan_it_is_refused(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute_next_run_plan.main(["--rank", "1", "--local-root", str(local)]) == 3
    assert "next_run_plan.json: expected a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--rank", "x"],
        ["--rank", "1", "2"],
        ["--ranks", "4-1"],
        ["--ranks", "1,"],
        ["--ranks", "-1"],
        ["--ranks", "1-99999"],
        ["--ranks", "1-101"],
        ["--ranks", "1-2-3"],
        ["--rank", "1", "--ranks", "2"],
    ],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute_next_run_plan.main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_half_a_plan_is_refused(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = local / "audit/factor_registry/next_run_plan.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"commands": [')
    assert execute_next_run_plan.main(["--rank", "1", "--local-root", str(local)]) == 4
    assert "next_run_plan.json" in capsys.readouterr().err


def test_help_is_the_docstring(tmp_path: Path) -> None:
    script = PROJECT / "scripts/execute_next_run_plan.py"
    done = subprocess.run(
        [sys.executable, str(script), "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Start one planned run on the workstation" in done.stdout


@pytest.mark.parametrize(
    ("text", "expected"), [("1-4", [1, 2, 3, 4]), ("3,1", [1, 3]), ("2-3,3-4,2", [2, 3, 4])]
)
def test_ranks_count_once_and_in_order(text: str, expected: list[int]) -> None:
    assert execute_next_run_plan.ranks(text) == expected


def test_several_ranks_need_a_scheduler(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute_next_run_plan.main(["--ranks", "1-2", "--host", "local"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("--ranks: expected a scheduler, for an array of jobs, found none")
