"""Every line of --json is as its schema says."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import check_session_handoff_readiness
import compare_runs
import execute_next_run_plan
import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import watch_runs
from harness.workspace import location_flags
from postrun.core.locations import PROJECT
from postrun.store import json_files

sys.path.append(str(PROJECT / "examples"))

from made_runs import good_ics, made_run

Main = Callable[[list[str]], int]


def test_every_command_prints_what_its_schema_says(
    remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shape(main: Main, *flags: str) -> set[str]:
        """Run a command; return the keys of the last line that it prints."""
        main([*flags, "--json"])
        lines = capsys.readouterr().out.splitlines()
        for line in lines:
            document: Any = json.loads(line)
            json_files.check(document, "command_output", "stdout")
        return set(document)

    where = location_flags(remote, local)
    root = ["--local-root", str(local)]
    made_run("one", "2026-01-05_031500", "made_a", good_ics(1)).write(remote)
    made_run("two", "2026-01-06_031500", "made_a", good_ics(2)).write(remote)
    monitor = shape(monitor_then_finalize.main, "--tag", "none", *where, "--dry-run")
    assert monitor == {"state", "run", "words", "exit_code"}
    assert "verdict" in shape(conductor.main, "--tag", "one", *where)
    assert shape(conductor.main, "--list") == {"steps"}
    last = ["--since", "2026-01-01"]
    assert shape(watch_runs.main, *where, *last, "--interval", "0.1") == {"exit_code", "runs"}
    assert shape(check_session_handoff_readiness.main, *root) >= {"step", "yes"}
    assert "differences" in shape(compare_runs.main, "--tags", "one two", *root)
    for name in ("data/made_numbers.csv", "configs/strategies/made_numbers.yaml"):
        (remote / name).parent.mkdir(parents=True, exist_ok=True)
        (remote / name).touch()
    for name in ("runs/freeze/base.freeze.json", "scripts/workstation_official_run.sh"):
        (remote / name).parent.mkdir(parents=True, exist_ok=True)
        (remote / name).touch()
    assert "argv" in shape(execute_next_run_plan.main, "--rank", "1", *where, "--dry-run")
