"""Journals only grow: what was edited, cut or taken away is named, whatever their version."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import journals, json_files

TAG = "run1"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
EVENT = {
    "program_version": "0.1.0+g1aaf06f",
    "generated_at": "2026-02-21T05:00:00Z",
    "tag": TAG,
    "run": RUN,
    "before": None,
    "state": "running",
    "lasted_s": None,
    "words": "2 processes of it",
}


@pytest.fixture
def run_paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path, RUN, None)


@pytest.fixture
def events(run_paths: RunPaths) -> Path:
    return run_paths.path("monitor_events")


@pytest.fixture
def notifications(run_paths: RunPaths) -> Path:
    return run_paths.path("notifications")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def append(path: Path, number: int, **changes: Any) -> None:
    words = f"event {number}"
    journals.append_event(path, {**EVENT, "schema_version": 3, "words": words, **changes})


def old_line(version: int) -> bytes:
    event = {**EVENT, "schema_version": version}
    if version == 1:
        del event["program_version"]
    return json_files.encode_line(event)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# --- events ---


def test_each_line_holds_the_digest_of_the_line_before(events: Path) -> None:
    for number in range(3):
        append(events, number)
    lines = events.read_bytes().splitlines()
    stated = [json.loads(line)["previous_sha256"] for line in lines]
    assert stated == [None, digest(lines[0]), digest(lines[1])]
    assert [event["words"] for event in journals.read_events(events)] == [
        "event 0",
        "event 1",
        "event 2",
    ]
    assert journals.faults(events) == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_line_closes_off_lines_without_digests(events: Path, version: int) -> None:
    old_lines = old_line(version) + old_line(version)
    put(events, old_lines)
    assert journals.faults(events) == []
    append(events, 1)
    append(events, 2)
    content = events.read_bytes()
    first, second = content.removeprefix(old_lines).splitlines()
    assert content.startswith(old_lines)
    assert json.loads(first)["previous_sha256"] == digest(old_lines)
    assert json.loads(second)["previous_sha256"] == digest(first)
    assert journals.faults(events) == []
    for edited in (content[len(old_line(version)) :], content.replace(b"2 proc", b"3 proc", 1)):
        put(events, edited)
        (fault,) = journals.faults(events)
        assert "expected " in fault
        assert "as digest of the line before" in fault


def test_every_flipped_byte_but_those_of_the_last_line_is_found(events: Path) -> None:
    for number in range(2):
        append(events, number)
    content = events.read_bytes()
    for offset in range(len(content.splitlines()[0]) + 1):
        put(events, content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        assert journals.faults(events) != [], offset


def test_a_line_that_is_dropped_moved_or_of_an_earlier_version_is_found(events: Path) -> None:
    for number in range(3):
        append(events, number)
    first, second, third = events.read_bytes().splitlines(keepends=True)
    cases = {
        second + third: 1,
        first + third: 2,
        first + third + second: 2,
        first + second + second: 3,
        first + old_line(2) + second: 2,
    }
    for content, line in cases.items():
        put(events, content)
        fault, *_ = journals.faults(events)
        assert fault.startswith(f"{events}:{line}: expected ")
        with pytest.raises(Invalid, match=rf"monitor_events\.jsonl:{line}: expected "):
            journals.read_events(events)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b"\n", "events.jsonl:2: expected a JSON document, found an empty file"),
        (b'{"tag": "run1"}\n', "events.jsonl:2: expected a document that fits"),
        (b"{\n", "events.jsonl:2: expected a JSON document"),
    ],
)
def test_a_line_that_is_wrong_is_named(events: Path, last: bytes, words: str) -> None:
    append(events, 1)
    put(events, events.read_bytes() + last)
    (fault,) = journals.faults(events)
    assert words in fault
    with pytest.raises(Invalid, match=r"monitor_events\.jsonl:2: "):
        journals.read_events(events)


@pytest.mark.parametrize("rest", [b'{"tag": "run1"', b"\0\0\0", b"{}"])
def test_half_a_line_is_named_and_no_event(events: Path, rest: bytes) -> None:
    append(events, 1)
    before = journals.read_events(events)
    put(events, events.read_bytes() + rest)
    assert journals.read_events(events) == before
    assert journals.faults(events) == [
        f"{events}:2: expected a whole line, found half a line at the end of the file"
    ]


def test_a_disk_that_is_full_leaves_the_journal_whole(events: Path) -> None:
    append(events, 1)
    before = events.read_bytes()
    code = """
import resource, sys
from pathlib import Path
from test_journals import append
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
append(Path(sys.argv[1]), 2)
"""
    environment = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", code, str(events), str(len(before) + 10)]
    full = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "expected a place that can be written to, found File too large" in full.stderr
    assert events.read_bytes() == before
    assert list(events.parent.iterdir()) == [events]


# --- notifications ---


def test_entries_are_only_added(run_paths: RunPaths, notifications: Path) -> None:
    record = journals.record_notification
    assert not record(run_paths, "dead 1", is_reported=False), "it was never reported"
    assert [record(run_paths, "dead 1", is_reported=True) for _ in range(2)] == [True, False]
    assert record(run_paths, "dead 1", is_reported=False)
    assert [record(run_paths, "dead 1", is_reported=True) for _ in range(2)] == [True, False]
    told = json.loads(notifications.read_bytes())["told"]
    assert told == ["dead 1", "undelivered dead 1", "dead 1"]
    assert journals.faults(notifications) == []


def test_every_flipped_byte_of_notifications_is_found(
    run_paths: RunPaths, notifications: Path
) -> None:
    journals.record_notification(run_paths, "dead 1", is_reported=True)
    content = notifications.read_bytes()
    for offset, byte in enumerate(content):
        put(notifications, content[:offset] + bytes([byte ^ 1]) + content[offset + 1 :])
        assert journals.faults(notifications) != [], offset


def test_an_edited_file_is_refused_by_the_next_notification(
    run_paths: RunPaths, notifications: Path
) -> None:
    journals.record_notification(run_paths, "dead 1", is_reported=True)
    put(notifications, notifications.read_bytes().replace(b"dead 1", b"dead 2"))
    with pytest.raises(Invalid, match=r"as digest of its content, found [0-9a-f]{64}; restore"):
        journals.record_notification(run_paths, "stalled 1", is_reported=True)


def test_notifications_of_an_earlier_version_are_read_and_then_sealed(
    run_paths: RunPaths, notifications: Path
) -> None:
    old = {
        "schema_version": 2,
        "program_version": "0.1.0",
        "generated_at": "2026-02-21T05:00:00Z",
        "run": RUN,
        "told": ["dead 1"],
    }
    put(notifications, json_files.encode(old))
    assert journals.faults(notifications) == []
    assert not journals.record_notification(run_paths, "dead 1", is_reported=True)
    assert json.loads(notifications.read_bytes()) == old
    assert journals.record_notification(run_paths, "stalled 1", is_reported=True)
    document = json.loads(notifications.read_bytes())
    assert (document["told"], document["schema_version"]) == (["dead 1", "stalled 1"], 3)


# --- what a closing records ---


def test_a_journal_may_be_the_same_or_longer(
    tmp_path: Path, run_paths: RunPaths, events: Path, notifications: Path
) -> None:
    append(events, 1)
    journals.record_notification(run_paths, "dead 1", is_reported=True)
    states = [journals.state(tmp_path, path) for path in (events, notifications)]
    assert [state and state["lines"] for state in states] == [1, 1]
    assert states[0] == {
        "path": f"audit/workstation_runs/{RUN}/monitor_events.jsonl",
        "lines": 1,
        "sha256": digest(events.read_bytes()),
    }
    for _ in range(2):
        assert [journals.changed_since(tmp_path, state) for state in states if state] == ["", ""]
        append(events, 2)
        journals.record_notification(run_paths, "stalled 1", is_reported=True)


def test_a_journal_that_is_shorter_other_or_gone_is_named(tmp_path: Path, events: Path) -> None:
    assert journals.state(tmp_path, events) is None
    for number in range(2):
        append(events, number)
    content = events.read_bytes()
    state = journals.state(tmp_path, events)
    assert state is not None
    expected = f"{events}: expected the 2 lines of its closing, found "
    cases = {
        content.splitlines(keepends=True)[0]: "1",
        content.replace(b"event 1", b"event 2"): "others",
        content[:-1]: "others",
    }
    for changed, found in cases.items():
        put(events, changed)
        assert journals.changed_since(tmp_path, state) == expected + found
    events.unlink()
    assert journals.changed_since(tmp_path, state) == f"{expected}no file"


def test_notifications_that_are_fewer_or_others_are_named(
    tmp_path: Path, run_paths: RunPaths, notifications: Path
) -> None:
    for key in ("dead 1", "stalled 1"):
        journals.record_notification(run_paths, key, is_reported=True)
    state = journals.state(tmp_path, notifications)
    assert state is not None
    document = json.loads(notifications.read_bytes())
    for told, found in ((["dead 1"], "1"), (["dead 1", "stalled 2", "dead 3"], "others")):
        put(notifications, json_files.encode({**document, "told": told}))
        assert journals.changed_since(tmp_path, state).endswith(f"of its closing, found {found}")


def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path: Path) -> None:
    approval = tmp_path / f"audit/workstation_runs/{RUN}/approvals/1.dsse.json"
    put(approval, b"{}\n")
    state = journals.state(tmp_path, approval)
    assert state is not None
    assert journals.changed_since(tmp_path, state) == ""
    put(approval, b"{}\n{}\n")
    assert journals.changed_since(tmp_path, state).endswith("of its closing, found more")
