"""Facts out of a glance, polls that cannot be waited for for ever, and the memory that takes them in."""

import argparse
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import Unreachable, Usage
from postrun.monitor import run_monitor
from postrun.monitor.run_monitor import RunMonitor, add_patience, ask, facts_of, limits_of, seconds
from postrun.monitor.states import Limits, Result, State
from postrun.remote.snapshots import Process, RunSnapshot

TAG = "run1"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
WORK = Process(70, 1, f"python run_production_gates.py --factor m --decision-tag {TAG}")
OTHER = Process(71, 1, "python run_production_gates.py --factor m --decision-tag run10")
GLANCE = RunSnapshot(
    clock=1.0,
    zone="-0700",
    boot_id="b",
    runs=(RUN,),
    has_context=True,
    preflight=json.dumps({"status": "pass", "reasons": []}),
    data_quality=json.dumps({"overall_pass": True, "failures": []}),
    result=None,
    result_modified=None,
    pid_file=None,
    processes=(WORK, OTHER),
    settled="s",
    activity="a",
    log_tail="one\ntwo\n",
)
WHOLE = json.dumps({"decision_tag": TAG, "exit_code": 0})


def seen(**changes: Any) -> RunSnapshot:
    return replace(GLANCE, **changes)


def test_facts_carry_over_what_was_seen() -> None:
    facts = facts_of(GLANCE, TAG)
    assert (facts.runs, facts.has_context, facts.settled, facts.activity, facts.boot_id) == (
        (RUN,),
        True,
        "s",
        "a",
        "b",
    )
    assert (facts.result, facts.stopped, facts.processes) == (Result.ABSENT, None, 1)


def test_no_folder_is_no_run() -> None:
    assert facts_of(seen(runs=()), TAG).runs == ()


@pytest.mark.parametrize(
    ("text", "result", "flaw"),
    [
        (None, Result.ABSENT, None),
        (WHOLE, Result.VALID, None),
        ("", Result.BROKEN, "result.json: expected a JSON document, found an empty file"),
        (WHOLE[:-5], Result.BROKEN, "result.json: expected a JSON document, found "),
        (
            "[]",
            Result.BROKEN,
            "result.json: expected a document that fits schemas/result.schema.json, found $: ",
        ),
        ('{"decision_tag": "run1"}', Result.BROKEN, "found $: 'exit_code' is a required property"),
        (
            '{"decision_tag": "run1", "exit_code": "0"}',
            Result.BROKEN,
            "found $.exit_code: '0' is not of type",
        ),
        ("\udcff", Result.BROKEN, "UTF-8"),
        ("\\xff", Result.BROKEN, "a JSON document"),
    ],
)
def test_a_result_is_absent_broken_or_valid(
    text: str | None, result: Result, flaw: str | None
) -> None:
    facts = facts_of(seen(result=text), TAG)
    assert facts.result is result
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
    facts = facts_of(seen(preflight=json.dumps(preflight), data_quality=json.dumps(quality)), TAG)
    assert facts.stopped == stopped


def test_half_a_preflight_stops_nothing() -> None:
    assert (
        facts_of(seen(preflight='{"status": "fai', data_quality="[" * 100_000), TAG).stopped is None
    )


def test_processes_are_this_runs_own() -> None:
    assert facts_of(seen(processes=(OTHER,)), TAG).processes == 0
    assert facts_of(seen(processes=(OTHER,)), TAG, pattern="--factor m").processes == 1
    assert (
        facts_of(
            seen(processes=(replace(WORK, args=f"less --tag {TAG}"),)), TAG, ignored=["less"]
        ).processes
        == 0
    )
    gate = "production_gates_2026-02-21_031700"
    shard = Process(72, 1, f"python shard.py --out gate_results/{gate}/shard_01")
    assert facts_of(seen(processes=(shard,)), TAG).processes == 0
    assert facts_of(seen(processes=(shard,), gates=(gate,)), TAG).processes == 1


def test_a_pattern_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(Usage, match="--process-pattern"):
        facts_of(GLANCE, TAG, pattern="(")


# --- ask ------------------------------------------------------------------------------------------------------------


def test_ask_gives_what_was_seen_or_why_nothing_was() -> None:
    def fail() -> RunSnapshot:
        raise Unreachable("bench", "an answer", "none")

    assert ask(lambda: GLANCE, lambda: 9.0, lambda: None) is GLANCE
    assert isinstance(ask(fail, lambda: 9.0, lambda: None), Unreachable)


def test_ask_gives_up_when_no_time_is_left_and_shows_life_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_monitor, "LAST_LOOK", 0.2)
    release, ticks = threading.Event(), []

    def hang() -> RunSnapshot:
        release.wait(20)
        return GLANCE

    end = time.monotonic() + 0.3
    assert ask(hang, lambda: end - time.monotonic(), lambda: ticks.append(1)) is None
    release.set()
    assert ticks


def test_the_last_look_gets_its_chance() -> None:
    def slow() -> RunSnapshot:
        time.sleep(0.3)
        return GLANCE

    assert ask(slow, lambda: 0.0, lambda: None) is GLANCE


def test_a_bug_in_a_look_is_not_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda found: shown.append(found.exc_type))

    def broken() -> RunSnapshot:
        raise ZeroDivisionError

    with pytest.raises(RuntimeError, match="the look broke off"):
        ask(broken, lambda: 9.0, lambda: None)
    assert shown == [ZeroDivisionError]


# --- Lookout --------------------------------------------------------------------------------------------------------


def test_a_lookout_takes_in_glances_and_silence(local: Path) -> None:
    watched = RunMonitor(local, TAG, Limits(), began=0.0)
    assert watched.take(GLANCE, 0.0)
    assert not watched.take(GLANCE, 30.0)
    assert watched.take(Unreachable("bench", "an answer", "a dead line"), 60.0)
    assert (watched.memory.state, watched.trouble) == (
        State.UNREACHABLE,
        "bench: expected an answer, found a dead line",
    )
    assert watched.glance is GLANCE
    assert not watched.take(None, 90.0)
    assert watched.trouble == "no answer in time"
    assert watched.take(GLANCE, 120.0)
    assert watched.trouble == ""
    log = local / f"audit/workstation_runs/{RUN}/monitor_events.jsonl"
    assert [json.loads(line)["state"] for line in log.read_text().splitlines()] == [
        "running",
        "unreachable",
        "running",
    ]


def test_what_an_outage_says_of_the_network_stays_off_the_record(local: Path) -> None:
    watched = RunMonitor(local, TAG, Limits(), began=0.0)
    watched.take(GLANCE, 0.0)
    watched.take(Unreachable("bench.example", "a key", "/home/hui/.ssh/id_ed25519 refused"), 30.0)
    assert "hui" not in (local / f"audit/workstation_runs/{RUN}/monitor_events.jsonl").read_text()


# --- flags ----------------------------------------------------------------------------------------------------------


def test_patience_has_the_defaults_of_the_limits() -> None:
    parser = argparse.ArgumentParser()
    add_patience(parser)
    assert limits_of(parser.parse_args([])) == Limits()
    flags = (
        "--interval",
        "--grace",
        "--stall-after",
        "--appear-timeout",
        "--outage-budget",
        "--deadline",
    )
    given = [word for number, flag in enumerate(flags, start=1) for word in (flag, str(number))]
    assert limits_of(parser.parse_args(given)) == Limits(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_are_positive_and_finite(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a positive number of seconds"):
        seconds(text)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 7, 8, 9])
def test_a_closing_that_would_get_no_further_is_not_put_off(local: Path, code: int) -> None:
    assert RunMonitor(local, TAG, Limits(), began=0.0).put_off(code, 100.0) is None


@pytest.mark.parametrize("code", [6, 10])
def test_a_closing_is_put_off_longer_and_longer_within_the_outage_budget(
    local: Path, code: int
) -> None:
    watched = RunMonitor(local, TAG, Limits(interval=10.0, outage=300.0), began=0.0)
    pauses = [
        watched.put_off(code, now)
        for now in (100.0, 120.0, 150.0, 200.0, 300.0, 390.0, 400.0, 900.0)
    ]
    first, second, third, *_, short = [rest for rest in pauses if rest is not None]
    assert 7.5 <= first <= 12.5
    assert 15 <= second <= 25
    assert 30 <= third <= 50
    assert short == 10.0, "not past the end of the budget, which began with the first"
    assert pauses[-2:] == [None, None]


def test_a_deadline_ends_it_too(local: Path) -> None:
    watched = RunMonitor(local, TAG, Limits(outage=None, deadline=50.0), began=0.0)
    assert watched.put_off(6, 49.0) == 1.0
    assert watched.put_off(6, 50.0) is None
