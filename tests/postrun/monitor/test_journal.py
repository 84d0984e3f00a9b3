"""The event log: every change of state once, whoever watches and however often it is resumed."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postrun.core import disk, version
from postrun.core.errors import Invalid
from postrun.monitor.journal import Journal
from postrun.monitor.states import Facts, Limits, MonitorState, next_state
from postrun.store import journals

TAG = "run1"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
NEWER = f"2026-02-22_031500_production_gates_{TAG}"
BUSY = Facts((RUN,), True, None, None, None, 2, "s", "a")
NONE = replace(BUSY, runs=(), has_context=False, processes=0)
QUIET = replace(BUSY, processes=0)
DONE = replace(QUIET, result_text="{}")


def watch(local: Path, *facts: Facts | None) -> None:
    """Be one monitor: a new state and a new journal, one poll every 30 seconds."""
    current, journal = MonitorState(started_at=0.0), Journal(local, TAG)
    for index, fact in enumerate(facts):
        previous, current = current, next_state(current, fact, index * 30.0, Limits())
        journal.record(previous, current, index * 30.0)


def journal_path(local: Path, run: str = RUN) -> Path:
    return local / f"audit/workstation_runs/{run}/monitor_events.jsonl"


def rows(local: Path, run: str = RUN) -> list[dict[str, Any]]:
    path = journal_path(local, run)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def lines(local: Path) -> list[bytes]:
    return journal_path(local).read_bytes().splitlines()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def states(local: Path, run: str = RUN) -> str:
    return " ".join(row["state"] for row in rows(local, run))


def test_every_change_is_one_line(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771668900")
    watch(local, NONE, NONE, BUSY, BUSY, None, None, BUSY, DONE, DONE)
    assert states(local) == "waiting running unreachable running settling complete"
    assert rows(local)[1] == {
        "schema_version": 3,
        "program_version": version.program_version(),
        "generated_at": "2026-02-21T10:15:00Z",
        "tag": TAG,
        "run": RUN,
        "before": "waiting",
        "state": "running",
        "lasted_s": 60.0,
        "words": "2 processes are running",
        "previous_sha256": digest(lines(local)[0]),
    }
    assert [row["before"] for row in rows(local)] == [None, *states(local).split()[:-1]]


def test_nothing_lies_anywhere_before_the_run_is_known(local: Path) -> None:
    watch(local, NONE, None, NONE)
    assert list(local.iterdir()) == []


def test_a_resumed_monitor_repeats_nothing(local: Path) -> None:
    watch(local, BUSY)
    watch(local, BUSY, BUSY)
    assert states(local) == "running"
    watch(local, None, BUSY)
    assert states(local) == "running unreachable running"
    watch(local, DONE)
    assert states(local) == "running unreachable running settling"
    watch(local, DONE, DONE)
    assert states(local) == "running unreachable running settling complete"


@pytest.mark.parametrize("ends", [[DONE, DONE], [QUIET, QUIET, QUIET]])
def test_watching_an_ended_run_again_adds_no_line(local: Path, ends: list[Facts]) -> None:
    watch(local, *ends)
    before = states(local)
    watch(local, *ends)
    watch(local, None, *ends)
    assert states(local) == before


def test_an_ended_run_that_goes_on_is_told(local: Path) -> None:
    watch(local, QUIET, QUIET, QUIET)
    watch(local, QUIET, BUSY)
    assert states(local) == "running dead running"
    watch(local, DONE, DONE)
    watch(local, DONE, replace(DONE, result_text="{2}", processes=1))
    assert states(local) == "running dead running settling complete settling"


def test_a_newer_folder_has_a_log_of_its_own(local: Path) -> None:
    watch(local, BUSY, replace(BUSY, runs=(RUN, NEWER)), NONE)
    assert states(local) == "running"
    assert states(local, NEWER) == "running waiting"


def test_two_monitors_of_one_run_write_one_log(local: Path) -> None:
    first, second = Journal(local, TAG), Journal(local, TAG)
    begin = MonitorState(started_at=0.0)
    running = next_state(begin, BUSY, 0.0, Limits())
    for journal in (first, second):
        journal.record(begin, running, 0.0)
    settling = next_state(running, DONE, 30.0, Limits())
    for journal in (first, second):
        journal.record(running, settling, 30.0)
    assert states(local) == "running settling"


def test_a_dry_run_writes_nothing(local: Path) -> None:
    token = disk.DRY_RUN.set(True)
    watch(local, BUSY, DONE, DONE)
    disk.DRY_RUN.reset(token)
    assert list(local.iterdir()) == []


def test_a_damaged_log_is_refused_by_name_and_line(local: Path) -> None:
    watch(local, BUSY)
    path = journal_path(local)
    path.write_bytes(path.read_bytes() + b'{"state": "sett\n')
    before = path.read_bytes()
    with pytest.raises(Invalid, match=r"monitor_events\.jsonl:2: expected a JSON document"):
        watch(local, DONE)
    assert path.read_bytes() == before


def test_an_edited_line_is_refused_at_the_line_after_it(local: Path) -> None:
    watch(local, BUSY, DONE, DONE)
    path = journal_path(local)
    path.write_bytes(path.read_bytes().replace(b"2 processes", b"3 processes"))
    message = r"monitor_events\.jsonl:2: expected [0-9a-f]{64} as digest of the line before, found "
    with pytest.raises(Invalid, match=message + r"[0-9a-f]{64}; restore the file"):
        watch(local, BUSY)


def test_half_a_line_is_kept_beside_and_the_monitor_goes_on(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A power cut leaves one where an earlier release appended."""
    watch(local, BUSY)
    path = journal_path(local)
    damaged = path.read_bytes() + b'{"state": "sett'
    path.write_bytes(damaged)
    watch(local, BUSY)
    assert path.read_bytes() == damaged, "nothing is written, so nothing is changed"
    watch(local, DONE)
    kept = path.with_name(f"monitor_events.edited-{digest(damaged)[:8]}.jsonl")
    assert kept.read_bytes() == damaged
    assert states(local) == "running settling"
    assert f"half a line at the end is left out; kept as {kept.name}\n" in (capsys.readouterr().err)
    watch(local, DONE, DONE)
    assert states(local) == "running settling complete"
    assert sorted(file.name for file in path.parent.iterdir()) == [kept.name, path.name]


def test_two_processes_keep_one_chain(local: Path) -> None:
    code = """
import sys
from pathlib import Path
from test_journal import BUSY, QUIET, TAG, Limits, MonitorState, Journal, next_state
journal, current = Journal(Path(sys.argv[1]), TAG), MonitorState(started_at=0.0)
for poll in range(20):
    fact = None if poll % 2 else BUSY
    previous, current = current, next_state(current, fact, poll * 30.0, Limits())
    journal.record(previous, current, poll * 30.0)
"""
    command = [sys.executable, "-c", code, str(local)]
    environment = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])}
    writers = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert len(rows(local)) >= 20
    assert journals.faults(journal_path(local)) == []
