"""Follow every unfinished run on every configured workstation, and close each as it completes, one after another.

Reads the workstations that configs/workstation.local.json lists under `workstations`; without that list, or with
--host, one. One connection and one small look per interval each, whatever the number of runs. Writes
monitor_events.jsonl in the local folder of each run, then what the steps write.

A run is unfinished when its folder is there and it was not closed in this workspace (no ledger row, or no audit).
Watched are those that began within 7 days by the workstation's clock, those still at work however old, and all that
begin later; --since names another day, --all takes in every one. Dead and corrupt runs are told, never closed.
While another process holds the lock that a closing needs, or the network is cut in the middle of it, the run stays in
the queue and is tried again.
It ends when no unfinished run is left. With --once it looks and ends; when a look points to an end it stays until
that is sure. --dry-run looks once and writes nothing. Ctrl-C detaches: the runs go on, the same command resumes.

Exit codes: the worst of all runs: those of the steps for a run that was closed, 3 a run folder is gone or a root is
not there, 4 a result.json is corrupt, 5 one run on two workstations, 6 a workstation did not answer, 7 a run is dead,
8 deadline reached, 9 the lock was held to the end (--once, --deadline), 10 not finished yet (--once, --dry-run),
130 detached.

    python scripts/watch_runs.py --interval 60
"""

import argparse
import math
import queue
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core import clock, terminal
from postrun.core.errors import (
    INTERRUPTED,
    DeadlineReached,
    Locked,
    NotFinished,
    PostRunError,
    Unreachable,
)
from postrun.monitor import notify
from postrun.monitor.closing import order_of, outcome_of
from postrun.monitor.host_monitor import Answer, HostMonitor, Since
from postrun.monitor.notify import Notifier
from postrun.monitor.run_monitor import TICK, RunMonitor, add_patience, limits_of
from postrun.monitor.screen import Screen
from postrun.monitor.states import Limits, State
from postrun.monitor.table import Row, conclude, lines, row, state_of
from postrun.remote import workstation
from postrun.remote.snapshots import HostSnapshot
from postrun.store import configuration
from steps import STEPS

SHOWN = 5  # last lines of run.log when a run is dead
HOLD = 60.0  # seconds at most for which a held lock keeps the other runs from being polled
_USUAL = Limits(appear_timeout=3600.0)  # a run folder that vanishes is not waited for without end


class Watch:
    """Every unfinished run of every post, until each has ended or patience has."""

    def __init__(
        self,
        args: argparse.Namespace,
        posts: Sequence[HostMonitor],
        herald: Notifier,
        screen: Screen,
    ) -> None:
        self.args, self.posts, self.herald, self.screen = args, posts, herald, screen
        self.rows: list[Row] = []
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._complete: deque[tuple[HostMonitor, RunMonitor]] = deque()
        self._single = args.once or args.dry_run
        self._end = time.monotonic() + (args.deadline or math.inf)
        self._closable = 0.0  # when the next closing may be tried

    def follow(self) -> None:
        """Poll, tell and close until nothing is left to wait for."""
        while self._complete or (
            time.monotonic() < self._end and not all(map(self._rests, self.posts))
        ):
            try:
                self._take(*self._answers.get(timeout=self._ask()))
            except queue.Empty:
                self._close_one()
            self._draw()
        for post in self.posts:
            if not (post.looked or post.error):
                code = Unreachable.exit_code if self._single else DeadlineReached.exit_code
                words = str(post.trouble or "no answer in time")
                self.rows.append(Row(post.host, None, None, "not seen", words, code))
            self.rows += [
                self._unfinished(post, one) for one in post.runs.values() if not one.memory.ended
            ]

    @property
    def unclosed(self) -> int:
        """Count the runs that go on, and those that are complete and wait for their closing."""
        return len(self._complete) + sum(
            not one.memory.ended for post in self.posts for one in post.runs.values()
        )

    def _ask(self) -> float:
        """Begin the polls that are due; give the seconds until something has to be done here."""
        now = time.monotonic()
        waking = [post for post in self.posts if not post.asked and not self._given_up(post)]
        for post in waking:
            if post.due <= now:
                post.ask(self._answers)
        until = [post.due for post in waking if not post.asked] + [
            self._end,
            now + (TICK if self.screen.live else 60),
        ]
        until += [self._closable] if self._complete else []
        return max(0.0, min(until) - now)

    def _given_up(self, post: HostMonitor) -> bool:
        """Say whether a post is polled no more; one without runs still looks for new ones while others have some."""
        return post.error is not None or (self._single and self._rests(post))

    def _rests(self, post: HostMonitor) -> bool:
        """Say whether a post has nothing left to wait for."""
        if post.error or (self._single and post.trouble):
            return True
        return post.looked and all(map(self._enough, post.runs.values()))

    def _enough(self, one: RunMonitor) -> bool:
        memory = one.memory
        pointed = (
            memory.pending is not None
            and memory.pending.polls == one.polls
            and not self.args.dry_run
        )
        return memory.ended or (self._single and one.polls > 0 and not pointed)

    def _take(
        self, post: HostMonitor, found: HostSnapshot | PostRunError | None, now: float
    ) -> None:
        if found is None:
            raise RuntimeError("the look broke off; its traceback is above")
        first = not post.looked
        for one, changed in post.take(found, now):
            memory = one.memory
            if changed or memory.ended:
                self._tell(f"{post.host} {one.tag} {state_of(one)}: {memory.words}", one.trouble)
            if memory.over is not Unreachable:
                self.herald.note(post.host, one.tag, memory, changed)
            if memory.ended:
                self._settle(post, one)
        if first and post.looked:
            self._tell(f"{post.host}: {len(post.runs)} unfinished runs to watch{_left_alone(post)}")
        elif first:
            self._tell(f"{post.host} does not answer", str(post.trouble or ""))
        if post.error:
            self._give_up(post, post.error)

    def _tell(self, words: str, why: str = "") -> None:
        self.screen.tell(
            terminal.plain(f"{time.strftime('%H:%M:%S')} {words}{f' ({why})' if why else ''}")
        )

    def _settle(self, post: HostMonitor, one: RunMonitor) -> None:
        """Have a complete run closed in its turn; write down any other end."""
        memory = one.memory
        if memory.state is State.COMPLETE:
            self._complete.append((post, one))
        elif memory.over is not None:
            self.rows.append(row(post, one, memory.over.exit_code))
        for line in (
            one.glance.log_tail.splitlines()[-SHOWN:]
            if one.glance and memory.state is State.DEAD
            else ()
        ):
            self.screen.tell(terminal.plain(f"  | {line}"))

    def _give_up(self, post: HostMonitor, error: PostRunError) -> None:
        left = [one for one in post.runs.values() if not one.memory.ended]
        seen = [
            one.memory.run for one in post.runs.values() if one.memory.state is State.UNREACHABLE
        ]
        if type(error) is Unreachable or post.looked:
            self.herald.tell(notify.of_outage(post.host, [run for run in seen if run]))
        self._tell(f"{post.host}: given up", str(error))
        self.rows.append(Row(post.host, None, None, "given up", str(error), error.exit_code))
        self.rows += [row(post, one, error.exit_code) for one in left]
        post.runs = {tag: one for tag, one in post.runs.items() if one not in left}

    def _close_one(self) -> None:
        """Close the next complete run, if there is one. Polls that were begun go on meanwhile."""
        if not self._complete or time.monotonic() < self._closable:
            return
        post, one = self._complete[0]
        self._tell(f"{post.host} {one.tag}: closing")
        self.screen.clear()
        last = self._single or time.monotonic() >= self._end
        wait = self.args.lock_wait if last else min(self.args.lock_wait, HOLD)
        try:
            code = conductor.close(order_of(post, one), STEPS, wait, self.args.json)
        except PostRunError as error:
            terminal.error(str(error))
            code = error.exit_code
        now = time.monotonic()
        rest = self.args.interval if code == Locked.exit_code else one.put_off(code, now)
        if rest is not None and not last:
            self._tell(
                f"{post.host} {one.tag}: not closed yet (exit code {code}), the next try is in {math.ceil(rest)} s"
            )
            self._complete.rotate(-1)  # behind the others
            self._closable = min(now + rest, self._end)
            return
        self._complete.popleft()
        self.herald.verdict(one.memory.run, one.tag, code)
        self.rows.append(outcome_of(post, one, code))

    def _unfinished(self, post: HostMonitor, one: RunMonitor) -> Row:
        if post.trouble:
            return row(post, one, Unreachable.exit_code)
        return row(post, one, (NotFinished if self._single else DeadlineReached).exit_code)

    def _draw(self) -> None:
        if self.screen.live:
            self.screen.draw(
                [terminal.plain(line) for line in lines(self.posts, self.rows, time.monotonic())]
            )


def _left_alone(post: HostMonitor) -> str:
    hint = "; {} older ones were left alone: --since or --all takes them in"
    return hint.format(post.older) if post.older else ""


def posts(args: argparse.Namespace) -> list[HostMonitor]:
    """Make a post for each workstation that is named. Raises Usage."""
    settings, listed = configuration.workstation(), configuration.workstations()
    if args.host or args.remote_root:
        listed = [configuration.choose_workstation(args.host, args.remote_root)]
    root, began, claims = args.local_root.resolve(), time.monotonic(), dict[str, list[str]]()
    since = Since(args.since, args.all)
    return [
        HostMonitor(
            host,
            workstation.connect(host, remote, settings),
            root,
            since,
            limits_of(args),
            began,
            claims,
        )
        for host, remote in listed
    ]


def stamp(text: str) -> datetime:
    """Read `YYYY-MM-DD` or `YYYY-MM-DD_HHMMSS`, as in a run folder's name; a type for argparse."""
    try:
        return clock.from_stamp(text if "_" in text else f"{text}_000000")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected YYYY-MM-DD or YYYY-MM-DD_HHMMSS, found {text!r}"
        ) from None


def run(args: argparse.Namespace, resume: str) -> int:
    """Watch until every run has ended, and tell what became of each."""
    screen = Screen()
    herald = notify.herald(
        args.local_root.resolve(), lambda words: screen.tell(terminal.plain(words))
    )
    stations = posts(args)
    watch = Watch(args, stations, herald, screen)
    try:
        watch.follow()
    except PostRunError:
        conclude(watch.rows, args.json)  # what became of runs is told, whatever ends the watch
        raise
    except KeyboardInterrupt:
        left = "1 run that is" if watch.unclosed == 1 else f"{watch.unclosed} runs that are"
        screen.tell(terminal.plain(f"detached from {left} not closed yet; {resume}"))
        return INTERRUPTED
    finally:
        screen.clear()
        herald.close()
    for post in stations:
        post.door.close()
    return conclude(watch.rows, args.json)


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a watch over many runs."""
    which = parser.add_argument_group("which runs")
    which.add_argument(
        "--since",
        type=stamp,
        metavar="STAMP",
        help="unfinished runs begun from then on, instead of 7 days",
    )
    which.add_argument("--all", action="store_true", help="every unfinished run, however old")
    which.add_argument(
        "--once", action="store_true", help="look, and tell by the exit code; 10 is not finished"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the watch."""
    work = partial(run, resume=cli.resume_hint(__file__, argv))
    return cli.script_main(
        work, __doc__, argv, add_watch, cli.add_location, partial(add_patience, usual=_USUAL)
    )


if __name__ == "__main__":
    raise SystemExit(main())
