"""One closing parses what is new in the tables and the ledger once, lists the run folders once,
and needs no pandas.
"""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import post_run_sync_and_finalize as conductor
from harness import factory
from harness.workspace import location_flags
from postrun.core import locations
from postrun.core.locations import PROJECT
from postrun.store import csv_files, ledger_index, run_folders


def fail(made: factory.Documents) -> None:
    made.result["exit_code"] = 3


def close(remote: Path, local: Path, tag: str) -> list[str]:
    where = location_flags(remote, local)
    return ["--tag", tag, *where]


def test_files_are_parsed_once(remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, tag in enumerate(("a", "b", "c"), start=1):
        change = fail if tag != "c" else None
        factory.make_run(remote, tag=tag, stamp=f"2026-02-0{day}_031500", change=change)
        if tag != "c":
            assert conductor.main(close(remote, local, tag)) == 1
    ledger_index._readings.clear()
    parsed: Counter[str] = Counter()
    parse_rows, add, listdir = csv_files.parse_rows, ledger_index._add, os.listdir

    def counted_rows(content: bytes, path: Path, *columns: Any) -> list[csv_files.Row]:
        rows = parse_rows(content, path, *columns)
        parsed[path.stem] += len(rows)
        return rows

    def counted_add(connection: sqlite3.Connection, line: bytes) -> None:
        parsed["ledger rows"] += 1
        add(connection, line)

    def counted_listdir(path: Path) -> list[str]:
        parsed["run folders"] += path == local / locations.RUNS
        return listdir(path)

    monkeypatch.setattr(csv_files, "parse_rows", counted_rows)
    monkeypatch.setattr(ledger_index, "_add", counted_add)
    monkeypatch.setattr(os, "listdir", counted_listdir)
    # Here the run folder is made within the moment before the first listing, which then does not
    # count.
    monkeypatch.setattr(run_folders, "_CLOCK_TICK", 0)
    assert conductor.main(close(remote, local, "c")) == 0
    # Of tables that grow with the runs, only the rows that were written.
    assert parsed == {
        "factor_experiment_registry": 1,
        "trial_statistics": 1,  # those of other runs stay as they are
        "factor_statistics": 1,
        "factor_candidate_queue": 1,
        "failure_patterns": 2,
        "ledger rows": 2,  # its own decision and audit: the index has those of other runs
        "run folders": 1,
    }


def test_what_no_closing_needs_is_not_imported(remote: Path, local: Path) -> None:
    # Tests side by side must not take this process for one of their run's.
    tag = f"imports{os.getpid()}"
    factory.make_run(remote, tag=tag)
    program = """
import sys
import post_run_sync_and_finalize as conductor
assert conductor.main(sys.argv[1:]) == 0
unneeded = {"pandas", "fabric", "jsonschema", "multiprocessing", "asyncio"}
assert not unneeded & set(sys.modules), unneeded & set(sys.modules)
"""
    command = [sys.executable, "-c", program, *close(remote, local, tag)]
    done = subprocess.run(command, cwd=PROJECT / "scripts", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
