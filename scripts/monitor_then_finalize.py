"""Wait for the end of an official run without being fooled, then close it.

Reads the workstation, one small look per interval: result.json, the run's processes, what changes in its folders.
Writes monitor_events.jsonl in the local run folder, one line for each change of state; then what the steps write.
States: waiting starting running stalled settling writing corrupt dead unreachable complete. A run is complete when
its result is valid, no process of it is left, and two looks in a row found its folders the same. An outage is waited
out for --outage-budget, also one that keeps the closing from its end.

With --once it looks and ends; only when the look points to an end it stays until that is sure (complete: one
interval more; dead or corrupt: the grace time). --dry-run looks once, tells the state and writes nothing.
Ctrl-C detaches: the run goes on, and the same command resumes. With --json each closing that was tried is a line.

Exit codes: those of the steps once the run is closed (0 clean, 1 a verdict is no), 2 wrong usage, 3 no run folder
within --appear-timeout, 4 result.json is corrupt, 6 the workstation did not answer, 7 the run is dead, 8 deadline
reached, 10 not finished yet (--once, --dry-run, or a process that kept the closing from its end), 130 detached.

    python scripts/monitor_then_finalize.py --tag committee_2026-02-21_run4 --interval 30
"""

import argparse
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core import locations, terminal
from postrun.core.errors import (
    INTERRUPTED,
    DeadlineReached,
    Invalid,
    Missing,
    NotFinished,
    PostRunError,
    RunDead,
    Unreachable,
)
from postrun.core.request import RunRequest
from postrun.monitor import notify
from postrun.monitor.notify import Notifier
from postrun.monitor.run_monitor import TICK, RunMonitor, add_patience, ask, limits_of
from postrun.monitor.screen import Screen, progress
from postrun.monitor.states import MonitorState, State, left, pause
from postrun.remote import workstation
from postrun.remote.snapshots import RunSnapshot
from postrun.store import configuration, run_lookup
from steps import STEPS

_BUSY = (State.RUNNING, State.STALLED)
SHOWN, TOLD = 3, 10  # last lines of run.log: in the live view, and when the run is dead


class Watch:
    """One run, polled until its end; what it is doing is told on the way."""

    def __init__(
        self,
        lookout: RunMonitor,
        look: Callable[[], RunSnapshot],
        screen: Screen,
        note: Callable[[MonitorState, bool], None],
    ) -> None:
        self.lookout, self.screen, self._note = lookout, screen, note
        self._look = look
        self._polls = 0
        self._progress = ""

    def follow(self, enough: Callable[[MonitorState, int], bool]) -> MonitorState:
        """Poll until the run has ended, patience has, or what is known after so many polls is enough."""
        while True:
            answer = ask(self._look, self._left, lambda: self._draw("looking"))
            if (
                isinstance(answer, PostRunError)
                and type(answer) is not Unreachable
                and self.lookout.glance is None
            ):
                raise answer  # a wrong root, user or key: asking again would not help
            now = time.monotonic()
            self._polls += 1
            changed = self.lookout.take(answer, now)
            memory = self.lookout.memory
            self._tell(changed)
            self._note(memory, changed)
            if memory.ended or enough(memory, self._polls):
                return memory
            self._idle(now + pause(memory, now, self.lookout.limits, random.random()))

    def _left(self) -> float:
        return left(self.lookout.memory, time.monotonic(), self.lookout.limits)

    def _idle(self, until: float) -> None:
        while (rest := until - time.monotonic()) > 0:
            self._draw(f"next look in {math.ceil(rest)} s")
            time.sleep(min(rest, TICK) if self.screen.live else rest)

    def _tell(self, changed: bool) -> None:
        memory, lookout = self.lookout.memory, self.lookout
        if changed:
            why = f" ({lookout.trouble})" if lookout.trouble else ""
            self.screen.tell(
                terminal.plain(f"{time.strftime('%H:%M:%S')} {memory.state}: {memory.words}{why}")
            )
        doing = (
            progress(lookout.glance.log_tail) if lookout.glance and memory.known in _BUSY else ""
        )
        if doing != self._progress and doing and not self.screen.live:
            self.screen.tell(terminal.plain(f"{time.strftime('%H:%M:%S')} {doing}"))
        self._progress = doing

    def _draw(self, doing: str) -> None:
        memory = self.lookout.memory
        lasting = timedelta(seconds=int(time.monotonic() - memory.since))
        state = f"{memory.state} for {lasting}: {memory.words}" if memory.state else "first look"
        log = [f"  | {line}" for line in self.last_lines(SHOWN)]
        lines = [
            f"run {self.lookout.tag}: {state}",
            *([f"  {self._progress}"] if self._progress else []),
            *log,
        ]
        self.screen.draw(
            [
                terminal.plain(line)
                for line in [*lines, f"{doing}; Ctrl-C detaches, the run goes on"]
            ]
        )

    def last_lines(self, count: int) -> list[str]:
        """Give the last lines of run.log, as far as they were seen."""
        return self.lookout.glance.log_tail.splitlines()[-count:] if self.lookout.glance else []


def add_until(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a watch over one run."""
    until = parser.add_argument_group("until when")
    until.add_argument(
        "--once", action="store_true", help="look, and tell by the exit code; 10 is not finished"
    )
    until.add_argument("--until", choices=[str(State.COMPLETE)], help="stop there, do not finalize")
    until.add_argument(
        "--process-pattern", metavar="RE", help="a regular expression: also a process of the run"
    )


def enough(args: argparse.Namespace, memory: MonitorState, polls: int) -> bool:
    """Say whether to stop before the run ends. With --once it goes on while every look pointed to the same end."""
    pointed = memory.pending is not None and memory.pending.polls == polls
    return args.dry_run or (args.once and not pointed)


def exactly(request: RunRequest, lookout: RunMonitor) -> RunRequest:
    """Name the run folder when its tag has several: by the tag alone, detection passes over one without a context."""
    if lookout.glance is None or len(lookout.glance.runs) < 2:
        return request
    return replace(request, run_dir_remote=f"{locations.RUNS}/{lookout.memory.run}")


def why(watch: Watch, request: RunRequest, resume: str) -> PostRunError:
    """Put an end that is no completion into words."""
    memory, lookout, limits = watch.lookout.memory, watch.lookout, watch.lookout.limits
    run, found = f"run {lookout.tag}", f"{memory.state}: {memory.words}"
    if memory.over is RunDead:
        return RunDead(
            run,
            "a result.json",
            memory.words,
            f"close it with: {cli.abandon_command(request, lookout.tag)}",
        )
    if memory.over is Invalid:
        hint = f"if it stays so, close it with: {cli.abandon_command(request, lookout.tag)}"
        return Invalid(run, "a result.json that can be read", memory.words, hint)
    if memory.over is Missing:
        return Missing(
            run, f"a run folder within {limits.appear_timeout:g} s", memory.words, resume
        )
    if memory.over is DeadlineReached:
        return DeadlineReached(run, f"its end within {limits.deadline:g} s", found, resume)
    if memory.state is State.UNREACHABLE:
        return Unreachable(f"workstation {request.host}", "an answer", lookout.trouble, resume)
    return NotFinished(run, "its end", found)


def close(args: argparse.Namespace, request: RunRequest, watch: Watch) -> int:
    """Close a complete run, and try again what an outage or a late process kept from its end; give the last code."""
    while True:
        code = conductor.close(request, STEPS, args.lock_wait, args.json)
        rest = None if args.once else watch.lookout.put_off(code, time.monotonic())
        if rest is None:
            return code
        words = f"run {watch.lookout.tag} is not closed yet (exit code {code}); the next try is in {math.ceil(rest)} s"
        watch.screen.tell(terminal.plain(words))
        time.sleep(rest)


def conclude(
    args: argparse.Namespace, request: RunRequest, watch: Watch, herald: Notifier, resume: str
) -> int:
    """Close a complete run, or tell the state on stdout and why it is an end on stderr."""
    memory, request = watch.lookout.memory, exactly(request, watch.lookout)
    complete = memory.state is State.COMPLETE
    if complete and not args.until:
        closed = close(args, request, watch)
        herald.verdict(memory.run, watch.lookout.tag, closed)
        return closed
    error = None if complete else why(watch, request, resume)
    code = error.exit_code if error else 0
    row = {"state": memory.state, "run": memory.run, "words": memory.words, "exit_code": code}
    print(json.dumps(row) if args.json else memory.state)
    for line in watch.last_lines(TOLD) if memory.state is State.DEAD else ():
        terminal.say(f"  | {line}")
    if error:
        raise error
    return 0


def run(args: argparse.Namespace, resume: str) -> int:
    """Watch one run to its end and conclude."""
    request = cli.parse_request(args)
    tag, run_folder = run_lookup.requested_tag(request), run_lookup.requested_run(request)
    folder = run_folder and f"{locations.RUNS}/{run_folder}"
    station, screen = (
        workstation.connect(request.host, request.remote_root, configuration.workstation()),
        Screen(),
    )
    lookout = RunMonitor(request.root, tag, limits_of(args), time.monotonic(), args.process_pattern)
    herald = notify.herald(request.root, lambda words: screen.tell(terminal.plain(words)))
    watch = Watch(
        lookout,
        lambda: station.take_run_snapshot(tag, folder),
        screen,
        partial(herald.note, request.host, tag),
    )
    try:
        watch.follow(partial(enough, args))
        screen.clear()
        station.close()
        return conclude(args, request, watch, herald, resume)
    except KeyboardInterrupt:
        seen = lookout.memory.state or "not seen yet"
        then = "before it was closed" if seen is State.COMPLETE else "which goes on"
        screen.tell(terminal.plain(f"detached from run {tag} ({seen}), {then}; {resume}"))
        return INTERRUPTED
    finally:
        screen.clear()
        herald.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the monitor."""
    work = partial(run, resume=cli.resume_hint(__file__, argv))
    flags = (cli.add_target, cli.add_evidence, cli.add_decision, add_patience, add_until)
    return cli.script_main(work, __doc__, argv, *flags)


if __name__ == "__main__":
    raise SystemExit(main())
