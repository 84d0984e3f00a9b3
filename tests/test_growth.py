"""The benchmark of growth, on a few runs: what it makes is a whole workspace, and is measured."""

import json
import sys
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))

import growth

from steps import STEPS


def test_a_few_runs_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "growth.json"
    # It raises when `make verify` does not find the workspace whole.
    assert growth.main(["--sizes", "1", "7", "--all", "--json", str(path)]) == 0
    document = json.loads(path.read_bytes())
    assert [row["runs"] for row in document["closing"]] == [1, 7]
    for row in document["closing"]:
        assert row.keys() == {"runs", "seconds", "cpu_seconds", "peak_mb"}
        assert min(row["seconds"], row["cpu_seconds"], row["peak_mb"]) > 0
    whats = [row["what"] for row in document["rest"] if row["runs"] == 7]
    steps = [f"  step {step.name}" for step in STEPS]
    assert whats == [
        *steps,
        "reading what a rebuild reads",
        "rebuild of the registry",
        "rebuild of the failure patterns",
        "validate",
        "verify",
    ]
    out = capsys.readouterr().out
    assert "7 times the runs: " in out


def test_a_program_that_fails_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"^broken: 3, why"):
        growth.measure(1, "broken", ["sh", "-c", "echo why; exit 3"])
