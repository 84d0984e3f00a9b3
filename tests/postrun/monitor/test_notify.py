"""Notifications: once an event, never in the way, and never with a secret in sight. Real HTTP, real
Apprise.
"""

import builtins
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import watch_runs
from harness import factory
from harness.factory import TAG
from harness.workspace import location_flags
from postrun.core import disk
from postrun.core.errors import AmbiguousRun, Invalid, RunDead, Unreachable
from postrun.monitor import notify
from postrun.monitor.notify import Event, Notifier, closing_event, outage_event, state_event
from postrun.monitor.states import MonitorState, PendingVerdict, State
from postrun.store import configuration, json_files

RUN = f"2026-02-21_031500_production_gates_{TAG}"
SECRET = "s3cret-t0ken"
FAST = ("--interval", "0.2", "--grace", "0.4")
DEAD = MonitorState(
    started_at=0.0,
    state=State.DEAD,
    message="no process is left and there is no result.json",
    run=RUN,
    pending=PendingVerdict(State.DEAD, (RUN, "17 4"), True, "w"),
    error_class=RunDead,
)


class Inbox:
    """A real HTTP server on 127.0.0.1 that keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        self.delay = 0.0
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(inbox.delay)
                if inbox.status == 200:
                    inbox.messages.append(json.loads(body))
                self.send_response(inbox.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:{SECRET}@127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


@pytest.fixture
def shown_lines() -> list[str]:
    """Return the list into which a notifier's own lines go."""
    return []


def report(
    local: Path,
    shown_lines: list[str],
    *urls: str,
    current: MonitorState = DEAD,
    timeout: float = 15,
) -> None:
    """Be one process: report one state, and end."""
    notifier = Notifier(local, urls, shown_lines.append)
    notifier.notify(state_event("bench", TAG, current))
    notifier.close(timeout)


def recorded(local: Path, run: str = RUN) -> list[str]:
    path = local / f"audit/workstation_runs/{run}/notifications.json"
    return json.loads(path.read_text())["told"] if path.exists() else []


def reported(local: Path, run: str = RUN) -> list[str]:
    """Return the events that somebody may know of: the last entry about each one decides."""
    is_reported = {}
    for entry in recorded(local, run):
        is_reported[entry.removeprefix("undelivered ")] = not entry.startswith("undelivered ")
    return [event for event, known in is_reported.items() if known]


# --- events ---


@pytest.mark.parametrize("state", [state for state in State if state not in notify._SEVERITY])
def test_what_goes_its_way_is_nobodys_news(state: State) -> None:
    assert state_event("bench", TAG, replace(DEAD, state=state, error_class=None)) is None


def test_an_outage_is_an_event_of_the_workstation_not_of_the_run() -> None:
    away = replace(DEAD, state=State.UNREACHABLE, error_class=Unreachable)
    assert state_event("bench", TAG, away) is None
    event = outage_event("bench", [RUN])
    assert (event.title, event.runs, event.severity) == ("unreachable: bench", (RUN,), "failure")


def test_a_run_on_two_workstations_is_one_event_whichever_watch_meets_it() -> None:
    words = f"run folder {RUN}: expected it on one workstation, found it on bench and on other"
    seen = [
        MonitorState(0.0, state=state, run=RUN, message=words, error_class=AmbiguousRun)
        for state in (None, State.RUNNING)
    ]
    here, there = (
        notify.state_event(host, TAG, current)
        for host, current in zip(("bench", "other"), seen, strict=True)
    )
    assert here == there
    assert here is not None
    assert (here.title, here.body, here.severity, here.runs) == (
        f"unclear: {TAG}",
        f"{words}.",
        "failure",
        (RUN,),
    )


def test_an_event_has_the_same_key_after_a_resume_and_another_for_another_end() -> None:
    first = state_event("bench", TAG, DEAD)
    later = state_event(
        "bench",
        TAG,
        replace(DEAD, started_at=900.0, state_since=950.0, message="the workstation was restarted"),
    )
    other = state_event(
        "bench", TAG, replace(DEAD, pending=PendingVerdict(State.DEAD, (RUN, "18 4"), True, "w"))
    )
    assert first
    assert later
    assert other
    assert first.key == later.key != other.key


def test_a_stall_is_one_event_for_as_long_as_nothing_moves() -> None:
    stalled = replace(DEAD, state=State.STALLED, pending=None, activity="1 2", error_class=None)
    keys = [
        state_event("b", TAG, replace(stalled, activity=seen)) for seen in ("1 2", "1 2", "1 3")
    ]
    assert [event and event.key for event in keys].count(keys[0] and keys[0].key) == 2


def test_an_outage_of_a_workstation_is_one_event_of_all_its_runs() -> None:
    event = outage_event("bench", ["a", "b"])
    assert event.runs == ("a", "b")
    assert event.body.endswith("Runs at the last answer: a, b.")


# --- sending
# --------------------------------------------------------------------------------------------------


def test_a_message_says_which_run_where_and_why(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    report(local, shown_lines, inbox.url)
    (message,) = inbox.messages
    assert message["title"] == f"dead: {TAG}"
    assert message["message"] == f"Run {RUN} on workstation bench: {DEAD.message}."
    assert message["type"] == "failure"
    assert shown_lines == []
    assert [key.partition(" ")[0] for key in reported(local)] == ["dead"]


def test_an_event_is_sent_once_whoever_monitors(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    for _ in range(3):
        report(local, shown_lines, inbox.url)
    assert inbox.titles == [f"dead: {TAG}"]


def test_many_notifiers_at_once_send_it_once(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    notifiers = [Notifier(local, [inbox.url], shown_lines.append) for _ in range(8)]
    for notifier in notifiers:
        notifier.notify(state_event("bench", TAG, DEAD))
    for notifier in notifiers:
        notifier.close()
    assert (len(inbox.messages), shown_lines) == (1, [])


def test_each_address_gets_it(local: Path, inbox: Inbox, shown_lines: list[str]) -> None:
    report(local, shown_lines, inbox.url, f"{inbox.url}2")
    assert len(inbox.messages) == 2


def test_what_nobody_received_is_sent_at_the_next_chance(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    inbox.status = 500
    report(local, shown_lines, inbox.url)
    assert (inbox.messages, reported(local)) == ([], [])
    assert shown_lines == [f"address 1 (json://…): `dead: {TAG}` could not be delivered"]
    inbox.status = 200
    report(local, shown_lines, inbox.url)
    assert len(inbox.messages) == 1
    (event,) = reported(local)
    assert recorded(local) == [event, f"undelivered {event}", event], "entries are only added"


def test_one_address_that_fails_does_not_keep_it_from_the_other(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    for _ in range(2):
        report(local, shown_lines, f"no-such-service://{SECRET}", inbox.url)
    assert len(inbox.messages) == 1, "somebody was notified; nobody is twice"
    assert shown_lines == [f"address 1: `dead: {TAG}` not sent: Apprise does not know its kind"]


BAD = [
    f"nosuchservice://{SECRET}/x",
    f"{SECRET.replace('-', '')}://x",
    SECRET,
    f"slack://{SECRET}",
    f"json://user:{SECRET}@127.0.0.1:1/",
    f"json://user:{SECRET}@no-such-host.invalid/",
]


@pytest.mark.parametrize("url", BAD)
def test_no_failure_shows_a_secret(
    local: Path,
    url: str,
    shown_lines: list[str],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    report(local, shown_lines, url, timeout=30)
    shown = capfd.readouterr()
    assert len(shown_lines) == 1
    assert shown_lines[0].startswith("address 1")
    for secret in (SECRET, SECRET.replace("-", "")):
        assert secret not in shown.out + shown.err + caplog.text + shown_lines[0]
    assert shown.err == ""
    assert not [path for path in local.rglob("*") if path.is_file() and SECRET in path.read_text()]


def test_a_library_that_is_not_there_is_one_line(
    local: Path, inbox: Inbox, shown_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "apprise":
            raise ModuleNotFoundError("no", name="apprise")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    notifier = Notifier(local, [inbox.url], shown_lines.append)
    for state in (State.DEAD, State.CORRUPT):
        notifier.notify(state_event("bench", TAG, replace(DEAD, state=state)))
    notifier.close()
    assert shown_lines == [
        "package apprise: not installed, so nobody is notified; run `make setup-notify`"
    ]
    assert reported(local) == []


def test_nobody_waits_for_a_slow_server_for_ever(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    inbox.delay = 2
    began = time.monotonic()
    report(local, shown_lines, inbox.url, timeout=0.3)
    assert time.monotonic() - began < 1.5
    assert shown_lines == ["messages were still under way after 0.3 s; not waiting for them"]


def test_slow_servers_do_not_keep_it_from_the_others(
    local: Path, inbox: Inbox, shown_lines: list[str]
) -> None:
    slow = Inbox()
    slow.delay = 1.5
    try:
        report(local, shown_lines, slow.url, f"{slow.url}2", inbox.url, timeout=1)
        assert inbox.titles == [f"dead: {TAG}"]
    finally:
        slow.close()


def test_a_damaged_record_is_one_line(local: Path, inbox: Inbox, shown_lines: list[str]) -> None:
    factory.put(local / f"audit/workstation_runs/{RUN}/notifications.json", "{")
    report(local, shown_lines, inbox.url)
    assert inbox.messages == []
    assert len(shown_lines) == 1
    assert shown_lines[0].startswith(f"`dead: {TAG}` was not reported to anybody: ")


# --- addresses
# --------------------------------------------------------------------------------------------------


def test_addresses_come_from_the_environment_or_the_users_own_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "postrun.store.configuration._load_own",
        lambda name: {"urls": ["c://"]} if name == "notify.local" else None,
    )
    assert configuration.notify_urls() == ["c://"]
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", " a://x\n b://y ")
    assert configuration.notify_urls() == ["a://x", "b://y"]
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", "a://u:p,q@x?to=k,l, b://y,c://z,")
    assert configuration.notify_urls() == ["a://u:p,q@x?to=k,l", "b://y", "c://z"], (
        "as Apprise has it"
    )
    for empty in ("", " \n", ","):
        monkeypatch.setenv("POSTRUN_NOTIFY_URLS", empty)
        assert configuration.notify_urls() == [], "an empty variable silences it"


def test_a_broken_file_of_addresses_notifies_nobody_and_shows_nothing(
    local: Path, shown_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Invalid("notify.local.json", "a list", f"'{SECRET}'")

    monkeypatch.setattr("postrun.store.configuration._load_own", broken)
    notifier = notify.notifier_for(local, shown_lines.append)
    notifier.notify(state_event("bench", TAG, DEAD))
    notifier.close()
    assert shown_lines == [
        "configs/notify.local.json: the file is invalid; nobody will be notified"
    ]


@pytest.mark.parametrize(
    "given", [{"urls": SECRET}, {"urls": [SECRET, SECRET]}, {"urls": [[SECRET]]}, [SECRET], SECRET]
)
def test_no_finding_about_the_file_shows_what_is_in_it(given: object) -> None:
    found = json_files.findings(given, "notify.local")
    assert found
    assert SECRET not in "".join(found)
    assert "values of this file are secret" in found[0]


def test_a_dry_run_notifies_nobody(
    local: Path, inbox: Inbox, shown_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    token = disk.DRY_RUN.set(True)
    notifier = notify.notifier_for(local, shown_lines.append)
    disk.DRY_RUN.reset(token)
    notifier.notify(state_event("bench", TAG, DEAD))
    notifier.close()
    assert (inbox.messages, list(local.iterdir())) == ([], [])


# --- the flow
# --------------------------------------------------------------------------------------------------


def monitor(remote: Path, local: Path, *more: str) -> int:
    where = location_flags(remote, local)
    return monitor_then_finalize.main(["--tag", TAG, *where, *FAST, *more])


def watch(remote: Path, local: Path, *more: str) -> int:
    return watch_runs.main(
        [
            *location_flags(remote, local),
            *FAST,
            "--all",
            *more,
        ]
    )


def without_an_end(made: factory.Documents) -> None:
    made.result = made.report = None


def test_a_completion_and_its_verdict_are_reported_once_by_monitor_and_watch(
    remote: Path, local: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote)
    for wait in (watch, monitor):
        assert wait(remote, local) == 0
    assert inbox.titles == [f"complete: {TAG}", f"verdict pass: {TAG}"]
    verdict = inbox.messages[1]
    assert (
        "is closed with exit code 0: result pass, audit passed. Next action: " in verdict["message"]
    )
    assert verdict["type"] == "success"


def test_a_death_is_reported_once_by_monitor_and_watch(
    remote: Path, local: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote, change=without_an_end)
    for wait in (monitor, watch, monitor):
        assert wait(remote, local) == 7
    assert inbox.titles == [f"dead: {TAG}"]


def test_the_flow_ends_alike_when_nobody_can_be_told(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", f"json://user:{SECRET}@127.0.0.1:1/")
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    shown = capsys.readouterr()
    assert shown.err.count("address 1 (json://…): ") == 2
    assert SECRET not in shown.err + shown.out


def test_without_addresses_nothing_is_written_or_said(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", "")
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    assert not list(local.rglob("notifications.json"))
    assert "notif" not in capsys.readouterr().err


def test_who_closes_a_run_by_hand_sees_it_and_nobody_else_is_told(
    remote: Path, local: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote)
    where = location_flags(remote, local)
    assert conductor.main(["--tag", TAG, *where]) == 0
    assert (inbox.messages, reported(local)) == ([], [])


def test_a_verdict_that_changes_is_another_event(remote: Path, local: Path) -> None:
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    before = closing_event(local, RUN, TAG, 0)
    audit = local / f"audit/workstation_runs/{RUN}/governance_audit_check.json"
    audit.unlink()
    after = closing_event(local, RUN, TAG, 1)
    assert (before.key, before.severity) == ("verdict pass, audit passed, row 1", "success")
    assert (after.key, after.severity) == ("verdict pass, audit not made, row 1", "warning")
    assert "is closed with exit code 0: result pass, audit passed. Next action: " in before.body


@pytest.mark.parametrize("code", [3, 4, 6, 9, 10])
def test_a_closing_that_stopped_is_not_told_as_closed(local: Path, code: int) -> None:
    event = closing_event(local, RUN, TAG, code)
    assert (event.key, event.title, event.severity) == (
        f"unclosed {code}",
        f"closing stopped: {TAG}",
        "failure",
    )
    assert event.body == (
        f"The closing of run {RUN} stopped with exit code {code}; so far: no result, "
        f"audit not made."
        " The same command continues it."
    )


def test_a_verdict_that_comes_back_is_told_again(remote: Path, local: Path) -> None:
    keys = []
    for number, passes in enumerate((True, False, True), start=1):
        made = factory.documents()
        made.result["exit_code"] = 0 if passes else 1
        made.write(remote)
        flags = ["--accept-changed-evidence", "a test"] if number > 1 else []
        where = location_flags(remote, local)
        assert conductor.main(["--tag", TAG, *where, *flags]) in (0, 1)
        keys.append(closing_event(local, RUN, TAG, 0).key)
    assert [key.partition(",")[0] for key in keys] == [
        "verdict pass",
        "verdict fail",
        "verdict pass",
    ]
    assert len(set(keys)) == 3


EVERY = [
    *(state_event("bench", TAG, replace(DEAD, state=state)) for state in notify._SEVERITY),
    state_event("bench", TAG, replace(DEAD, state=State.RUNNING, error_class=AmbiguousRun)),
    outage_event("bench", [RUN]),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.title)
def test_every_event_can_be_recorded_and_sent(
    local: Path, inbox: Inbox, shown_lines: list[str], event: Event
) -> None:
    for _ in range(2):
        notifier = notify.Notifier(local, [inbox.url], shown_lines.append)
        notifier.notify(event)
        notifier.notify(event)
        notifier.close()
    assert (shown_lines, len(reported(local)), len(inbox.messages)) == ([], 1, 1)


@pytest.mark.parametrize("code", [0, 4])
def test_every_end_of_a_closing_can_be_recorded_and_told(
    local: Path, inbox: Inbox, shown_lines: list[str], code: int
) -> None:
    for _ in range(2):
        notifier = notify.Notifier(local, [inbox.url], shown_lines.append)
        notifier.report_closing(RUN, TAG, code)
        notifier.close()
    assert (shown_lines, len(inbox.messages)) == ([], 1)


def test_a_server_that_is_slow_to_answer_is_not_told_twice(
    local: Path, inbox: Inbox, shown_lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "SEND_TIMEOUT", 0.3)
    inbox.delay = 1
    for _ in range(2):
        notifier = notify.Notifier(local, [inbox.url], shown_lines.append)
        notifier.notify(state_event("bench", TAG, DEAD))
        notifier.close(timeout=5)
    time.sleep(1.2)
    assert (shown_lines, len(inbox.messages)) == ([], 1)


def test_a_job_that_ended_before_its_run_began_is_an_event_of_no_folder() -> None:
    current = replace(DEAD, run=None, message="Slurm job 7 is CANCELLED and there is no run folder")
    event = state_event("bench", TAG, current)
    assert event
    assert (event.title, event.severity, event.runs) == (f"dead: {TAG}", "failure", ())
    assert event.body == f"Run {TAG} on workstation bench: {current.message}."
    assert state_event("bench", TAG, replace(current, state=State.WAITING)) is None
