"""JSON artifacts by name: what is read is as it was recorded; what is written is whole, and only
new when something is.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from postrun.core import version
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import documents, json_files
from postrun.store.json_files import Reading

RUN = "2026-02-21_031500_production_gates_run1"
READY: dict[str, Any] = {
    "ready": True,
    "points": [],
    "last_runs": [],
    "open_high_items": [],
    "top_candidates": [],
    "next_command": None,
}


@pytest.fixture
def run_paths(local: Path) -> RunPaths:
    return RunPaths(local, RUN, None)


def as_version_1(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as the first version of its schema had it."""
    older = {**document, "schema_version": 1}
    del older["program_version"]
    older.pop("previous_sha256", None)
    return older


def put(run_paths: RunPaths, name: str, content: bytes) -> Path:
    path = run_paths.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nothing_that_is_no_number_goes_out(run_paths: RunPaths, value: float) -> None:
    for encode in (json_files.encode, json_files.encode_line):
        with pytest.raises(ValueError, match="not JSON compliant"):
            encode({"a": [value]})
    run = {
        "run": RUN,
        "decision_tag": "run1",
        "factor": None,
        "overall_pass": None,
        "audit_passed": True,
    }
    documents.write(run_paths, "handoff_readiness", READY)
    before = run_paths.path("handoff_readiness").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        documents.write(
            run_paths,
            "handoff_readiness",
            {**READY, "last_runs": [{**run, "total": value, "decision": "x"}]},
        )
    assert run_paths.path("handoff_readiness").read_bytes() == before


def test_seek_gives_none_only_for_what_is_not_there(run_paths: RunPaths) -> None:
    assert documents.read_optional(run_paths, "result") is None
    with pytest.raises(Missing):
        documents.read(run_paths, "result")
    put(run_paths, "result", b"{")
    with pytest.raises(Invalid):
        documents.read_optional(run_paths, "result")
    result = {
        "workflow": "production_gates",
        "decision_tag": "run1",
        "exit_code": 0,
        "audit_dir": "a",
    }
    put(run_paths, "result", json.dumps(result).encode())
    assert (
        documents.read_optional(run_paths, "result")
        == documents.read(run_paths, "result")
        == result
    )


def test_a_noun_without_a_schema_is_no_json(run_paths: RunPaths) -> None:
    put(run_paths, "command", b"python x.py\n")
    with pytest.raises(AssertionError, match="command is not JSON"):
        documents.read(run_paths, "command")


def test_write_stamps_and_gives_what_lies_there(
    run_paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771650000")
    given = dict(READY)
    written = documents.write(run_paths, "handoff_readiness", given)
    assert given == READY, "the caller's own document stays as it is"
    stamp = {"schema_version": 2, "program_version": version.program_version()}
    assert written == {**READY, **stamp, "generated_at": "2026-02-21T05:00:00Z"}
    path = run_paths.root / "audit/session_handoff/handoff_readiness.json"
    assert path.read_bytes() == json_files.encode(written)
    assert documents.read(run_paths, "handoff_readiness") == written


def test_a_new_day_alone_changes_no_byte(
    run_paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771650000")
    first = documents.write(run_paths, "handoff_readiness", READY)
    path = run_paths.path("handoff_readiness")
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert documents.write(run_paths, "handoff_readiness", READY) == first
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_new_version_alone_changes_no_byte(
    run_paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the program, nor of the schema: what an earlier release wrote stays as it is."""
    first = documents.write(run_paths, "handoff_readiness", READY)
    path = run_paths.path("handoff_readiness")
    before = path.read_bytes()
    monkeypatch.setattr(version, "program_version", lambda: "9.9.9+g0123456.dirty")
    assert documents.write(run_paths, "handoff_readiness", READY) == first
    assert path.read_bytes() == before
    first_release = as_version_1(first)
    path.write_bytes(json_files.encode(first_release))
    run_paths.path("workspace_record").unlink()  # the first release had none
    assert documents.write(run_paths, "handoff_readiness", READY) == first_release
    assert path.read_bytes() == json_files.encode(first_release)
    changed = documents.write(run_paths, "handoff_readiness", {**READY, "ready": False})
    assert (changed["program_version"], changed["schema_version"]) == ("9.9.9+g0123456.dirty", 2)


def test_what_is_missing_or_broken_is_a_problem(run_paths: RunPaths, tmp_path: Path) -> None:
    assert documents.try_read(run_paths, "result").problem.endswith("found nothing there")
    assert json_files.try_load(tmp_path).problem == f"{tmp_path}: Is a directory"
    broken = json_files.try_parse(b"{", "x.json")
    assert (broken.value, broken.members) == (None, {})
    assert broken.problem.startswith("x.json: expected a JSON document")
    unfit = json_files.try_parse(b'{"exit_code": "0"}', "x.json", "result")
    assert unfit.problem.startswith("x.json: expected a document that fits schemas/result.")
    assert json_files.try_parse(b"[NaN]", "x.json") == Reading([None], "", {"$[0]": "NaN"})


def test_new_content_gets_a_new_time(run_paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771650000")
    documents.write(run_paths, "handoff_readiness", READY)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771736400")
    written = documents.write(run_paths, "handoff_readiness", {**READY, "ready": False})
    assert written["generated_at"] == "2026-02-22T05:00:00Z"
    assert documents.read(run_paths, "handoff_readiness") == written


@pytest.mark.parametrize(
    "broken", [b"", b'{"ready": tr', b"[]", b"null", b"\xff\xfe", b'{"ready": 1, "ready": 1}']
)
def test_a_broken_file_of_ours_is_written_anew(run_paths: RunPaths, broken: bytes) -> None:
    path = put(run_paths, "handoff_readiness", broken)
    written = documents.write(run_paths, "handoff_readiness", READY)
    assert path.read_bytes() == json_files.encode(written)


def test_other_spelling_of_the_same_content_is_put_right(run_paths: RunPaths) -> None:
    written = documents.write(run_paths, "handoff_readiness", READY)
    path = put(run_paths, "handoff_readiness", json.dumps(written).encode())
    assert documents.write(run_paths, "handoff_readiness", READY) == written
    assert path.read_bytes() == json_files.encode(written)


def test_what_does_not_fit_is_never_written(run_paths: RunPaths) -> None:
    with pytest.raises(Invalid, match=r"handoff_readiness\.json"):
        documents.write(run_paths, "handoff_readiness", {**READY, "ready": "yes"})
    assert not run_paths.path("handoff_readiness").exists()
    documents.write(run_paths, "handoff_readiness", READY)
    before = run_paths.path("handoff_readiness").read_bytes()
    with pytest.raises(Invalid, match="Additional properties"):
        documents.write(run_paths, "handoff_readiness", {**READY, "surplus": 1})
    assert run_paths.path("handoff_readiness").read_bytes() == before
