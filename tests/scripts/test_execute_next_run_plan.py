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


@pytest.mark.parametrize("words", [[], ["--rank", "x"], ["--rank", "1", "2"]])
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
