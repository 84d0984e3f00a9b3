"""Notifications with Apprise, where that library is installed and an address is configured.

Addresses are secrets: they are neither written nor shown. Messages leave in a thread of their own.
Nothing waits for them, and a failure is one line that changes no exit code.

Each event is reported once, whoever monitors the run and however often. It is recorded in the run's
notifications.json just before it is sent, and once more as undelivered when nobody could be
reached. A crash in between loses a message rather than repeating it.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postrun.core import clock, disk
from postrun.core.errors import AmbiguousRun, PostRunError
from postrun.core.locations import RunPaths
from postrun.monitor.states import MonitorState, State
from postrun.store import configuration, journals, verdict

SEND_TIMEOUT = 15.0  # seconds for messages that are under way when the script ends
# The states that are reported, and how grave Apprise shows them.
_SEVERITY = {
    State.COMPLETE: "success",
    State.STALLED: "warning",
    State.CORRUPT: "failure",
    State.DEAD: "failure",
}


@dataclass(frozen=True)
class Event:
    """One thing to report about some runs. `key` identifies it in notifications.json."""

    key: str
    title: str
    body: str
    severity: str  # success, warning or failure
    runs: tuple[str, ...]  # run folders


def state_event(host: str, tag: str, current: MonitorState) -> Event | None:
    """Return the event of a run's state: its end, or a stall. None for any other state."""
    state = current.state
    run = current.run
    if run is None:
        return _never_started_event(host, tag, current)
    if current.error_class is AmbiguousRun:
        digest = _digest(current.message)
        key = f"unclear {digest}"
        body = f"{current.message}."
        return Event(key, f"unclear: {tag}", body, "failure", (run,))
    if state is None or state not in _SEVERITY:
        return None
    # The same evidence gives the same key after the monitor is resumed.
    evidence: object = current.activity
    if current.pending:
        evidence = current.pending.evidence
    digest = _digest(repr(evidence))
    key = f"{state} {digest}"
    body = f"Run {run} on workstation {host}: {current.message}."
    severity = _SEVERITY[state]
    return Event(key, f"{state}: {tag}", body, severity, (run,))


def _never_started_event(host: str, tag: str, current: MonitorState) -> Event | None:
    """Return the event of a job that ended before it made a run folder; None for another state."""
    state = current.state
    if state is not State.DEAD:
        return None
    body = f"Run {tag} on workstation {host}: {current.message}."
    severity = _SEVERITY[state]
    return Event(
        f"{state} {tag}",
        f"{state}: {tag}",
        body,
        severity,
        (),
    )


def _digest(text: str) -> str:
    digest = disk.content_digest(text.encode())
    return digest[:16]


def outage_event(host: str, runs: Sequence[str]) -> Event:
    """Return the event of a workstation that is not waited for any longer, with all its runs."""
    body = f"Workstation {host} does not answer and is not waited for any longer."
    if runs:
        body += f" Runs at the last answer: {', '.join(runs)}."
    key = f"unreachable {clock.stamp(clock.now())}"
    return Event(key, f"unreachable: {host}", body, "failure", tuple(runs))


def closing_event(root: Path, run: str, tag: str, exit_code: int) -> Event:
    """Return the event of a closing: what ledger and audit now hold. Raises Invalid."""
    run_verdict = verdict.of_run(root, run)
    if exit_code > 1:
        body = (
            f"The closing of run {run} stopped with exit code {exit_code}; so far: {run_verdict}. "
            "The same command continues it."
        )
        key = f"unclosed {exit_code}"
        return Event(key, f"closing stopped: {tag}", body, "failure", (run,))
    body = f"Run {run} is closed with exit code {exit_code}: result {run_verdict}."
    if run_verdict.next_action:
        body += f" Next action: {run_verdict.next_action}"
    severity = "success" if run_verdict.clean else "warning"
    key = f"verdict {run_verdict}, row {run_verdict.number}"
    result = run_verdict.result or "none"
    title = f"verdict {result}: {tag}"
    return Event(key, title, body, severity, (run,))


class Notifier:
    """Sends events to the addresses of a workspace. Without addresses it does nothing."""

    def __init__(self, root: Path, urls: Sequence[str], show: Callable[[str], None]) -> None:
        self._root = root
        self._urls = urls
        self._show = show
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._sender: threading.Thread | None = None
        if urls:
            self._sender = threading.Thread(target=self._send_events, daemon=True)
            self._sender.start()

    def notify(self, event: Event | None) -> None:
        """Send an event soon."""
        if event and self._sender:
            self._events.put(event)

    def report_closing(self, run: str, tag: str, exit_code: int) -> None:
        """Send the verdict of a closing, or that it stopped."""
        if self._sender is None:
            return
        try:
            event = closing_event(self._root, run, tag, exit_code)
            self.notify(event)
        except PostRunError as error:
            self._show(f"the verdict was not reported to anybody: {error}")

    def close(self, timeout: float = SEND_TIMEOUT) -> None:
        """Wait for messages under way, up to `timeout` seconds. The rest is sent another time."""
        if self._sender is None:
            return
        self._events.put(None)
        self._sender.join(timeout)
        if self._sender.is_alive():
            self._show(f"messages were still under way after {timeout:g} s; not waiting for them")

    def _send_events(self) -> None:
        while event := self._events.get():
            try:
                self._send_once(event)
            except (PostRunError, OSError) as error:
                self._show(f"`{event.title}` was not reported to anybody: {error}")
            except ModuleNotFoundError as error:
                self._show(
                    f"package {error.name}: not installed, so nobody is notified; "
                    "run `make setup-notify`"
                )
                return

    def _send_once(self, event: Event) -> None:
        import apprise  # noqa: F401  (before anything is recorded)

        new_runs = []
        for run in event.runs:
            if self._record(run, event.key, reported=True):
                new_runs.append(run)
        if event.runs and not new_runs:
            return
        was_sent = self._send_everywhere(event)
        if not was_sent:
            for run in new_runs:
                self._record(run, event.key, reported=False)

    def _send_everywhere(self, event: Event) -> bool:
        """Send to all addresses at once. Return whether anybody may have been reached."""
        delivered: list[int] = []
        threads = []
        for number, url in enumerate(self._urls, start=1):
            arguments = (number, url, event, delivered)
            threads.append(threading.Thread(target=self._send, args=arguments, daemon=True))
        for thread in threads:
            thread.start()
        end = time.monotonic() + SEND_TIMEOUT
        for thread in threads:
            rest = end - time.monotonic()
            rest = max(0.0, rest)
            thread.join(rest)
        # A server that is slow to answer may have the message already.
        if delivered:
            return True
        return any(thread.is_alive() for thread in threads)

    def _record(self, run: str, key: str, reported: bool) -> bool:
        """Record that an event is reported, or reached nobody. Return whether that is new."""
        run_paths = RunPaths(self._root, run, None)
        return journals.record_notification(run_paths, key, reported)

    def _send(self, number: int, url: str, event: Event, delivered: list[int]) -> None:
        """Send to one address, and add its number to `delivered`, or show that it failed."""
        from apprise import Apprise, AppriseAsset, NotifyType

        # Apprise's own log messages show whole addresses.
        log = logging.getLogger("apprise")
        log.setLevel(logging.CRITICAL + 1)
        asset = AppriseAsset(app_id="post-run operations", app_desc="runs and their verdicts")
        service = Apprise(asset=asset)
        kind = NotifyType(event.severity)
        if not service.add(url):
            self._show(
                f"address {number}: `{event.title}` not sent: Apprise does not know its kind"
            )
        elif service.notify(body=event.body, title=event.title, notify_type=kind):
            delivered.append(number)
        else:
            scheme = url.partition("://")[0]
            self._show(f"address {number} ({scheme}://…): `{event.title}` could not be delivered")


def notifier_for(root: Path, show: Callable[[str], None]) -> Notifier:
    """Return the notifier of a workspace; its addresses come from the environment or a file."""
    urls: list[str] = []
    try:
        if not disk.DRY_RUN.get():
            urls = configuration.notify_urls()
    except PostRunError as error:
        # Not the error's own text, which might show an address.
        kind = type(error).__name__.lower()
        show(f"configs/notify.local.json: the file is {kind}; nobody will be notified")
    return Notifier(root, urls, show)
