"""Completion for shells: a real bash completes targets, values and tags."""

import shutil
import subprocess
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

BASH = shutil.which("bash") or "bash"
SCRIPT = """
source completion.bash
COMP_LINE=$1 COMP_POINT=${#1}
_postrun_make
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(line: str) -> list[str]:
    command = [BASH, "-c", SCRIPT, "bash", line]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("make final", ["finalize", "finalize-gate-run"]),
        ("make finalize ABAN", ["ABANDONED="]),
        ("make finalize TA", ["TAG=", "TAGS="]),
        ("make finalize HOST=x", []),
    ],
)
def test_targets_and_values_are_completed(line: str, expected: list[str]) -> None:
    assert sorted(completed(line)) == expected


def test_the_tags_of_the_workspace_are_completed(local: Path) -> None:
    for tag in ("run1", "run2", "other"):
        (local / f"audit/workstation_runs/2026-02-21_031500_production_gates_{tag}").mkdir(
            parents=True
        )
    assert completed(f"make finalize LOCAL_ROOT={local} TAG=ru") == ["run1", "run2"]
    assert completed("make finalize LOCAL_ROOT=/nowhere TAG=") == []
