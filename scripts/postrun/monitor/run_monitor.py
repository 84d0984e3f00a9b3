"""One run under watch: facts out of a glance, and the memory of it. For everything that waits for runs, one or many.

The judgment itself is `states`; here is what it needs from the doors.
"""

import argparse
import math
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun.core import values
from postrun.core.errors import (
    DeadlineReached,
    Missing,
    NotFinished,
    PostRunError,
    Unreachable,
)
from postrun.monitor.journal import Journal
from postrun.monitor.states import Facts, Limits, MonitorState, Result, judge, left, pause
from postrun.remote import processes
from postrun.remote.snapshots import RunSnapshot
from postrun.store import configuration, json_files

PATIENCE = (  # flag, field of Limits, what it is
    ("--interval", "interval", "between two looks"),
    ("--grace", "grace", "how long no process, or a broken result, must be seen to count"),
    ("--stall-after", "stall", "without any file changing, until a run counts as stalled"),
    (
        "--appear-timeout",
        "appear_timeout",
        f"for the run folder to appear; then exit code {Missing.exit_code}",
    ),
    (
        "--outage-budget",
        "outage",
        f"for the workstation to answer again; then exit code {Unreachable.exit_code}",
    ),
    ("--deadline", "deadline", f"for everything; then exit code {DeadlineReached.exit_code}"),
)
TICK = 0.5  # seconds between two signs of life while a look takes its time
LAST_LOOK = 5.0  # seconds for a look that patience runs out on
_MAY_PASS = (
    Unreachable.exit_code,
    NotFinished.exit_code,
)  # the network was cut, or somebody is at work on it again


def facts_of(
    glance: RunSnapshot, tag: str, pattern: str | None = None, ignored: Collection[str] = ()
) -> Facts:
    """Boil a glance down to what the judgment needs. Raises Usage for a pattern that is no regular expression."""
    run = Path(glance.runs[-1]).name if glance.runs else None
    mine = processes.of_run(
        glance.processes,
        tag,
        run,
        [Path(gate).name for gate in glance.gates],
        glance.pid_file,
        glance.boot_id,
        pattern,
        ignored,
    )
    document, flaw = _result(glance.result)
    unreported = document is not None and document["exit_code"] == 0 and not glance.gates
    return Facts(
        runs=tuple(Path(folder).name for folder in glance.runs),
        has_context=glance.has_context,
        stopped=_stopped(glance),
        result=Result.ABSENT if glance.result is None else Result.BROKEN if flaw else Result.VALID,
        result_text=glance.result,
        result_flaw=flaw,
        processes=len(mine),
        settled=glance.activity
        if unreported
        else glance.settled,  # each open gate folder may become its report's
        activity=glance.activity,
        boot_id=glance.boot_id,
    )


def _result(text: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """Read a result.json; give it, or what keeps it from being one, or neither when there is none."""
    if text is None:
        return None, None
    content = text.encode(errors="surrogateescape")
    reading = json_files.try_parse(content, "result.json", "result")
    return reading.value, reading.problem or None


def _stopped(glance: RunSnapshot) -> str | None:
    """Say which gate in front of the run stopped it, with that gate's own reasons."""
    preflight = values.mapping(values.parse_json(glance.preflight))
    quality = values.mapping(values.parse_json(glance.data_quality))
    if preflight.get("status") == "fail":
        return _because("the preflight failed", preflight.get("reasons"))
    if quality.get("overall_pass") is False:
        return _because("the data-quality gate failed", quality.get("failures"))
    return None


def _because(words: str, reasons: object) -> str:
    named = ", ".join(str(reason) for reason in reasons) if isinstance(reasons, list) else ""
    return f"{words}: {named}" if named else words


class _Poll(threading.Thread):
    """One look, apart from the main thread."""

    def __init__(self, look: Callable[[], RunSnapshot]) -> None:
        super().__init__(daemon=True)
        self._look = look
        self.answer: RunSnapshot | PostRunError | None = None

    def run(self) -> None:
        try:
            self.answer = self._look()
        except PostRunError as error:
            self.answer = error


def ask(
    look: Callable[[], RunSnapshot], left: Callable[[], float], meanwhile: Callable[[], None]
) -> RunSnapshot | PostRunError | None:
    """Look once; give what was seen, why nothing was, or None when the time that is left went by without an answer.

    The look has a thread of its own, so that Ctrl-C and a deadline need not wait for a network. It gets a few seconds
    in any case: the last one decides. `meanwhile` is called every now and then.
    """
    poll = _Poll(look)
    poll.start()
    least = time.monotonic() + LAST_LOOK
    while poll.is_alive() and (rest := max(left(), least - time.monotonic())) > 0:
        poll.join(min(TICK, rest))
        meanwhile()
    if poll.answer is None and not poll.is_alive():
        raise RuntimeError("the look broke off; its traceback is above")
    return poll.answer


class RunMonitor:
    """One run that somebody waits for. `take` folds in what a poll brought; `memory` is what is known by now."""

    def __init__(
        self, root: Path, tag: str, limits: Limits, began: float, pattern: str | None = None
    ) -> None:
        self.tag, self.limits, self.pattern = tag, limits, pattern
        self.memory = MonitorState(began=began)
        self.glance: RunSnapshot | None = None  # the last good one
        self.trouble = ""  # why the last poll brought nothing
        self.polls = 0
        self._ignored = configuration.workstation()["ignored_programs"]
        self._journal = Journal(root, tag)

    def take(self, answer: RunSnapshot | PostRunError | None, now: float) -> bool:
        """Fold in one poll (None: no answer in time); say whether the state changed. `now` is the monotonic clock."""
        before = self.memory
        self.polls += 1
        if isinstance(answer, RunSnapshot):
            self.glance, self.trouble = answer, ""
            facts = facts_of(answer, self.tag, self.pattern, self._ignored)
        else:
            self.trouble, facts = str(answer or "no answer in time"), None
        self.memory = judge(before, facts, now, self.limits)
        try:
            self._journal.note(before, self.memory, now)
        except Missing as error:  # a full disk, say: the line is kept for the next look, and the run is still watched
            self.trouble = str(error)
        return self.memory.state is not before.state or self.memory.run != before.run

    def put_off(self, code: int, now: float) -> float | None:
        """Give the seconds until the closing of this complete run is tried again, after it ended with this exit code.

        None when it is done, or would not get further by itself, or patience is over: what keeps a closing from its end
        counts as an outage, from its first try on.
        """
        if code not in _MAY_PASS:
            return None
        lost = now if self.memory.lost is None else self.memory.lost
        self.memory = replace(self.memory, lost=lost, failures=self.memory.failures + 1)
        if left(self.memory, now, self.limits) <= 0:
            return None
        return pause(self.memory, now, self.limits, random.random())


def seconds(text: str) -> float:
    """Read a positive number of seconds; a type for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, found {text!r}")
    return number


def add_patience(parser: argparse.ArgumentParser, usual: Limits | None = None) -> None:
    """Add the flags of whoever waits for runs; `usual` holds the defaults."""
    group = parser.add_argument_group("how patient to be, in seconds")
    for flag, name, words in PATIENCE:
        default = getattr(usual or Limits(), name)
        told = f"{words} (default: {'no end' if default is None else f'{default:g}'})"
        group.add_argument(flag, dest=name, type=seconds, default=default, metavar="S", help=told)


def limits_of(args: argparse.Namespace) -> Limits:
    """Give the limits that a command line sets."""
    return Limits(**{name: getattr(args, name) for _, name, _ in PATIENCE})
