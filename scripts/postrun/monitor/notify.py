"""The door to Apprise: tell somebody what became of a run, where that library is installed and an address is named.

Addresses hold secrets; they are neither written nor shown. Messages leave in a thread of their own, so nothing waits
for them and no failure of theirs is a failure of the flow: it is one line. Each event is told once, whoever watches
and however often: it is recorded in the run's notifications.json just before it is sent, and taken back when nobody
could be reached. A crash in between loses a message rather than repeat it.
"""

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postrun.core import clock, disk, locations, locks
from postrun.core.errors import AmbiguousRun, PostRunError, Unreachable
from postrun.core.locations import RunPaths
from postrun.monitor.states import MonitorState, State
from postrun.store import configuration, json_files, verdict

PATIENCE = 15.0  # seconds that whoever ends waits for messages on their way
_LOCK_WAIT = 10.0
_GRAVITY = {
    State.COMPLETE: "success",
    State.STALLED: "warning",
    State.CORRUPT: "failure",
    State.DEAD: "failure",
    State.UNREACHABLE: "failure",
}


@dataclass(frozen=True)
class Event:
    """One thing to tell, about these run folders. `key` says which event it is, whoever meets it again."""

    key: str
    title: str
    body: str
    gravity: str  # success, warning or failure
    runs: tuple[str, ...]


def of_state(host: str, tag: str, memory: MonitorState) -> Event | None:
    """Make an event of a run's state: of its ends, of a stall, of an outage past its budget; None of any other."""
    state, run = memory.state, memory.run
    if memory.over is Unreachable:
        return of_outage(host, [run] if run else [])
    if memory.over is AmbiguousRun and run:
        return Event(
            f"unclear {_short(memory.words)}",
            f"unclear: {tag}",
            f"{memory.words}.",
            "failure",
            (run,),
        )
    if state is None or state is State.UNREACHABLE or state not in _GRAVITY or run is None:
        return None
    seen = memory.pending.mark if memory.pending else memory.activity  # the same after a resume
    key = f"{state} {_short(repr(seen))}"
    return Event(
        key,
        f"{state}: {tag}",
        f"Run {run} on workstation {host}: {memory.words}.",
        _GRAVITY[state],
        (run,),
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_outage(host: str, runs: Sequence[str]) -> Event:
    """Make one event of a workstation that did not answer for longer than one would wait, and of all its runs."""
    words = f"Workstation {host} does not answer, and nobody waits for it any more."
    last = f" Runs when last seen: {', '.join(runs)}." if runs else ""
    key = f"unreachable {clock.stamp(clock.now())}"
    return Event(
        key, f"unreachable: {host}", words + last, _GRAVITY[State.UNREACHABLE], tuple(runs)
    )


def of_verdict(root: Path, run: str, tag: str, exit_code: int) -> Event:
    """Make an event of a closing: what ledger and audit say now, or that it did not get there. Raises Invalid."""
    found = verdict.of_run(root, run)
    if exit_code > 1:
        words = f"The closing of run {run} stopped with exit code {exit_code}; by now: {found}. The same command goes on."
        return Event(f"unclosed {exit_code}", f"closing stopped: {tag}", words, "failure", (run,))
    after = f" Next action: {found.next_action}" if found.next_action else ""
    words = f"Run {run} is closed with exit code {exit_code}: result {found}.{after}"
    gravity = "success" if found.clean else "warning"
    return Event(
        f"verdict {found}, row {found.number}",
        f"verdict {found.result or 'none'}: {tag}",
        words,
        gravity,
        (run,),
    )


class Notifier:
    """Whoever waits for runs tells it; it tells people. Without addresses it does nothing."""

    def __init__(self, root: Path, urls: Sequence[str], say: Callable[[str], None]) -> None:
        self._root, self._urls, self._say = root, urls, say
        self._waiting: queue.Queue[Event | None] = queue.Queue()
        self._work = threading.Thread(target=self._deliver, daemon=True) if urls else None
        if self._work:
            self._work.start()

    def tell(self, event: Event | None) -> None:
        """Have an event told, soon."""
        if event and self._work:
            self._waiting.put(event)

    def note(self, host: str, tag: str, memory: MonitorState, changed: bool) -> None:
        """Have a state told, when it is new, or the end, and one that matters."""
        if changed or memory.ended:
            self.tell(of_state(host, tag, memory))

    def verdict(self, run: str | None, tag: str, exit_code: int) -> None:
        """Have the verdict of a closing told."""
        if self._work is None or run is None:
            return
        try:
            self.tell(of_verdict(self._root, run, tag, exit_code))
        except PostRunError as error:
            self._say(f"nobody was told of the verdict: {error}")

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for the messages on their way, but not for ever. What was not begun then is told at the next chance."""
        if self._work is None:
            return
        self._waiting.put(None)
        self._work.join(patience)
        if self._work.is_alive():
            self._say(
                f"messages were still on their way after {patience:g} s; nobody waits for them"
            )

    def _deliver(self) -> None:
        while event := self._waiting.get():
            try:
                self._tell_once(event)
            except (PostRunError, OSError) as error:
                self._say(f"nobody was told of `{event.title}`: {error}")
            except ModuleNotFoundError as error:
                hint = "run `make setup-notify`"
                return self._say(
                    f"package {error.name}: expected, to tell somebody, found nothing; {hint}"
                )
        return None

    def _tell_once(self, event: Event) -> None:
        import apprise  # noqa: F401  (before anything is recorded)

        fresh = [run for run in event.runs if self._record(run, event.key, True)]
        if event.runs and not fresh:
            return
        for run in fresh if not self._reach(event) else ():
            self._record(run, event.key, False)

    def _reach(self, event: Event) -> bool:
        """Send to every address at once, so that none waits for another; say whether somebody may have been reached."""
        reached = []

        def send(number: int, url: str) -> None:
            if self._send(number, url, event):
                reached.append(number)

        sends = [
            threading.Thread(target=send, args=at, daemon=True)
            for at in enumerate(self._urls, start=1)
        ]
        for one in sends:
            one.start()
        end = time.monotonic() + PATIENCE
        for one in sends:
            one.join(max(0.0, end - time.monotonic()))
        return bool(reached) or any(
            one.is_alive() for one in sends
        )  # a slow server has it, perhaps

    def _record(self, run: str, key: str, told: bool) -> bool:
        """Write an event down as told, or strike it out; say whether that was news."""
        run_paths = RunPaths(self._root, run, None)
        with locks.hold(
            self._root / locations.LOCKS / "notifications.lock", _LOCK_WAIT, "telling somebody"
        ):
            before = (json_files.read_optional(run_paths, "notifications") or {"told": []})["told"]
            after = [one for one in before if one != key] + ([key] if told else [])
            if (key in before) is told:
                return False
            json_files.write(run_paths, "notifications", {"run": run, "told": after})
            return True

    def _send(self, number: int, url: str, event: Event) -> bool:
        from apprise import Apprise, AppriseAsset, NotifyType

        _quiet()
        service = Apprise(
            asset=AppriseAsset(app_id="post-run operations", app_desc="runs and their verdicts")
        )
        known = service.add(url)
        kind = NotifyType(event.gravity)
        if known and service.notify(body=event.body, title=event.title, notify_type=kind):
            return True
        kind_of = f" ({url.partition('://')[0]}://…)" if known else ""
        where = f"address {number}{kind_of}"
        found = "no success" if known else "an address that Apprise does not know"
        self._say(f"{where}: expected to deliver `{event.title}`, found {found}")
        return False


def _quiet() -> None:
    """Keep Apprise's own talk from every log: it shows whole addresses."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


def herald(root: Path, say: Callable[[str], None]) -> Notifier:
    """Give the herald of a workspace, with the addresses of the environment or the user's own file."""
    if disk.DRY_RUN.get():
        return Notifier(root, (), say)
    try:
        return Notifier(root, configuration.notify_urls(), say)
    except PostRunError as error:
        kind = type(error).__name__.lower()  # its words might show an address
        say(
            f"configs/notify.local.json: expected addresses, found a file that is {kind}; nobody will be told"
        )
        return Notifier(root, (), say)
