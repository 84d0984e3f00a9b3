"""What one poll saw of many runs: which gate folders are a run's, and what is moving."""

from collections.abc import Sequence

import pytest

from postrun.core.errors import Unreachable
from postrun.remote.answers import Answer
from postrun.remote.read_snapshots import read_host_snapshot

NONCE = "0f" * 16
RUN = "2026-02-21_031500_production_gates_run1"
BEFORE = "production_gates_2026-02-18_031700"
GATE = "production_gates_2026-02-21_031700"
OPEN = "production_gates_2026-02-21_060000"
RESULT = f"file 2 1771668900 audit/workstation_runs/{RUN}/result.json"
MACHINE = [
    ("clock", "1771668960"),
    ("zone", "-0700"),
    ("processes", f"8 1 00:00 sh -c : {NONCE}; eval\n9 1 01:00 gate\n"),
]


def answer(sums: str, *run_parts: tuple[str, str]) -> Answer:
    reports = [
        f'gate_results/{name}/production_gates_report.json:"run1"' for name in (BEFORE, GATE)
    ]
    parts = [
        *MACHINE,
        ("folders", f"+{RUN}\n-2026-02-22_031500_production_gates_run2\n"),
        ("reports", "\n".join(reports) + "\n"),
        ("sums", sums),
        ("tag run1", f"audit/workstation_runs/{RUN}\n"),
        *run_parts,
        ("tag run2", ""),
        ("end", ""),
    ]
    return whole(parts)


def whole(parts: Sequence[tuple[str, str]]) -> Answer:
    text = "".join(f"\n{NONCE} {heading}\n{content}" for heading, content in parts)
    return Answer.parse(text.encode(), NONCE, "bench")


def test_a_run_has_its_files_and_the_gate_folders_of_its_time() -> None:
    sums = f"1 {RUN}\n2 {GATE}\n3 {OPEN}\n"
    snapshot = read_host_snapshot(answer(sums, ("context", ""), (RESULT, "{}"), ("log", "done")))
    run = snapshot.run_snapshots["run1"]
    assert (run.runs, run.gates) == ((RUN,), (GATE,))
    assert (run.has_context, run.result) == (True, "{}")
    assert (run.preflight, run.pid_file, run.log_tail) == (None, None, "done")
    assert [process.pid for process in run.processes] == [9]


def test_an_open_gate_folder_is_activity_but_does_not_keep_a_run_from_settling() -> None:
    before = read_host_snapshot(answer(f"1 {RUN}\n2 {GATE}\n3 {OPEN}\n")).run_snapshots["run1"]
    after = read_host_snapshot(answer(f"1 {RUN}\n2 {GATE}\n4 {OPEN}\n")).run_snapshots["run1"]
    assert before.settled == after.settled
    assert before.activity != after.activity


def test_folders_are_told_with_and_without_a_result() -> None:
    snapshot = read_host_snapshot(answer(f"1 {RUN}\n"))
    assert snapshot.folders == {RUN: True, "2026-02-22_031500_production_gates_run2": False}
    assert snapshot.run_snapshots["run2"].runs == ()
    assert snapshot.clock == 1771668960


def test_a_result_without_a_listing_of_its_files_is_no_answer() -> None:
    with pytest.raises(Unreachable, match="listing of files"):
        read_host_snapshot(answer("", (RESULT, "{}")))
