"""Which run a tag means, over listings made here; over real workstations: test_detect_run.py."""

import json
from datetime import timedelta
from typing import Any

import pytest

from postrun.core.errors import AmbiguousRun, Invalid, Missing, NotFinished, PostRunError
from postrun.detect import runs
from postrun.detect.runs import ChosenRun
from postrun.remote.answers import FILE_LIMIT, RemoteFile, RemoteListing
from postrun.remote.snapshots import Process

TAG = "run1"
RUNS = "audit/workstation_runs"


def folder(day: int, tag: str = TAG) -> str:
    return f"2026-02-{day:02d}_031500_production_gates_{tag}"


def file(path: str, content: Any) -> RemoteFile:
    """Return a file of a listing; anything but bytes and None is written as JSON."""
    if content is not None and not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return RemoteFile(path, FILE_LIMIT, 1771675000.0, content)


def listing(*folders: str, asked: str = "", zone: str = "", **documents: Any) -> RemoteListing:
    """Return a listing with these run folders; the documents are the last one's, by their stem."""
    files = {}
    for name, content in documents.items():
        path = f"{RUNS}/{folders[-1]}/{name.replace('__', '/')}.json"
        files[path] = file(path, content)
    read = [run for run in folders if run.endswith(f"gates_{TAG}") or run == asked]
    zones = {folders[-1]: zone} if zone else {}
    return RemoteListing("boot", (), folders, tuple(read), files, zones)


def chosen(run: str = folder(21)) -> ChosenRun:
    return runs.choose(listing(run), TAG, None)


def refusal(error: type[PostRunError], seen: RemoteListing, asked: str | None = None) -> str:
    with pytest.raises(error) as caught:
        runs.choose(seen, TAG, asked)
    return str(caught.value)


# --- which run


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        ((), "none among 0 runs"),
        ((folder(20, "zzzz"), folder(21, "yyyy")), "none among 2 runs"),
        ((folder(20, "run10"), folder(21, "run1_rerun4")), "none; nearest: run10, run1_rerun4"),
        ((folder(20, "xrun1"), "2026-02-31_031500_production_gates_run1"), "none; nearest: xrun1"),
    ],
)
def test_a_tag_that_no_run_has_lists_the_nearest(folders: tuple[str, ...], found: str) -> None:
    line = f"decision tag run1: expected a run of exactly this tag, found {found}"
    assert refusal(AmbiguousRun, listing(*folders)) == line


def test_the_newest_with_a_context_counts_and_the_others_are_named() -> None:
    seen = listing(folder(19), folder(21), context={"decision_tag": TAG})
    later = listing(folder(19), folder(21), folder(23))
    later.files.update(seen.files)
    run = runs.choose(later, TAG, None)
    assert (run.folder, run.same_tag) == (folder(21), [folder(19), folder(21), folder(23)])
    assert run.notes == [
        "3 runs have this tag; the newest with a context counts",
        f"{folder(23)} is newer, but has no context",
    ]


def test_without_any_context_the_newest_counts() -> None:
    assert runs.choose(listing(folder(22), folder(20)), TAG, None).folder == folder(22)


@pytest.mark.parametrize("content", [b'{"notes": "a "quote" in it"}', b"", None, b"\xff"])
def test_a_context_that_cannot_be_read_does_not_hide_the_run(content: bytes | None) -> None:
    seen = listing(folder(21), context=content)
    run = runs.choose(seen, TAG, None)
    runs.note_context(seen, run)
    assert run.notes == ["context.json cannot be read; the folder's name decides"]


def test_a_context_of_another_tag_is_another_run() -> None:
    seen = listing(folder(21), context={"decision_tag": "run:1"})
    found = f"found only {folder(21)}, whose context names tag 'run:1'"
    assert refusal(AmbiguousRun, seen).endswith(found)
    both = listing(folder(20), folder(21), context={"decision_tag": "run:1"})
    run = runs.choose(both, TAG, None)
    assert run.folder == folder(20)
    assert run.notes == [f"{folder(21)} has this name, but its context names tag 'run:1'"]


def test_a_run_that_is_asked_for_is_taken_and_its_contradictions_are_recorded() -> None:
    other = folder(22, "other")
    seen = listing(folder(21), other, asked=other, context={"decision_tag": "third"})
    run = runs.choose(seen, TAG, other)
    assert (run.folder, run.same_tag) == (other, [folder(21)])
    assert run.contradictions == [
        f"run folder {other} was asked for, and its name has another tag than run1",
        "context.json names tag 'third', not run1",
    ]
    gone = folder(25)
    assert refusal(Missing, listing(folder(21)), gone).startswith(f"{RUNS}/{gone} on the")


# --- whether it has ended

GOOD = {"decision_tag": TAG, "exit_code": 0}
BROKEN = [
    (b'{"decision_tag": "x", "exit', "a JSON document, found "),
    (b"", "a JSON document, found an empty file"),
    (b"\xff\xfe", "UTF-8 text, found byte 0xff"),
    (b"[]", "fits schemas/result.schema.json"),
    (b'{"decision_tag": "x"}', "fits schemas/result.schema.json"),
    (b'{"decision_tag": "x", "exit_code": null}', "fits schemas/result.schema.json"),
    (b'{"decision_tag": "x", "exit_code": NaN}', "fits schemas/result.schema.json"),
    (b"[" * 200_000, "a JSON document, found "),
    (None, f"a small file that can be read, found {FILE_LIMIT} bytes that cannot"),
]


@pytest.mark.parametrize(("content", "words"), BROKEN)
def test_a_broken_result_is_refused_until_a_person_gives_the_run_up(
    content: bytes | None, words: str
) -> None:
    seen = listing(folder(21), result=content)
    with pytest.raises(Invalid) as caught:
        runs.find_result(seen, chosen(), may_be_missing=False)
    assert str(caught.value).startswith(f"{RUNS}/{folder(21)}/result.json: expected ")
    assert words in str(caught.value)
    run = chosen()
    assert runs.find_result(seen, run, may_be_missing=True) is None
    assert run.notes == ["given up with a broken result.json"]


def test_a_valid_result_ends_a_run() -> None:
    seen = listing(folder(21), result=GOOD)
    result = runs.find_result(seen, chosen(), may_be_missing=True)
    assert result is not None
    assert result.exit_code == 0


def test_a_run_folder_that_cannot_be_read_is_no_run_without_a_result() -> None:
    seen = listing(folder(21))
    seen.unusable[f"{RUNS}/{folder(21)}"] = "a folder that this account may not list"
    with pytest.raises(Invalid, match=r"found audit/.*, a folder that this account may not list"):
        runs.find_result(seen, chosen(), may_be_missing=False)


def test_run_folders_that_cannot_be_listed_are_no_missing_tag() -> None:
    seen = listing()
    seen.unusable["audit"] = "a folder that this account may not enter"
    with pytest.raises(Invalid, match="found audit, a folder that this account may not enter"):
        runs.choose(seen, TAG, None)


def test_a_result_of_another_tag_is_for_the_audit() -> None:
    run = chosen()
    seen = listing(folder(21), result={**GOOD, "decision_tag": "other"})
    runs.find_result(seen, run, may_be_missing=False)
    assert run.contradictions == ["result.json names tag 'other', not run1"]


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ({}, "found nothing there; wait for its end: make monitor-then-finalize TAG=..."),
        (
            {"preflight": {"status": "fail", "reasons": ["cores: 4"]}},
            "(its preflight failed: ['cores: 4']); it will not get one",
        ),
        (
            {"data_quality__x__data_quality_report": {"overall_pass": False, "failures": ["old"]}},
            "(its data-quality gate failed: ['old']); it will not get one",
        ),
        (
            {"preflight": {"status": "fail"}, "context": {"decision_tag": TAG}},
            "wait for its end: make monitor-then-finalize TAG=...",
        ),
        ({"preflight": [1]}, "wait for its end: make monitor-then-finalize TAG=..."),
    ],
)
def test_a_run_without_a_result_says_whether_one_may_come(
    documents: dict[str, Any], words: str
) -> None:
    seen = listing(folder(21), **documents)
    with pytest.raises(Missing) as caught:
        runs.find_result(seen, chosen(), may_be_missing=False)
    assert words in str(caught.value)
    run = chosen()
    assert runs.find_result(seen, run, may_be_missing=True) is None
    assert run.notes[0].startswith("given up without a result.json")


# --- the workstation's clock


@pytest.mark.parametrize(
    ("preflight", "zone", "at_start", "at_end"),
    [
        ({"timestamp": "2026-02-21T03:15:00-0700"}, "-0700", -7, -7),
        ({"timestamp": "2026-02-21T03:15:00-0800"}, "-0700", -8, -7),
        ({"timestamp": "2026-02-21T03:15:00-0800"}, "+0000", -8, None),
        ({"timestamp": "2026-02-21T03:15:00-0800"}, "", -8, None),
        ({"timestamp": "2026-02-21T03:15:00"}, "-0700", None, None),
        ({"status": "pass"}, "-0700", None, None),
        ([1], "-0700", None, None),
        (b"{", "-0700", None, None),
    ],
)
def test_offsets_are_known_or_not(
    preflight: Any, zone: str, at_start: int | None, at_end: int | None
) -> None:
    seen = listing(folder(21), zone=zone, preflight=preflight)
    hours = [
        offset and offset / timedelta(hours=1) for offset in runs.utc_offsets(seen, folder(21))
    ]
    assert hours == [at_start, at_end]


# --- who is at work


def test_a_process_of_the_run_is_named() -> None:
    processes = [Process(9, 1, f"python gates.py --decision-tag {TAG} " + "x" * 200)]
    processes += [Process(7, 1, f"python gates.py --decision-tag {TAG}0")]
    seen = listing(folder(21))
    busy = RemoteListing(**{**vars(seen), "processes": (*processes, Process(10, 9, "child"))})
    with pytest.raises(NotFinished) as caught:
        runs.check_no_processes(busy, chosen(), [], [])
    line = str(caught.value)
    assert line.startswith(
        f"run {folder(21)}: expected no process at work on it, found process 9: "
    )
    assert " and 1 more; " in line
    runs.check_no_processes(seen, chosen(), [], [])
