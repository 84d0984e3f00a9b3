"""The monitor's judgment: from what the polls saw to the state of a run, as pure functions over facts.

Nothing here looks at a clock, a disk or a network: the times are handed in, so that every sequence can be tested.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from postrun.core.errors import (
    DeadlineReached,
    Invalid,
    Missing,
    PostRunError,
    RunDead,
    Unreachable,
)


class State(StrEnum):
    """What a run can be, as far as the monitor knows."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STALLED = "stalled"
    SETTLING = "settling"
    WRITING = "writing"
    CORRUPT = "corrupt"
    DEAD = "dead"
    UNREACHABLE = "unreachable"
    COMPLETE = "complete"


MEANING = {
    State.WAITING: "no run folder has the tag yet",
    State.STARTING: "the run folder is there, its context.json is not yet",
    State.RUNNING: "there is no result.json, and processes of the run are alive, or have not been missed for long",
    State.STALLED: "processes of the run are alive, but no file has changed for the stall limit; it is waited for",
    State.SETTLING: "result.json is valid, but processes are alive, or the folders changed since the look before",
    State.WRITING: "result.json is there and broken: perhaps it is only half written",
    State.CORRUPT: "result.json stayed broken, without a change, for the grace time",
    State.DEAD: "no result.json and no process in two looks, for the grace time; or preflight or data quality said no",
    State.UNREACHABLE: "the workstation does not answer; attempts are further and further apart",
    State.COMPLETE: "result.json is valid, no process is alive, and nothing changed between two looks",
}
ENDS: dict[State, type[PostRunError] | None] = {
    State.COMPLETE: None,
    State.CORRUPT: Invalid,
    State.DEAD: RunDead,
}


class Result(StrEnum):
    """What lies at result.json: nothing, something that is no JSON or does not fit its schema, or a result."""

    ABSENT = "absent"
    BROKEN = "broken"
    VALID = "valid"


@dataclass(frozen=True)
class Facts:
    """One glance, as far as the judgment needs it: the run's own processes counted, its result checked."""

    runs: tuple[str, ...]  # oldest first; the rest is about the last
    has_context: bool
    stopped: str | None  # why the preflight or the data-quality gate stopped the run, if one did
    result: Result
    result_text: str | None
    result_flaw: str | None  # what is wrong with a broken one
    processes: int  # of this run
    settled: str
    activity: str
    boot_id: str | None = None


@dataclass(frozen=True)
class Limits:
    """How patient to be, in seconds; None is without end."""

    interval: float = 30.0
    grace: float = 60.0
    stall: float = 1800.0
    appear_timeout: float | None = None
    outage: float | None = 3600.0
    deadline: float | None = None


@dataclass(frozen=True)
class PendingVerdict:
    """An end that the last looks in a row point to. It counts once it was seen twice and for its whole time."""

    of: State
    mark: tuple[object, ...]  # what must not change meanwhile
    grace: bool  # whether the grace time must pass too
    words: str
    since: float = 0.0
    polls: int = 1

    def confirmed(self, now: float, limits: Limits) -> bool:
        """Say whether the suspected end has come."""
        return self.polls >= 2 and now - self.since >= (limits.grace if self.grace else 0.0)


@dataclass(frozen=True)
class MonitorState:
    """All that the monitor keeps between polls. Moments are of its own monotonic clock."""

    began: float
    state: State | None = None  # None before the first poll
    since: float = 0.0  # when `state` began
    words: str = ""
    known: State | None = None  # the last state while the workstation answered
    run: str | None = None  # the run folder last seen
    pending: PendingVerdict | None = None  # forgotten at every outage: nothing seen is no evidence
    activity: str | None = None
    moved: float = 0.0  # when `activity` last changed
    boot_id: str | None = None
    missing: float | None = None  # since when there is no run folder
    lost: float | None = None  # since when the workstation does not answer
    failures: int = 0  # polls without an answer, in a row
    over: type[PostRunError] | None = None  # the refusal to end with; a complete run has none

    @property
    def ended(self) -> bool:
        """Say whether there is nothing left to wait for."""
        return self.state is State.COMPLETE or self.over is not None


def judge(memory: MonitorState, facts: Facts | None, now: float, limits: Limits) -> MonitorState:
    """Fold one poll into the memory; `facts` is None when the workstation did not answer.

    `now` is the monitor's monotonic clock in seconds: the workstation's clock has no say, so it may be wrong.
    """
    seen = _unseen(memory, now) if facts is None else _seen(memory, facts, now, limits)
    if seen.state is not memory.state or (seen.run != memory.run and seen.run and memory.run):
        seen = replace(seen, since=now)
    return replace(seen, over=_over(seen, now, limits))


def _unseen(memory: MonitorState, now: float) -> MonitorState:
    lost = now if memory.lost is None else memory.lost
    known = f"; it was {memory.known} when last seen" if memory.known else ""
    return replace(
        memory,
        state=State.UNREACHABLE,
        words=f"the workstation does not answer{known}",
        pending=None,
        lost=lost,
        failures=memory.failures + 1,
    )


def _seen(memory: MonitorState, facts: Facts, now: float, limits: Limits) -> MonitorState:
    run = facts.runs[-1] if facts.runs else None
    still = run is not None and run == memory.run and facts.activity == memory.activity
    seen = replace(
        memory,
        run=run or memory.run,
        pending=_followed(memory, _suspect(memory, facts), now),
        activity=facts.activity if run else None,
        moved=memory.moved if still else now,
        boot_id=facts.boot_id if run != memory.run or memory.boot_id is None else memory.boot_id,
        missing=None if run else (now if memory.missing is None else memory.missing),
        lost=None,
        failures=0,
    )
    state, words = _state(seen, facts, now, limits)
    if len(facts.runs) > 1:
        words += f"; {len(facts.runs)} folders have this tag, the newest counts"
    return replace(seen, state=state, known=state, words=words)


def _state(seen: MonitorState, facts: Facts, now: float, limits: Limits) -> tuple[State, str]:
    if not facts.runs:
        return (
            State.WAITING,
            f"run folder {seen.run} is gone" if seen.run else "no run folder has this tag yet",
        )
    pending = seen.pending
    if pending and pending.confirmed(now, limits):
        return pending.of, pending.words
    who = _who(facts.processes)
    if facts.result is Result.VALID:
        return State.SETTLING, f"result.json is there, {who}" + (
            "" if facts.processes else "; are the folders still?"
        )
    if facts.result is Result.BROKEN:
        return State.WRITING, facts.result_flaw or "result.json is broken"
    if not facts.has_context:
        return State.STARTING, facts.stopped or f"no context yet; {who}"
    if facts.processes and now - seen.moved >= limits.stall:
        return State.STALLED, f"{who}, but no file has changed for {limits.stall:g} s"
    return State.RUNNING, who


def _who(processes: int) -> str:
    return f"{processes or 'no'} process{'es' if processes > 1 else ''} of it"


def _suspect(memory: MonitorState, facts: Facts) -> PendingVerdict | None:
    """Say which end this one look points to."""
    if not facts.runs:
        return None
    run = facts.runs[-1]
    if facts.result is Result.BROKEN:
        flaw = facts.result_flaw or "result.json is broken"
        return PendingVerdict(State.CORRUPT, (run, facts.result_text), True, flaw)
    if facts.processes:
        return None
    if facts.result is Result.VALID:
        mark = (run, facts.result_text, facts.settled)
        return PendingVerdict(
            State.COMPLETE, mark, False, "result.json is valid, no process is left, nothing changes"
        )
    if facts.stopped and not facts.has_context:
        return PendingVerdict(State.DEAD, (run, facts.stopped), False, facts.stopped)
    restarted = (
        run == memory.run and memory.boot_id and facts.boot_id and facts.boot_id != memory.boot_id
    )
    why = "the workstation was restarted" if restarted else "no process of it is left"
    return PendingVerdict(
        State.DEAD, (run, facts.settled), True, f"{why} and there is no result.json"
    )


def _followed(
    memory: MonitorState, fresh: PendingVerdict | None, now: float
) -> PendingVerdict | None:
    """Carry on the suspicion of the look before when this one found exactly the same; else begin anew."""
    before = memory.pending
    if fresh is None:
        return None
    if before is None or (before.of, before.mark) != (fresh.of, fresh.mark):
        return replace(fresh, since=now)
    return replace(fresh, since=before.since, polls=before.polls + 1)


def _over(memory: MonitorState, now: float, limits: Limits) -> type[PostRunError] | None:
    assert memory.state is not None
    if memory.state in ENDS:
        return ENDS[memory.state]
    spent: dict[type[PostRunError], bool] = {
        kind: now >= end for kind, end in _bounds(memory, limits).items()
    }
    return next((kind for kind, reached in spent.items() if reached), None)


def _bounds(memory: MonitorState, limits: Limits) -> dict[type[PostRunError], float]:
    """Give the moments at which patience ends, whatever a look may show."""
    timers: tuple[tuple[type[PostRunError], float | None, float | None], ...] = (
        (Unreachable, memory.lost, limits.outage),
        (Missing, memory.missing, limits.appear_timeout),
        (DeadlineReached, memory.began, limits.deadline),
    )
    return {
        kind: start + span for kind, start, span in timers if start is not None and span is not None
    }


SLOWEST = 60.0  # seconds between attempts on a workstation that does not answer, unless the interval is longer


def pause(memory: MonitorState, now: float, limits: Limits, chance: float) -> float:
    """Give the seconds from `now`, the end of a poll, to the next: the interval; without answers twice that each time.

    `chance` (0 to 1) spreads the attempts, so that many monitors do not knock at the same moment. Never past the
    moment at which patience ends.
    """
    step = limits.interval
    if memory.failures:
        doubled = limits.interval * 2.0 ** min(memory.failures - 1, 16)
        step = min(doubled, max(limits.interval, SLOWEST)) * (0.75 + chance / 2)
    return max(0.0, min(step, left(memory, now, limits)))


def left(memory: MonitorState, now: float, limits: Limits) -> float:
    """Give the seconds until patience ends; infinite when it never does."""
    return min((end - now for end in _bounds(memory, limits).values()), default=math.inf)
