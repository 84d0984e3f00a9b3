"""Whether a run's processes could have been seen from where they were listed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from postrun.remote.scheduler import Job, Queue
from postrun.remote.snapshots import RunSnapshot, View
from postrun.remote.visibility import restarted_from, why_unseen

FIRST = "pid:[4026531836]"
BENCH = View("bench", FIRST)
SNAPSHOT = RunSnapshot(
    boot_id="boot1",
    runs=("2026-02-21_031500_production_gates_run1",),
    has_context=True,
    preflight=None,
    data_quality=None,
    result=None,
    pid_file=None,
    processes=(),
    settled="",
    activity="",
    log_tail="",
    started_on="bench",
    view=BENCH,
)


def pid_file(**record: Any) -> str:
    return json.dumps({"pid": 7, "start_time": None, **record})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"started_on": "Bench.Example.ORG"},
        {"started_on": None},
        {"view": View(None, None)},
        {"pid_file": "4711", "started_on": "BENCH"},
        {"pid_file": "not json"},
        {"pid_file": pid_file(boot_id="boot1"), "started_on": "an earlier name"},
        {"pid_file": pid_file(boot_id="boot1", pid_namespace="pid:[5]")},  # the first sees them all
        {
            "pid_file": pid_file(boot_id="boot1", pid_namespace="pid:[5]"),
            "view": View("bench", "pid:[5]"),
        },
        {"pid_file": pid_file(boot_id="boot1"), "view": View("bench", None)},  # no Linux
        {"pid_file": pid_file(boot_id=None)},
        {"pid_file": pid_file(boot_id="boot2"), "boot_id": None},
        {"view": View("bench", "pid:[5]")},  # a workstation in a container
    ],
)
def test_where_the_run_was_started_its_processes_can_be_seen(change: dict[str, Any]) -> None:
    assert why_unseen(replace(SNAPSHOT, **change)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"view": View("bench", FIRST, lists_process_1=False)}, "lacks process 1"),
        ({"started_on": "node7.cluster"}, "was started on node7.cluster, and bench answers"),
        ({"started_on": "node7", "pid_file": "4711"}, "was started on node7"),
        ({"started_on": "bench2"}, "was started on bench2"),
        ({"pid_file": pid_file(boot_id="boot2")}, "another machine than bench, or an earlier"),
        ({"pid_file": pid_file(boot_id="boot2"), "started_on": None}, "another machine than bench"),
        (
            {"pid_file": pid_file(boot_id="boot1"), "view": View("bench", "pid:[5]")},
            "may be in another PID namespace",
        ),
        (
            {
                "pid_file": pid_file(boot_id="boot1", pid_namespace="pid:[4]"),
                "view": View("bench", "pid:[5]"),
            },
            "may be in another PID namespace than pid:[5]",
        ),
    ],
)
def test_elsewhere_not_seen_says_nothing(change: dict[str, Any], reason: str) -> None:
    assert reason in str(why_unseen(replace(SNAPSHOT, **change)))


def test_a_host_of_the_runs_name_that_was_started_again_is_known() -> None:
    restarted = replace(SNAPSHOT, pid_file=pid_file(boot_id="boot0"))
    assert restarted_from(restarted) == "boot0"
    assert restarted_from(replace(restarted, started_on="other")) is None
    assert restarted_from(replace(restarted, started_on=None)) is None
    assert restarted_from(replace(restarted, pid_file=pid_file(boot_id="boot1"))) is None
    assert restarted_from(replace(restarted, boot_id=None)) is None
    assert restarted_from(SNAPSHOT) is None


NAMED = {"kind": "slurm", "cluster": "main", "job_id": "12"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"started_on": None}, "Slurm's queue has no job of it, and it may be on any node"),
        ({"started_on": "node7"}, "the run was started on node7, and bench answers"),
        (
            {"pid_file": pid_file(scheduler=NAMED)},
            "Slurm's queue does not say what became of job 12",
        ),
        ({"pid_file": pid_file(boot_id="boot1", scheduler=NAMED)}, "Slurm's queue does not say"),
        ({"started_on": "bench"}, None),
        ({"pid_file": pid_file(boot_id="boot1"), "started_on": None}, None),
    ],
)
def test_where_a_scheduler_starts_runs_one_may_be_on_any_node(
    change: dict[str, Any], words: str | None
) -> None:
    snapshot = replace(SNAPSHOT, queue=Queue(()), **change)
    reason = why_unseen(snapshot)
    assert (reason or "").startswith(words or "")
    assert (reason is None) == (words is None)
    assert why_unseen(snapshot, Job("12", "RUNNING")) is None
