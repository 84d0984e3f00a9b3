"""Telling somebody: once an event, never in the way, and never with a secret in sight. Real HTTP, real Apprise."""

import builtins
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import factory
import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import watch_runs
from factory import TAG
from postrun.core import disk
from postrun.core.errors import AmbiguousRun, Invalid, RunDead, Unreachable
from postrun.monitor import notify
from postrun.monitor.notify import Notifier, of_outage, of_state, of_verdict
from postrun.monitor.states import MonitorState, PendingVerdict, State
from postrun.store import configuration, json_files

RUN = f"2026-02-21_031500_production_gates_{TAG}"
SECRET = "s3cret-t0ken"
FAST = ("--interval", "0.2", "--grace", "0.4")
DEAD = MonitorState(
    began=0.0,
    state=State.DEAD,
    words="no process of it is left and there is no result.json",
    run=RUN,
    pending=PendingVerdict(State.DEAD, (RUN, "17 4"), True, "w"),
    over=RunDead,
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
def said() -> list[str]:
    """Give the list into which a herald's own lines go."""
    return []


def tell(
    local: Path, said: list[str], *urls: str, memory: MonitorState = DEAD, patience: float = 15
) -> None:
    """Be one process: tell of one state, and end."""
    herald = Notifier(local, urls, said.append)
    herald.note("bench", TAG, memory, changed=True)
    herald.close(patience)


def told(local: Path, run: str = RUN) -> list[str]:
    path = local / f"audit/workstation_runs/{run}/notifications.json"
    return json.loads(path.read_text())["told"] if path.exists() else []


# --- events ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [state for state in State if state not in notify._GRAVITY])
def test_what_goes_its_way_is_nobodys_news(state: State) -> None:
    assert of_state("bench", TAG, replace(DEAD, state=state, over=None)) is None


def test_an_outage_is_news_only_past_its_budget() -> None:
    away = replace(DEAD, state=State.UNREACHABLE, over=None)
    assert of_state("bench", TAG, away) is None
    event = of_state("bench", TAG, replace(away, over=Unreachable))
    assert event is not None
    assert (event.title, event.runs, event.gravity) == ("unreachable: bench", (RUN,), "failure")


def test_a_run_on_two_workstations_is_one_event_whichever_watch_meets_it() -> None:
    words = f"run folder {RUN}: expected it on one workstation, found it on bench and on other"
    seen = [
        MonitorState(0.0, state=state, run=RUN, words=words, over=AmbiguousRun)
        for state in (None, State.RUNNING)
    ]
    here, there = (
        notify.of_state(host, TAG, memory)
        for host, memory in zip(("bench", "other"), seen, strict=True)
    )
    assert here == there
    assert here is not None
    assert (here.title, here.body, here.gravity, here.runs) == (
        f"unclear: {TAG}",
        f"{words}.",
        "failure",
        (RUN,),
    )


def test_an_event_has_the_same_key_after_a_resume_and_another_for_another_end() -> None:
    first = of_state("bench", TAG, DEAD)
    later = of_state(
        "bench", TAG, replace(DEAD, began=900.0, since=950.0, words="the workstation was restarted")
    )
    other = of_state(
        "bench", TAG, replace(DEAD, pending=PendingVerdict(State.DEAD, (RUN, "18 4"), True, "w"))
    )
    assert first
    assert later
    assert other
    assert first.key == later.key != other.key


def test_a_stall_is_one_event_for_as_long_as_nothing_moves() -> None:
    stalled = replace(DEAD, state=State.STALLED, pending=None, activity="1 2", over=None)
    keys = [of_state("b", TAG, replace(stalled, activity=seen)) for seen in ("1 2", "1 2", "1 3")]
    assert [event and event.key for event in keys].count(keys[0] and keys[0].key) == 2


def test_an_outage_of_a_workstation_is_one_event_of_all_its_runs() -> None:
    event = of_outage("bench", ["a", "b"])
    assert event.runs == ("a", "b")
    assert event.body.endswith("Runs when last seen: a, b.")


# --- telling --------------------------------------------------------------------------------------------------------


def test_a_message_says_which_run_where_and_why(local: Path, inbox: Inbox, said: list[str]) -> None:
    tell(local, said, inbox.url)
    (message,) = inbox.messages
    assert message["title"] == f"dead: {TAG}"
    assert message["message"] == f"Run {RUN} on workstation bench: {DEAD.words}."
    assert message["type"] == "failure"
    assert said == []
    assert [key.partition(" ")[0] for key in told(local)] == ["dead"]


def test_an_event_is_told_once_whoever_meets_it(local: Path, inbox: Inbox, said: list[str]) -> None:
    for _ in range(3):
        tell(local, said, inbox.url)
    assert inbox.titles == [f"dead: {TAG}"]


def test_many_heralds_at_once_tell_it_once(local: Path, inbox: Inbox, said: list[str]) -> None:
    heralds = [Notifier(local, [inbox.url], said.append) for _ in range(8)]
    for herald in heralds:
        herald.note("bench", TAG, DEAD, changed=True)
    for herald in heralds:
        herald.close()
    assert (len(inbox.messages), said) == (1, [])


def test_each_address_gets_it(local: Path, inbox: Inbox, said: list[str]) -> None:
    tell(local, said, inbox.url, f"{inbox.url}2")
    assert len(inbox.messages) == 2


def test_what_nobody_received_is_told_at_the_next_chance(
    local: Path, inbox: Inbox, said: list[str]
) -> None:
    inbox.status = 500
    tell(local, said, inbox.url)
    assert (inbox.messages, told(local)) == ([], [])
    assert said == [f"address 1 (json://…): expected to deliver `dead: {TAG}`, found no success"]
    inbox.status = 200
    tell(local, said, inbox.url)
    assert len(inbox.messages) == 1


def test_one_address_that_fails_does_not_keep_it_from_the_other(
    local: Path, inbox: Inbox, said: list[str]
) -> None:
    for _ in range(2):
        tell(local, said, f"no-such-service://{SECRET}", inbox.url)
    assert len(inbox.messages) == 1, "somebody was told; nobody is told twice"
    assert said == [
        f"address 1: expected to deliver `dead: {TAG}`, found an address that Apprise does not know"
    ]


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
    said: list[str],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell(local, said, url, patience=30)
    shown = capfd.readouterr()
    assert len(said) == 1
    assert said[0].startswith("address 1")
    for secret in (SECRET, SECRET.replace("-", "")):
        assert secret not in shown.out + shown.err + caplog.text + said[0]
    assert shown.err == ""
    assert not [path for path in local.rglob("*") if path.is_file() and SECRET in path.read_text()]


def test_a_library_that_is_not_there_is_one_line(
    local: Path, inbox: Inbox, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "apprise":
            raise ModuleNotFoundError("no", name="apprise")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    herald = Notifier(local, [inbox.url], said.append)
    for state in (State.DEAD, State.CORRUPT):
        herald.note("bench", TAG, replace(DEAD, state=state), changed=True)
    herald.close()
    assert said == [
        "package apprise: expected, to tell somebody, found nothing; run `make setup-notify`"
    ]
    assert told(local) == []


def test_nobody_waits_for_a_slow_server_for_ever(
    local: Path, inbox: Inbox, said: list[str]
) -> None:
    inbox.delay = 2
    began = time.monotonic()
    tell(local, said, inbox.url, patience=0.3)
    assert time.monotonic() - began < 1.5
    assert said == ["messages were still on their way after 0.3 s; nobody waits for them"]


def test_slow_servers_do_not_keep_it_from_the_others(
    local: Path, inbox: Inbox, said: list[str]
) -> None:
    slow = Inbox()
    slow.delay = 1.5
    try:
        tell(local, said, slow.url, f"{slow.url}2", inbox.url, patience=1)
        assert inbox.titles == [f"dead: {TAG}"]
    finally:
        slow.close()


def test_a_damaged_record_is_one_line(local: Path, inbox: Inbox, said: list[str]) -> None:
    factory.put(local / f"audit/workstation_runs/{RUN}/notifications.json", "{")
    tell(local, said, inbox.url)
    assert inbox.messages == []
    assert len(said) == 1
    assert said[0].startswith(f"nobody was told of `dead: {TAG}`: ")


# --- addresses ------------------------------------------------------------------------------------------------------


def test_addresses_come_from_the_environment_or_the_users_own_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "postrun.store.json_files.seek",
        lambda _, name: {"urls": ["c://"]} if name == "notify.local" else None,
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


def test_a_broken_file_of_addresses_tells_nobody_and_shows_nothing(
    local: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Invalid("notify.local.json", "a list", f"'{SECRET}'")

    monkeypatch.setattr("postrun.store.json_files.seek", broken)
    herald = notify.herald(local, said.append)
    herald.note("bench", TAG, DEAD, changed=True)
    herald.close()
    assert said == [
        "configs/notify.local.json: expected addresses, found a file that is invalid; nobody will be told"
    ]


@pytest.mark.parametrize(
    "given", [{"urls": SECRET}, {"urls": [SECRET, SECRET]}, {"urls": [[SECRET]]}, [SECRET], SECRET]
)
def test_no_finding_about_the_file_shows_what_is_in_it(given: object) -> None:
    found = json_files.findings(given, "notify.local")
    assert found
    assert SECRET not in "".join(found)
    assert "values of this file are secret" in found[0]


def test_a_rehearsal_tells_nobody(
    local: Path, inbox: Inbox, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    token = disk.DRY_RUN.set(True)
    herald = notify.herald(local, said.append)
    disk.DRY_RUN.reset(token)
    herald.note("bench", TAG, DEAD, changed=True)
    herald.close()
    assert (inbox.messages, list(local.iterdir())) == ([], [])


# --- the flow -------------------------------------------------------------------------------------------------------

Waiter = Callable[[Path, Path], int]


def monitor(remote: Path, local: Path, *more: str) -> int:
    where = ["--host", "local", "--remote-root", str(remote), "--local-root", str(local)]
    return monitor_then_finalize.main(["--tag", TAG, *where, *FAST, *more])


def watch(remote: Path, local: Path, *more: str) -> int:
    return watch_runs.main(
        [
            "--host",
            "local",
            "--remote-root",
            str(remote),
            "--local-root",
            str(local),
            *FAST,
            "--all",
            *more,
        ]
    )


def without_an_end(made: factory.Documents) -> None:
    made.result = made.report = None


@pytest.mark.parametrize("wait", [monitor, watch])
def test_a_completion_and_its_verdict_are_told_once(
    remote: Path, local: Path, inbox: Inbox, wait: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote)
    for _ in range(2):
        assert wait(remote, local) == 0
        assert monitor(remote, local) == 0
    assert inbox.titles == [f"complete: {TAG}", f"verdict pass: {TAG}"]
    assert (
        "is closed with exit code 0: result pass, audit passed. Next action: "
        in inbox.messages[1]["message"]
    )
    assert inbox.messages[1]["type"] == "success"


@pytest.mark.parametrize("wait", [monitor, watch])
def test_a_death_is_told_once(
    remote: Path, local: Path, inbox: Inbox, wait: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote, change=without_an_end)
    for again in (wait, wait, monitor, watch):
        assert again(remote, local) == 7
    assert inbox.titles == [f"dead: {TAG}"]


def test_the_flow_ends_alike_when_nobody_can_be_told(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", f"json://user:{SECRET}@127.0.0.1:1/")
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    shown = capsys.readouterr()
    assert shown.err.count("address 1 (json://…): expected to deliver") == 2
    assert SECRET not in shown.err + shown.out


def test_without_addresses_nothing_is_written_or_said(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", "")
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    assert not list(local.rglob("notifications.json"))
    assert "told" not in capsys.readouterr().err


def test_who_closes_a_run_by_hand_sees_it_and_nobody_else_is_told(
    remote: Path, local: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_NOTIFY_URLS", inbox.url)
    factory.make_run(remote)
    where = ["--host", "local", "--remote-root", str(remote), "--local-root", str(local)]
    assert conductor.main(["--tag", TAG, *where]) == 0
    assert (inbox.messages, told(local)) == ([], [])


def test_a_verdict_that_changes_is_another_event(remote: Path, local: Path) -> None:
    factory.make_run(remote)
    assert monitor(remote, local) == 0
    before = of_verdict(local, RUN, TAG, 0)
    audit = local / f"audit/workstation_runs/{RUN}/governance_audit_check.json"
    audit.unlink()
    after = of_verdict(local, RUN, TAG, 1)
    assert (before.key, before.gravity) == ("verdict pass, audit passed, row 1", "success")
    assert (after.key, after.gravity) == ("verdict pass, audit not made, row 1", "warning")
    assert "is closed with exit code 0: result pass, audit passed. Next action: " in before.body


@pytest.mark.parametrize("code", [3, 4, 6, 9, 10])
def test_a_closing_that_stopped_is_not_told_as_closed(local: Path, code: int) -> None:
    event = of_verdict(local, RUN, TAG, code)
    assert (event.key, event.title, event.gravity) == (
        f"unclosed {code}",
        f"closing stopped: {TAG}",
        "failure",
    )
    assert event.body == (
        f"The closing of run {RUN} stopped with exit code {code}; by now: no result, audit not made."
        " The same command goes on."
    )


def test_a_verdict_that_comes_back_is_told_again(remote: Path, local: Path) -> None:
    keys = []
    for number, passes in enumerate((True, False, True), start=1):
        made = factory.documents()
        made.result["exit_code"] = 0 if passes else 1
        made.write(remote)
        flags = ["--accept-changed-evidence", "a test"] if number > 1 else []
        where = ["--host", "local", "--remote-root", str(remote), "--local-root", str(local)]
        assert conductor.main(["--tag", TAG, *where, *flags]) in (0, 1)
        keys.append(of_verdict(local, RUN, TAG, 0).key)
    assert [key.partition(",")[0] for key in keys] == [
        "verdict pass",
        "verdict fail",
        "verdict pass",
    ]
    assert len(set(keys)) == 3


EVERY = [
    *(
        replace(DEAD, state=state, over=None)
        for state in notify._GRAVITY
        if state is not State.UNREACHABLE
    ),
    replace(DEAD, state=State.UNREACHABLE, over=Unreachable),
    replace(DEAD, state=State.RUNNING, over=AmbiguousRun, words="it lies on two workstations"),
]


@pytest.mark.parametrize(
    "memory", EVERY, ids=lambda memory: f"{memory.state} {memory.over and memory.over.__name__}"
)
def test_every_event_can_be_recorded_and_told(
    local: Path, inbox: Inbox, said: list[str], memory: MonitorState
) -> None:
    for _ in range(2):
        herald = notify.Notifier(local, [inbox.url], said.append)
        herald.note("bench", TAG, memory, changed=True)
        if memory.over is not Unreachable:  # that one has the time in its key
            herald.note("bench", TAG, memory, changed=True)
        herald.close()
    assert (said, len(told(local))) == ([], len(inbox.messages))
    assert len(inbox.messages) == 1 or memory.over is Unreachable


@pytest.mark.parametrize("code", [0, 4])
def test_every_end_of_a_closing_can_be_recorded_and_told(
    local: Path, inbox: Inbox, said: list[str], code: int
) -> None:
    for _ in range(2):
        herald = notify.Notifier(local, [inbox.url], said.append)
        herald.verdict(RUN, TAG, code)
        herald.close()
    assert (said, len(inbox.messages)) == ([], 1)


def test_a_server_that_is_slow_to_answer_is_not_told_twice(
    local: Path, inbox: Inbox, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "PATIENCE", 0.3)
    inbox.delay = 1
    for _ in range(2):
        herald = notify.Notifier(local, [inbox.url], said.append)
        herald.note("bench", TAG, DEAD, changed=True)
        herald.close(patience=5)
    time.sleep(1.2)
    assert (said, len(inbox.messages)) == ([], 1)
