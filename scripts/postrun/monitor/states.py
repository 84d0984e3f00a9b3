"""The state of a run, worked out from what the polls reported: pure functions over facts.

Nothing here reads a clock, a disk or a network. Times are parameters, so that every sequence can
be tested.
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
from postrun.monitor.timeouts import Limits as Limits
from postrun.remote import scheduler
from postrun.remote.scheduler import Job

# What a run can be, as far as the monitor knows.
State = StrEnum(
    "State",
    "WAITING STARTING RUNNING STALLED SETTLING WRITING CORRUPT DEAD UNREACHABLE COMPLETE",
)
# One sentence for each state; `make docs` writes them into docs/steps.md.
MEANING = {
    "waiting": "no run folder has this tag yet, or its job is queued",
    "starting": "the run folder exists, its context.json does not yet",
    "running": "no result.json yet; processes are alive, or missing for less than the grace time",
    "stalled": "processes are alive or cannot be seen, and no file has changed for the stall "
    "limit; or its job is suspended",
    "settling": "result.json is valid, but processes are alive or files may still be changing",
    "writing": "result.json is present but not valid: perhaps it is only half written",
    "corrupt": "result.json stayed invalid, without a change, for the grace time",
    "dead": "no result.json and no process, where its processes could have been seen, or its job "
    "has ended, in two polls or more and for the whole grace time; or the preflight or the "
    "data-quality gate failed",
    "unreachable": "the workstation does not answer; the pauses between attempts get longer",
    "complete": "result.json is valid, no process is alive, and no file changed between two polls",
}
# The states that end a monitor, each with the error to end with.
FINAL_STATES: dict[State, type[PostRunError] | None] = {
    State.COMPLETE: None,
    State.CORRUPT: Invalid,
    State.DEAD: RunDead,
}
LONGEST_PAUSE = 60.0  # seconds between failed attempts, unless the interval itself is longer
_MOST_DOUBLINGS = 16  # far beyond the longest pause; without end, the number would overflow
_CHECKING = "checking that files have stopped changing"


@dataclass(frozen=True)
class Facts:
    """What one poll reported of a run, reduced to what its state depends on."""

    runs: tuple[str, ...]  # run folders of the tag, oldest first; the fields below: the newest
    has_context: bool
    stopped: str | None  # why the preflight or the data-quality gate stopped the run
    result_text: str | None  # what result.json holds
    result_flaw: str | None  # why that is no valid result
    processes: int  # of this run
    # Fingerprints: the same text as in the poll before means that no file has changed. `settled`
    # is over the run folder and the gate folders that have a report with this tag; `activity` also
    # over gate folders without a report, since nobody knows yet whose they are.
    settled: str
    activity: str
    boot_id: str | None = None
    unseen: str | None = None  # why no process of the run could be seen, if that is so
    restarted_from: str | None = None  # the boot id it was started under, when that is over
    nearest_tags: str = ""  # when there is no run folder
    at_work: str = ""  # which processes there are, in words
    other_runs: tuple[str, ...] = ()  # run folders of other tags that become the same name
    job: Job | None = None  # of the scheduler, where it is asked and knows one

    @property
    def has_result(self) -> bool:
        """Return whether there is a valid result.json."""
        return self.result_text is not None and self.result_flaw is None

    @property
    def is_at_work(self) -> bool:
        """Return whether a process of the run was seen, or its job has not ended."""
        return self.processes > 0 or (self.job is not None and not self.job.has_ended)

    @property
    def may_go_on(self) -> bool:
        """Return whether a run without a result may be at work on a node that does not answer."""
        return self.job is not None and self.job.is_lost and self.result_text is None


@dataclass(frozen=True)
class PendingVerdict:
    """A final state that the last polls, one after another, point to.

    It holds once two polls have confirmed it and its waiting time has passed.
    """

    state: State
    evidence: tuple[object, ...]  # what must stay the same from poll to poll
    needs_grace: bool  # whether the grace time must pass as well
    message: str
    since: float = 0.0
    polls: int = 1

    def confirmed(self, now: float, limits: Limits) -> bool:
        """Return whether enough polls, over enough time, have agreed."""
        if self.polls < 2:
            return False
        return not self.needs_grace or now - self.since >= limits.grace


@dataclass(frozen=True)
class MonitorState:
    """All that the monitor of one run keeps between polls.

    Times are of its own monotonic clock. `missing_since` and `unreachable_since` are infinite while
    the run folder exists and the workstation answers.
    """

    started_at: float
    state: State | None = None  # None before the first poll
    state_since: float = 0.0
    message: str = ""
    last_known: State | None = None  # the last state while the workstation answered
    run: str | None = None  # the newest run folder of the tag
    # Dropped at every outage: no answer is no evidence of anything.
    pending: PendingVerdict | None = None
    activity: str | None = None
    activity_since: float = 0.0
    boot_id: str | None = None
    job: Job | None = None  # as the scheduler showed it last
    missing_since: float = math.inf  # since when there is neither a run folder nor a job
    unreachable_since: float = math.inf
    failed_polls: int = 0  # in a row
    error_class: type[PostRunError] | None = None  # why the monitor ended; None when complete

    @property
    def has_ended(self) -> bool:
        """Return whether nothing is left to wait for."""
        return self.state is State.COMPLETE or self.error_class is not None

    def differs_from(self, previous: "MonitorState") -> bool:
        """Return whether this is another state, or that of another run folder."""
        return self.state is not previous.state or self.run != previous.run

    def with_failed_attempt(self, now: float) -> "MonitorState":
        """Return this state after the workstation could not be reached once more."""
        return replace(
            self,
            unreachable_since=min(self.unreachable_since, now),
            failed_polls=self.failed_polls + 1,
        )


def next_state(
    previous: MonitorState, facts: Facts | None, now: float, limits: Limits
) -> MonitorState:
    """Return the state after one more poll; `facts` is None when the workstation did not answer.

    `now` is the monitor's own monotonic clock in seconds. The workstation's clock does not matter:
    it may be wrong.
    """
    answered = replace(previous, unreachable_since=math.inf, failed_polls=0)
    if facts is None:
        current = _without_answer(previous, now)
    else:
        facts = _with_known_job(previous, facts)
        answered = replace(answered, job=facts.job)
        following = _with_facts if facts.runs else _without_folder
        current = following(answered, facts, now, limits)
    is_other_run = previous.run is not None and current.run != previous.run
    if is_other_run or current.state is not previous.state:
        current = replace(current, state_since=now)
    return replace(current, error_class=_error_class(current, now, limits))


def _with_known_job(previous: MonitorState, facts: Facts) -> Facts:
    """Return the facts with the job that an earlier poll showed, when the queue has it no more."""
    is_other_run = previous.run is not None and facts.runs[-1:] != (previous.run,)
    if facts.job or previous.job is None or is_other_run:
        return facts
    job = previous.job
    if not job.is_lost:
        job = replace(job, state=scheduler.GONE)
    return replace(facts, job=job, unseen=None)


def _without_answer(previous: MonitorState, now: float) -> MonitorState:
    message = "the workstation does not answer"
    if previous.last_known:
        message += f"; the run was {previous.last_known} at the last answer"
    lost = previous.with_failed_attempt(now)
    return replace(lost, state=State.UNREACHABLE, message=message, pending=None)


def _without_folder(
    previous: MonitorState, facts: Facts, now: float, limits: Limits
) -> MonitorState:
    state, pending = State.WAITING, None
    missing_since = min(previous.missing_since, now)
    message = "no run folder has this tag yet"
    if previous.run:
        message = f"run folder {previous.run} is gone"
    elif facts.job and facts.job.has_ended:
        pending = _confirm(previous.pending, _never_started(facts.job), now)
        message = pending.message
        if pending.confirmed(now, limits):
            state = State.DEAD
    elif facts.job:
        # It has appeared, however long it is queued.
        missing_since = math.inf
        message = f"{facts.job}; there is no run folder yet"
    else:
        message += f"; waiting at most {limits.appear_timeout:g} s for it (--appear-timeout)"
        if facts.nearest_tags:
            message += f"; nearest tags that exist: {facts.nearest_tags}"
    return replace(
        previous,
        state=state,
        last_known=state,
        message=message,
        pending=pending,
        activity=None,
        activity_since=now,
        boot_id=facts.boot_id,
        missing_since=missing_since,
    )


def _never_started(job: Job) -> PendingVerdict:
    """Return the verdict on a job that ended before its run had a folder."""
    message = f"{job} and there is no run folder"
    return PendingVerdict(State.DEAD, (None, job.id), True, message)


def _with_facts(previous: MonitorState, facts: Facts, now: float, limits: Limits) -> MonitorState:
    run = facts.runs[-1]
    is_same_run = run == previous.run
    activity_since, boot_id = previous.activity_since, previous.boot_id
    if not is_same_run or facts.activity != previous.activity:
        activity_since = now
    if not is_same_run or boot_id is None:
        boot_id = facts.boot_id

    quiet_for = now - activity_since
    pending = _pending_verdict(previous, facts)
    if facts.may_go_on and quiet_for < limits.stall:
        pending = None
    if pending:
        pending = _confirm(previous.pending, pending, now)
    if pending and pending.confirmed(now, limits):
        state, message = pending.state, pending.message
    else:
        state, message = _going_on(facts, quiet_for, limits)
    if len(facts.runs) > 1:
        message += f"; {len(facts.runs)} folders have this tag, the newest counts"
    if facts.other_runs:
        others = ", ".join(facts.other_runs)
        message += f"; of another tag with the same name, and to be closed by that tag: {others}"
    return replace(
        previous,
        state=state,
        last_known=state,
        message=message,
        run=run,
        pending=pending,
        activity=facts.activity,
        activity_since=activity_since,
        boot_id=boot_id,
        missing_since=math.inf,
    )


def _going_on(facts: Facts, quiet_for: float, limits: Limits) -> tuple[State, str]:
    """Return state and message of a run whose end is not confirmed."""
    processes = _describe_processes(facts)
    if facts.has_result and facts.is_at_work:
        message = f"result.json is present, but {processes}"
        if facts.at_work:
            message += f": {facts.at_work}"
        return State.SETTLING, message
    if facts.has_result:
        return State.SETTLING, f"result.json is present and {_describe_end(facts)}; {_CHECKING}"
    if facts.result_flaw is not None:
        return State.WRITING, facts.result_flaw
    if facts.job and facts.job.is_queued:
        return State.WAITING, f"{processes}, and starts the run again"
    if not facts.has_context:
        return State.STARTING, facts.stopped or f"no context.json yet; {processes}"
    if facts.job and facts.job.is_paused:
        return State.STALLED, processes
    if (facts.is_at_work or facts.unseen) and quiet_for >= limits.stall:
        return State.STALLED, f"{processes}, but no file has changed for {limits.stall:g} s"
    return State.RUNNING, processes


def _describe_processes(facts: Facts) -> str:
    processes = facts.processes
    if facts.job and (processes == 0 or not facts.job.has_ended):
        return str(facts.job)
    if processes == 0 and facts.unseen:
        return f"its processes cannot be seen from there ({facts.unseen})"
    if processes == 0:
        return "no process was found"
    return "1 process is running" if processes == 1 else f"{processes} processes are running"


def _pending_verdict(previous: MonitorState, facts: Facts) -> PendingVerdict | None:
    """Return the final state that this one poll points to, if it points to any."""
    run = facts.runs[-1]
    if facts.result_flaw is not None:
        return PendingVerdict(State.CORRUPT, (run, facts.result_text), True, facts.result_flaw)
    if facts.is_at_work:
        return None
    if facts.has_result:
        evidence = (run, facts.result_text, facts.settled)
        message = f"result.json is valid, {_describe_end(facts)} and files have stopped changing"
        return PendingVerdict(State.COMPLETE, evidence, False, message)
    if facts.stopped and not facts.has_context:
        return PendingVerdict(State.DEAD, (run, facts.stopped), False, facts.stopped)
    # A restart ends every process; that the host was restarted is known to who saw it before.
    saw_restart = facts.restarted_from and facts.restarted_from == previous.boot_id
    if facts.unseen and not saw_restart:
        return None
    message = "no process is left and there is no result.json"
    if facts.job:
        message = f"{facts.job} and there is no result.json"
    elif run == previous.run and len({previous.boot_id, facts.boot_id} - {None, ""}) == 2:
        message = "the workstation was restarted and there is no result.json"
    return PendingVerdict(State.DEAD, (run, facts.settled), True, message)


def _describe_end(facts: Facts) -> str:
    if facts.unseen or facts.job:
        return _describe_processes(facts)
    return "no process is left"


def _confirm(earlier: PendingVerdict | None, verdict: PendingVerdict, now: float) -> PendingVerdict:
    """Return the verdict with its number of polls; any other evidence starts the count again."""
    evidence = (verdict.state, verdict.evidence)
    if earlier is None or (earlier.state, earlier.evidence) != evidence:
        return replace(verdict, since=now)
    return replace(verdict, since=earlier.since, polls=earlier.polls + 1)


def _error_class(current: MonitorState, now: float, limits: Limits) -> type[PostRunError] | None:
    if current.state in FINAL_STATES:
        return FINAL_STATES[current.state]
    for error_type, end in _ends(current, limits).items():
        if now >= end:
            return error_type
    return None


def _ends(current: MonitorState, limits: Limits) -> dict[type[PostRunError], float]:
    """Return the moments at which waiting ends whatever a poll reports, with the error of each."""
    return {
        Unreachable: current.unreachable_since + limits.outage,
        Missing: current.missing_since + limits.appear_timeout,
        DeadlineReached: current.started_at + limits.deadline,
    }


def pause(current: MonitorState, now: float, limits: Limits, chance: float) -> float:
    """Return the seconds from `now`, the end of a poll, to the next one.

    That is the interval; after failed polls twice as long each time. `chance` (0 to 1) spreads the
    attempts, so that many monitors do not ask at the same moment. The pause never goes past the
    moment at which waiting ends.
    """
    seconds = limits.interval
    if current.failed_polls:
        doublings = min(current.failed_polls - 1, _MOST_DOUBLINGS)
        longest = max(limits.interval, LONGEST_PAUSE)
        seconds = min(limits.interval * 2.0**doublings, longest) * (0.75 + chance / 2)
    return max(0.0, min(seconds, seconds_left(current, now, limits)))


def seconds_left(current: MonitorState, now: float, limits: Limits) -> float:
    """Return the seconds until waiting ends; infinite when it never does."""
    return min(_ends(current, limits).values()) - now
