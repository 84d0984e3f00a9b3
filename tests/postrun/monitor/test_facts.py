"""From the snapshot of a run to the facts that its state depends on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from postrun.core.errors import Usage
from postrun.monitor.facts import facts_from
from postrun.remote.scheduler import Job, Queue
from postrun.remote.snapshots import Process, RunSnapshot

TAG = "run1"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
WORK = Process(70, 1, f"python run_production_gates.py --factor m --decision-tag {TAG}")
OTHER = Process(71, 1, "python run_production_gates.py --factor m --decision-tag run10")
SNAPSHOT = RunSnapshot(
    boot_id="b",
    runs=(RUN,),
    has_context=True,
    preflight=json.dumps({"status": "pass", "reasons": []}),
    data_quality=json.dumps({"overall_pass": True, "failures": []}),
    result=None,
    pid_file=None,
    processes=(WORK, OTHER),
    settled="s",
    activity="a",
    log_tail="one\ntwo\n",
)
WHOLE = json.dumps({"decision_tag": TAG, "exit_code": 0})


def snapshot(**changes: Any) -> RunSnapshot:
    return replace(SNAPSHOT, **changes)


def test_facts_carry_over_what_was_snapshot() -> None:
    facts = facts_from(SNAPSHOT, TAG)
    assert (facts.runs, facts.has_context, facts.settled, facts.activity, facts.boot_id) == (
        (RUN,),
        True,
        "s",
        "a",
        "b",
    )
    assert (facts.has_result, facts.stopped, facts.processes) == (False, None, 1)


def test_no_folder_is_no_run() -> None:
    assert facts_from(snapshot(runs=()), TAG).runs == ()


@pytest.mark.parametrize(
    ("text", "valid", "flaw"),
    [
        (None, False, None),
        (WHOLE, True, None),
        ("", False, "result.json: expected a JSON document, found an empty file"),
        (WHOLE[:-5], False, "result.json: expected a JSON document, found "),
        (
            "[]",
            False,
            "result.json: expected a document that fits schemas/result.schema.json, found $: ",
        ),
        (
            '{"decision_tag": "run1"}',
            False,
            "found $: 'exit_code' is a required property",
        ),
        (
            '{"decision_tag": "run1", "exit_code": "0"}',
            False,
            "found $.exit_code: '0' is not of type",
        ),
        ("\udcff", False, "UTF-8"),
        ("\\xff", False, "a JSON document"),
    ],
)
def test_a_result_is_absent_broken_or_valid(
    text: str | None, valid: bool, flaw: str | None
) -> None:
    facts = facts_from(snapshot(result=text), TAG)
    assert facts.has_result is valid
    assert (facts.result_flaw is None) is (flaw is None)
    assert (flaw or "") in (facts.result_flaw or "")
    assert facts.result_text == text


@pytest.mark.parametrize(
    ("preflight", "quality", "stopped"),
    [
        ({"status": "pass", "reasons": []}, {"overall_pass": True}, None),
        (
            {"status": "fail", "reasons": ["cores", "memory"]},
            None,
            "the preflight failed: cores, memory",
        ),
        ({"status": "fail"}, None, "the preflight failed"),
        (
            {"status": "pass"},
            {"overall_pass": False, "failures": ["stale"]},
            "the data-quality gate failed: stale",
        ),
        ({"status": "pass"}, {"overall_pass": None}, None),
        ([], "words", None),
    ],
)
def test_the_gates_before_a_run_are_named(
    preflight: object, quality: object, stopped: str | None
) -> None:
    facts = facts_from(
        snapshot(preflight=json.dumps(preflight), data_quality=json.dumps(quality)), TAG
    )
    assert facts.stopped == stopped


def test_half_a_preflight_stops_nothing() -> None:
    assert (
        facts_from(snapshot(preflight='{"status": "fai', data_quality="[" * 100_000), TAG).stopped
        is None
    )


def test_processes_are_this_runs_own() -> None:
    assert facts_from(snapshot(processes=(OTHER,)), TAG).processes == 0
    assert facts_from(snapshot(processes=(OTHER,)), TAG, pattern="--factor m").processes == 1
    assert (
        facts_from(
            snapshot(processes=(replace(WORK, args=f"less --tag {TAG}"),)),
            TAG,
            ignored_programs=["less"],
        ).processes
        == 0
    )
    gate = "production_gates_2026-02-21_031700"
    shard = Process(72, 1, f"python shard.py --out gate_results/{gate}/shard_01")
    assert facts_from(snapshot(processes=(shard,)), TAG).processes == 0
    assert facts_from(snapshot(processes=(shard,), gates=(gate,)), TAG).processes == 1


def test_a_pattern_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(Usage, match="--process-pattern"):
        facts_from(SNAPSHOT, TAG, pattern="(")


@pytest.mark.parametrize(
    ("exit_code", "gates", "settled"),
    [(0, (), "a"), (0, ("production_gates_2026-02-21_031700",), "s"), (1, (), "s")],
)
def test_an_open_gate_folder_counts_where_a_report_may_still_come(
    exit_code: int, gates: tuple[str, ...], settled: str
) -> None:
    """The gate folders of other runs may grow: they hold up only a run whose report is missing."""
    result = json.dumps({"decision_tag": TAG, "exit_code": exit_code})
    assert facts_from(snapshot(result=result, gates=gates), TAG).settled == settled


def test_the_job_of_the_run_comes_from_the_queue() -> None:
    job = Job("12", "RUNNING", tag=TAG)
    asked = snapshot(processes=(), queue=Queue((job,)))
    facts = facts_from(asked, TAG)
    assert (facts.job, facts.unseen, facts.is_at_work) == (job, None, True)
    raw = snapshot(processes=(), queue=Queue((job,)), raw_tags={RUN: "run 1"})
    assert facts_from(raw, "run_1").job is None, "its context has another tag"
    assert facts_from(snapshot(), TAG).job is None
    unknown = facts_from(snapshot(processes=(), queue=Queue(())), TAG)
    assert (unknown.job, unknown.is_at_work) == (None, False)
    assert unknown.unseen == "Slurm's queue has no job of it, and it may be on any node"
