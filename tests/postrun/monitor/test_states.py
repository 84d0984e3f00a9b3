"""The monitor's judgment: tables for every state, and a property over any sequence of
observations.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postrun.core.errors import DeadlineReached, Invalid, Missing, RunDead, Unreachable
from postrun.monitor.states import (
    LONGEST_PAUSE,
    Facts,
    Limits,
    MonitorState,
    State,
    next_state,
    pause,
)
from postrun.remote.scheduler import Job

RUN = "2026-02-21_031500_production_gates_run1"
NEWER = "2026-02-22_031500_production_gates_run1"
BUSY = Facts((RUN,), True, None, None, None, 2, "s0", "a0", "boot1")
NONE = replace(BUSY, runs=(), has_context=False, processes=0, settled="", activity="")
BARE = replace(BUSY, has_context=False)
QUIET = replace(BUSY, processes=0)
HALF = replace(BUSY, result_text="{", result_flaw="half a file")
DONE = replace(BUSY, result_text="{}", processes=0)
LIMITS = Limits(interval=30, grace=60, stall=1800)

StepFunction = tuple[float, Facts | None]


def run(steps: Sequence[StepFunction], limits: Limits = LIMITS) -> list[MonitorState]:
    """Fold (moment, observation) pairs; return the state after each."""
    current, found = MonitorState(started_at=steps[0][0]), []
    for now, facts in steps:
        current = next_state(current, facts, now, limits)
        found.append(current)
    return found


def every(*facts: Facts | None, step: float = 30.0, start: float = 1000.0) -> list[StepFunction]:
    return [(start + index * step, one) for index, one in enumerate(facts)]


def states(*facts: Facts | None, limits: Limits = LIMITS) -> str:
    return " ".join(str(current.state) for current in run(every(*facts), limits))


FAILED = replace(BARE, stopped="preflight failed: cores", processes=0)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([None], "unreachable", id="no answer"),
        pytest.param([NONE, NONE], "waiting waiting", id="no folder"),
        pytest.param([NONE, BARE, BUSY], "waiting starting running", id="a run begins"),
        pytest.param([BUSY, None, BUSY], "running unreachable running", id="an outage"),
        pytest.param([DONE], "settling", id="one look is never enough"),
        pytest.param([DONE, DONE], "settling complete", id="twice the same"),
        pytest.param(
            [DONE, None, DONE, DONE],
            "settling unreachable settling complete",
            id="an outage forgets",
        ),
        pytest.param(
            [DONE, replace(DONE, settled="s1")] * 2,
            "settling settling settling settling",
            id="growing",
        ),
        pytest.param(
            [DONE, replace(DONE, result_text="{2}"), DONE],
            "settling settling settling",
            id="replaced",
        ),
        pytest.param(
            [DONE, DONE, replace(DONE, result_text="{2}")],
            "settling complete settling",
            id="replaced late",
        ),
        pytest.param(
            [replace(DONE, processes=1)] * 4,
            "settling settling settling settling",
            id="a shard lives",
        ),
        pytest.param(
            [replace(DONE, processes=1), DONE, DONE], "settling settling complete", id="then ends"
        ),
        pytest.param(
            [replace(DONE, has_context=False)] * 2,
            "settling complete",
            id="a result outranks a context",
        ),
        pytest.param([HALF, HALF, HALF], "writing writing corrupt", id="broken for the grace time"),
        pytest.param(
            [HALF, replace(HALF, processes=0)] * 2,
            "writing writing corrupt corrupt",
            id="with or without",
        ),
        pytest.param(
            [HALF, replace(HALF, result_text="{}}"), HALF],
            "writing writing writing",
            id="still written",
        ),
        pytest.param([HALF, DONE, DONE], "writing settling complete", id="half, then whole"),
        pytest.param(
            [HALF, None, HALF, HALF],
            "writing unreachable writing writing",
            id="broken, unseen, broken",
        ),
        pytest.param([QUIET, QUIET], "running running", id="not yet past grace"),
        pytest.param([QUIET, QUIET, QUIET], "running running dead", id="nobody for the grace time"),
        pytest.param(
            [QUIET, None, None, QUIET],
            "running unreachable unreachable running",
            id="unseen is not dead",
        ),
        pytest.param(
            [QUIET, BUSY, QUIET, QUIET], "running running running running", id="it came back"
        ),
        pytest.param(
            [QUIET, replace(QUIET, settled="s1"), QUIET],
            "running running running",
            id="its log still grows",
        ),
        pytest.param([FAILED], "starting", id="stopped, first look"),
        pytest.param([FAILED, FAILED], "starting dead", id="stopped by a gate"),
        pytest.param(
            [replace(FAILED, processes=1)] * 4, "starting starting starting starting", id="stopping"
        ),
        pytest.param(
            [replace(BARE, processes=0)] * 3,
            "starting starting dead",
            id="launcher died before a context",
        ),
        pytest.param([BUSY, NONE, NONE], "running waiting waiting", id="the folder vanishes"),
        pytest.param(
            [QUIET, NONE, QUIET, QUIET], "running waiting running running", id="vanishing forgets"
        ),
        pytest.param(
            [QUIET, *[replace(QUIET, runs=(RUN, NEWER))] * 2],
            "running running running",
            id="begun anew",
        ),
        pytest.param(
            [DONE, replace(DONE, runs=(RUN, NEWER))], "settling settling", id="a newer folder"
        ),
    ],
)
def test_states_follow_the_table(facts: list[Facts | None], expected: str) -> None:
    assert states(*facts) == expected


def test_it_is_stalled_when_nothing_moves_and_runs_again_when_something_does() -> None:
    steps = [
        (0.0, BUSY),
        (1799.0, BUSY),
        (1800.0, BUSY),
        (1830.0, replace(BUSY, activity="a1")),
        (1860.0, BUSY),
    ]
    assert [str(current.state) for current in run(steps)] == [
        "running",
        "running",
        "stalled",
        "running",
        "running",
    ]
    assert run(steps)[2].state_since == 1800.0
    assert not run(steps)[2].has_ended, "a stalled run is reported and waited for"


def test_the_dead_are_named() -> None:
    dead = run(every(FAILED, FAILED))[-1]
    assert (dead.error_class, dead.message) == (RunDead, "preflight failed: cores")
    rebooted = replace(QUIET, boot_id="boot2")
    dead = run(every(BUSY, rebooted, rebooted, rebooted))[-1]
    assert (dead.error_class, dead.message) == (
        RunDead,
        "the workstation was restarted and there is no result.json",
    )


HIDDEN = replace(QUIET, unseen="hidepid")


def test_what_cannot_be_seen_is_not_dead() -> None:
    assert states(*[HIDDEN] * 100) == " ".join(["running"] * 60 + ["stalled"] * 40)
    last = run(every(HIDDEN, HIDDEN))[-1]
    assert last.message == "its processes cannot be seen from there (hidepid)"
    assert states(QUIET, QUIET, HIDDEN, QUIET, QUIET) == "running running running running running"
    done = replace(DONE, unseen="hidepid")
    assert states(BUSY, HIDDEN, done, done) == "running running settling complete"
    assert states(replace(FAILED, unseen="hidepid"), replace(FAILED, unseen="hidepid")) == (
        "starting dead"
    ), "its own records say so"


@pytest.mark.parametrize(("started_under", "state"), [("boot1", "dead"), ("boot0", "running")])
def test_a_restart_counts_for_who_saw_the_run_before_it(started_under: str, state: str) -> None:
    restarted = replace(HIDDEN, boot_id="boot2", restarted_from=started_under)
    last = run(every(BUSY, restarted, restarted, restarted))[-1]
    assert last.state == state


def test_a_process_that_holds_up_the_end_is_named() -> None:
    held = replace(DONE, processes=1, at_work="process 7: nvim run.log")
    last = run(every(held))[-1]
    assert last.message == (
        "result.json is present, but 1 process is running: process 7: nvim run.log"
    )


@pytest.mark.parametrize(
    ("nearest", "message"),
    [("", ""), ("a1, a2", "; nearest tags that exist: a1, a2")],
)
def test_who_waits_for_a_folder_says_how_long_and_what_there_is(nearest: str, message: str) -> None:
    last = run(every(replace(NONE, nearest_tags=nearest)), Limits())[-1]
    waits = "no run folder has this tag yet; waiting at most 86400 s for it (--appear-timeout)"
    assert last.message == f"{waits}{message}"


def test_a_corrupt_result_ends_with_its_flaw() -> None:
    last = run(every(HALF, HALF, HALF))[-1]
    assert (last.error_class, last.message) == (Invalid, "half a file")


def test_several_folders_are_told() -> None:
    last = run(every(replace(BUSY, runs=(RUN, NEWER))))[-1]
    assert last.run == NEWER
    assert "2 folders have this tag" in last.message


def test_a_newer_folder_begins_its_own_time() -> None:
    first, second = run(every(BUSY, replace(BUSY, runs=(RUN, NEWER))))
    assert (first.state_since, second.state_since) == (1000.0, 1030.0)


def test_no_grace_still_needs_two_looks() -> None:
    eager = Limits(interval=1, grace=0)
    assert states(QUIET, QUIET, limits=eager) == "running dead"
    assert states(HALF, HALF, limits=eager) == "writing corrupt"


@pytest.mark.parametrize(
    ("limits", "facts", "ends"),
    [
        (Limits(appear_timeout=45), NONE, [None, None, Missing]),
        (Limits(outage=45), None, [None, None, Unreachable]),
        (Limits(deadline=45), BUSY, [None, None, DeadlineReached]),
        (Limits(deadline=45), NONE, [None, None, DeadlineReached]),
        (Limits(deadline=45), None, [None, None, DeadlineReached]),
        (Limits(deadline=30), DONE, [None, None, None]),
    ],
)
def test_patience_ends(limits: Limits, facts: Facts | None, ends: list[object]) -> None:
    assert [current.error_class for current in run(every(facts, facts, facts), limits)] == ends


def test_an_outage_does_not_count_as_absence_and_neither_counts_after_it_ended() -> None:
    limits = Limits(appear_timeout=50, outage=50)
    assert [
        current.error_class for current in run(every(NONE, BUSY, NONE, None, BUSY, None), limits)
    ] == [None] * 6
    last = run(every(BUSY, NONE, None, NONE), limits)[-1]
    assert last.error_class is Missing
    assert last.message == f"run folder {RUN} is gone"


def test_an_answer_ends_the_backing_off() -> None:
    last = run(every(BUSY, None, None, None, BUSY))[-1]
    assert (last.failed_polls, last.unreachable_since, pause(last, 1120.0, LIMITS, 0.5)) == (
        0,
        math.inf,
        30.0,
    )


def test_unreachable_remembers_what_was_known() -> None:
    last = run(every(BUSY, None, None))[-1]
    assert (last.last_known, last.state_since, last.failed_polls) == (State.RUNNING, 1030.0, 2)
    assert last.message == "the workstation does not answer; the run was running at the last answer"


def test_pause_is_the_interval_then_doubles_with_jitter_and_has_a_ceiling() -> None:
    answered = MonitorState(started_at=0.0)
    assert pause(answered, 5.0, LIMITS, 0.3) == 30.0
    small = Limits(interval=1.0, outage=math.inf)
    middle = [
        pause(replace(answered, failed_polls=count), 0.0, small, 0.5) for count in range(1, 9)
    ]
    assert middle == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    failing = replace(answered, failed_polls=1)
    assert [pause(failing, 0.0, small, chance) for chance in (0.0, 1.0)] == [0.75, 1.25]
    assert (
        pause(replace(answered, failed_polls=5000), 0.0, Limits(interval=90, outage=math.inf), 0.5)
        == 90
    )


def test_pause_never_sleeps_past_the_end_of_patience() -> None:
    assert pause(MonitorState(started_at=0.0), 95.0, Limits(deadline=100), 0.5) == 5.0
    assert pause(MonitorState(started_at=0.0), 200.0, Limits(deadline=100), 0.5) == 0.0
    assert (
        pause(
            MonitorState(started_at=0.0, unreachable_since=10.0, failed_polls=1),
            11.0,
            Limits(outage=2),
            0.5,
        )
        == 1.0
    )


# --- the property: whatever is observed, in whatever order
# ---------------------------------------------------------

_facts = st.builds(
    Facts,
    runs=st.sampled_from([(), (RUN,), (RUN,), (RUN,), (RUN, NEWER)]),
    has_context=st.sampled_from([True, True, False]),
    stopped=st.sampled_from([None, None, "preflight failed"]),
    result_text=st.sampled_from([None, "{}", "{1}"]),
    result_flaw=st.sampled_from([None, None, "half a file"]),
    processes=st.sampled_from([0, 0, 1]),
    settled=st.sampled_from(["s0", "s0", "s1"]),
    activity=st.sampled_from(["a0", "a1"]),
    boot_id=st.sampled_from([None, "b1", "b2"]),
    unseen=st.sampled_from([None, None, "hidden"]),
)
# Runs of equal observations, so that the ends are reached often.
_sequences = st.lists(
    st.tuples(st.one_of(st.none(), _facts, _facts), st.integers(1, 5)), min_size=1, max_size=8
).map(lambda parts: [facts for facts, times in parts for _ in range(times)])
_patience = st.one_of(st.just(math.inf), st.floats(0, 200))
_limits = st.builds(
    Limits,
    interval=st.floats(0.1, 60),
    grace=st.floats(0, 90),
    stall=st.floats(0, 90),
    appear_timeout=_patience,
    outage=_patience,
    deadline=_patience,
)


def same_looks(steps: list[StepFunction], what: tuple[str, ...]) -> list[StepFunction]:
    """Return the looks at the end of the sequence that all answered and agree in these facts."""
    facts = steps[-1][1]
    found: list[StepFunction] = []
    for now, seen in reversed(steps):
        if seen is None or any(getattr(seen, name) != getattr(facts, name) for name in what):
            break
        found.insert(0, (now, seen))
    return found


def justified(state: State | None, steps: list[StepFunction], limits: Limits) -> bool:
    """Say, from the raw sequence alone, whether this end may be announced after its last
    observation.
    """
    last = steps[-1][1]
    if last is None or not last.runs:
        return False
    if state is State.COMPLETE:
        quiet = same_looks(steps, ("runs", "result_flaw", "result_text", "processes", "settled"))
        return last.has_result and last.processes == 0 and len(quiet) >= 2
    if state is State.CORRUPT:
        polls, long = same_looks(steps, ("runs", "result_flaw", "result_text")), limits.grace
        fits = last.result_flaw is not None
    else:
        fits = last.result_text is None and last.result_flaw is None and last.processes == 0
        stopped = bool(last.stopped) and not last.has_context
        why = ("stopped", "has_context") if stopped else ("settled", "unseen")
        fits = fits and (stopped or last.unseen is None)
        polls = same_looks(steps, ("runs", "result_text", "result_flaw", "processes", *why))
        long = 0.0 if stopped else limits.grace
    return fits and len(polls) >= 2 and polls[-1][0] - polls[0][0] >= long


@settings(max_examples=400, deadline=None)
@given(sequence=_sequences, gap=st.floats(0.01, 100), limits=_limits)
def test_any_sequence_ends_rightly_or_waits(
    sequence: list[Facts | None], gap: float, limits: Limits
) -> None:
    steps = every(*sequence, step=gap)
    for index, current in enumerate(run(steps, limits)):
        if current.state in (State.COMPLETE, State.DEAD, State.CORRUPT):
            assert justified(current.state, steps[: index + 1], limits)
        if current.has_ended:
            assert (current.state is State.COMPLETE) is (current.error_class is None)
        else:
            now = steps[index][0]
            wait = pause(current, now, limits, 0.5)
            assert 0 < wait <= max(limits.interval, LONGEST_PAUSE)
            assert now + wait <= 1000 + limits.deadline + 1e-6


@settings(max_examples=200, deadline=None)
@given(
    sequence=_sequences,
    gap=st.floats(0.01, 100),
    grace=st.floats(0, 90),
    end=st.sampled_from([DONE, HALF, QUIET]),
)
def test_an_end_that_stays_is_found_whatever_came_before(
    sequence: list[Facts | None], gap: float, grace: float, end: Facts
) -> None:
    polls = 2 + math.ceil(grace / gap) if end is not DONE else 2
    last = run(every(*sequence, *[end] * polls, step=gap), Limits(grace=grace, outage=math.inf))[-1]
    assert last.state is {DONE: State.COMPLETE, HALF: State.CORRUPT, QUIET: State.DEAD}[end]
    assert last.has_ended


@settings(max_examples=200, deadline=None)
@given(sequence=_sequences, gap=st.floats(0.01, 100), deadline=st.floats(0, 100))
def test_a_deadline_always_ends_it(
    sequence: list[Facts | None], gap: float, deadline: float
) -> None:
    steps = every(*sequence, step=gap)
    late = [*steps, (steps[0][0] + deadline + len(steps) * gap, sequence[-1])]
    assert run(late, Limits(deadline=deadline))[-1].has_ended


@settings(max_examples=200, deadline=None)
@given(facts=_facts, skew=st.floats(-1e9, 1e9))
def test_only_differences_of_the_monotonic_clock_count(facts: Facts, skew: float) -> None:
    whole = float(round(skew))  # whole seconds, so that the shifted sums are exact
    here = [current.state for current in run(every(facts, facts, facts))]
    there = [current.state for current in run(every(facts, facts, facts, start=1000.0 + whole))]
    assert here == there


WORKS = replace(QUIET, job=Job("12", "RUNNING"))
WAITS = replace(NONE, job=Job("12", "PENDING", "Resources"))
OVER = replace(QUIET, job=Job("12", "TIMEOUT", "TimeLimit"))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([WAITS, WORKS, WORKS, WORKS], "waiting running running running", id="a job"),
        pytest.param([OVER, OVER, OVER], "running running dead", id="its time is over"),
        pytest.param([OVER, None, OVER, OVER], "running unreachable running running", id="away"),
        pytest.param([WORKS, QUIET, QUIET, QUIET], "running running running dead", id="purged"),
        pytest.param(
            [OVER, WORKS, OVER, OVER], "running running running running", id="started again"
        ),
        pytest.param(
            [replace(WORKS, job=Job("12", "SUSPENDED"))] * 3,
            "stalled stalled stalled",
            id="suspended",
        ),
        pytest.param(
            [WORKS, replace(WORKS, job=WAITS.job)] * 2,
            "running waiting running waiting",
            id="queued again",
        ),
        pytest.param(
            [replace(OVER, processes=1)] * 4,
            "running running running running",
            id="a process that the scheduler gave up",
        ),
        pytest.param(
            [replace(DONE, job=WORKS.job)] * 3,
            "settling settling settling",
            id="a result before the end of the job",
        ),
        pytest.param(
            [replace(DONE, job=OVER.job)] * 2,
            "settling complete",
            id="a result whatever became of the job",
        ),
        pytest.param(
            [replace(FAILED, job=WORKS.job), *[replace(FAILED, job=OVER.job)] * 2],
            "starting starting dead",
            id="stopped by a gate",
        ),
        pytest.param([replace(NONE, job=OVER.job)] * 3, "waiting waiting dead", id="no folder"),
        pytest.param([WAITS, NONE, NONE, NONE], "waiting waiting waiting dead", id="never started"),
        pytest.param(
            [WAITS, NONE, WAITS, NONE], "waiting waiting waiting waiting", id="not listed once"
        ),
    ],
)
def test_a_job_is_followed(facts: list[Facts | None], expected: str) -> None:
    assert states(*facts) == expected


def test_a_node_that_does_not_answer_may_go_on() -> None:
    lost = replace(QUIET, job=Job("12", "NODE_FAIL"))
    # It leaves the queue, too.
    steps = every(lost, lost, replace(lost, activity="a1"), *[replace(QUIET, activity="a1")] * 64)
    polled = [str(current.state) for current in run(steps)]
    # Quiet since the third poll, for the stall limit and then for the grace time.
    assert polled == ["running"] * 64 + ["dead"] * 3
    assert states(lost, replace(DONE, job=lost.job), replace(DONE, job=lost.job)) == (
        "running settling complete"
    )


def test_a_job_that_was_of_an_earlier_run_says_nothing_of_the_next() -> None:
    newer = replace(QUIET, runs=(RUN, NEWER), unseen="any node")
    assert states(WORKS, newer, newer, newer, newer) == "running running running running running"


def test_what_is_queued_has_appeared() -> None:
    limits = Limits(interval=30, grace=60, appear_timeout=40)
    assert run(every(NONE, NONE, NONE), limits)[-1].error_class is Missing
    waiting = run(every(*[WAITS] * 9), limits)[-1]
    assert (waiting.has_ended, waiting.message) == (
        False,
        "Slurm job 12 is PENDING (Resources); there is no run folder yet",
    )


def test_the_words_of_the_scheduler_are_shown() -> None:
    last = run(every(OVER, OVER, OVER))[-1]
    assert (last.error_class, last.message) == (
        RunDead,
        "Slurm job 12 is TIMEOUT (TimeLimit) and there is no result.json",
    )
    last = run(every(WAITS, *[NONE] * 3))[-1]
    assert (last.error_class, last.message) == (
        RunDead,
        "Slurm job 12 is not in the queue any more and there is no run folder",
    )
