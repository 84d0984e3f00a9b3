"""Tags as people type them: with a space, `/` or `:`, which become `_` in folder names only."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import watch_runs
from harness import factory
from harness.programs import run_script
from harness.workspace import Workspace, location_flags
from postrun.core import locations

MINE = f"w{os.getpid()}"  # other tests, and their processes, are on this machine, too
RAW = f"{MINE} a/b: run 2"
IN_FOLDER = f"{MINE}_a_b__run_2"
FAST = ["--interval", "0.1", "--grace", "0.1"]
MAKE = Path(__file__).resolve().parents[1] / "Makefile"


@pytest.fixture
def space(remote: Path, local: Path) -> Workspace:
    return Workspace(remote, local)


def registry_tags(space: Workspace) -> list[str]:
    path = space.local / "audit/factor_registry/factor_experiment_registry.csv"
    lines = path.read_text().splitlines()
    column = lines[0].split(",").index("decision_tag")
    return [line.split(",")[column] for line in lines[1:]]


@pytest.mark.parametrize(
    ("first", "then"), [(RAW, IN_FOLDER), (IN_FOLDER, RAW)], ids=["raw", "folder"]
)
def test_both_names_close_the_same_run_and_the_second_changes_no_byte(
    space: Workspace, first: str, then: str
) -> None:
    made = factory.make_run(space.remote, tag=RAW)
    assert made.run_folder.endswith(f"_{IN_FOLDER}")
    assert space.close(first) == 0
    before = space.bytes()
    assert space.close(then) == 0
    assert space.bytes() == before
    assert [row["decision_tag"] for row in space.ledger()] == [RAW]
    assert registry_tags(space) == [RAW]
    paths = [str(space.local / "audit"), str(space.local / "gate_results")]
    assert run_script("validate_artifacts", *paths).code == 0


@pytest.mark.parametrize("tag", [RAW, IN_FOLDER], ids=["raw", "folder"])
def test_every_script_takes_both_names(space: Workspace, tag: str) -> None:
    made = factory.make_run(space.remote, tag=RAW)
    for script in ("detect_run", "sync_run", "finalize_gate_run"):
        assert space.run(script, tag) == 0, script
    summary = (made.gate_dir(space.local) / "production_gates_final_summary.md").read_text()
    assert f"make governance-audit TAG='{RAW}' HOST=local" in summary
    assert space.run("governance_audit_checker", tag) == 0
    assert space.run("monitor_then_finalize", tag, *FAST) == 0
    compared = f"'{tag}' '{tag}'"
    done = run_script("compare_runs", "--tags", compared, "--local-root", str(space.local))
    assert (done.code, done.out) == (0, "no difference\n")


def test_make_hands_a_tag_with_spaces_on(space: Workspace) -> None:
    factory.make_run(space.remote, tag=RAW)
    where = [f"REMOTE_ROOT={space.remote}", f"LOCAL_ROOT={space.local}", "HOST=local"]
    command = ["make", "-s", "-C", str(MAKE.parent), "detect-run", f"TAG={RAW}", *where]
    command += [f"PY={sys.executable}", "-o", ".venv/bin/.run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert IN_FOLDER in done.stdout


def test_the_watch_closes_a_run_whatever_its_tag(space: Workspace) -> None:
    factory.make_run(space.remote, tag=RAW)
    flags = [*location_flags(space.remote, space.local), *FAST, "--all"]
    assert watch_runs.main(flags) == 0
    assert [row["decision_tag"] for row in space.ledger()] == [RAW]


@pytest.fixture
def three(space: Workspace) -> list[Any]:
    """Return three runs whose folders have one name: `a b`, `a_b` and `a/b`."""
    made = []
    for day, separator in enumerate(" _/", 20):
        tag = f"{MINE}{separator}b"
        stamp = f"2026-02-{day}_031500"
        made.append(factory.make_run(space.remote, tag=tag, stamp=stamp))
    return made


def test_a_name_that_several_tags_have_is_not_clear_anywhere(
    space: Workspace, three: list[Any]
) -> None:
    flags = space.flags(f"{MINE}_b")
    for script, *more in (
        ("post_run_sync_and_finalize",),
        ("detect_run",),
        ("monitor_then_finalize", *FAST),
    ):
        done = run_script(script, *flags, *more)
        assert done.code == 5, script
        for made in three:
            assert f"'{made.tag}' of {made.run_folder}" in done.err
        assert "type the one that is meant as its run has it" in done.err
    assert not (space.local / "audit/stage_ledger.jsonl").exists()


@pytest.mark.parametrize("index", [0, 2])
@pytest.mark.parametrize("script", ["post_run_sync_and_finalize", "monitor_then_finalize"])
def test_the_tag_as_typed_chooses_its_run_and_no_other(
    space: Workspace, three: list[Any], index: int, script: str
) -> None:
    chosen = three[index]
    more = FAST if script.startswith("monitor") else []
    assert space.run(script, chosen.tag, *more) == 0
    rows = [(row["run"], row["decision_tag"]) for row in space.ledger()]
    assert rows == [(chosen.run_folder, chosen.tag)]
    detection = json.loads((chosen.run_dir(space.local) / "run_detection.json").read_text())
    assert detection["gate_folder"] == chosen.gate_folder


def test_a_report_of_another_tag_with_the_same_name_is_never_taken(space: Workspace) -> None:
    """Both were at work at the same time."""
    own = factory.documents(tag=f"{MINE} b")
    own.report = None
    own.result["exit_code"] = 1
    own.write(space.remote)
    other = factory.make_run(space.remote, tag=f"{MINE}/b", stamp="2026-02-21_031501")
    assert space.run("detect_run", own.tag) == 0
    detection = json.loads((own.run_dir(space.local) / "run_detection.json").read_text())
    assert detection["gate_folder"] is None
    rows = {row["gate_folder"]: row["objection"] for row in detection["report_candidates"]}
    assert rows[other.gate_folder] == f"its inputs name tag '{MINE}/b'"


@pytest.mark.parametrize("tag", ["../up", "a b/../../c$(touch pwned)", "a+b", " a", "a\nb", "a;b"])
def test_anything_else_is_refused_before_it_reaches_a_shell_or_a_path(
    space: Workspace, tag: str
) -> None:
    for script in ("post_run_sync_and_finalize", "monitor_then_finalize", "sync_run"):
        done = run_script(script, *space.flags(tag))
        assert done.code == 2, script
        assert done.err.startswith("decision tag: expected a full match of ")
    assert not list(space.local.rglob("*"))


def test_a_tag_with_dots_and_slashes_is_no_path(space: Workspace) -> None:
    done = run_script("post_run_sync_and_finalize", *space.flags("a/../../b"))
    assert done.code == 5
    for lock in space.local.parent.rglob("*.lock"):
        assert lock.parent == space.local / locations.LOCKS


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import time; time.sleep(120)", "--decision-tag", RAW, "--x"]
    process = subprocess.Popen(command, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("tag", [RAW, IN_FOLDER], ids=["raw", "folder"])
def test_a_process_with_the_tag_as_typed_is_the_runs(
    space: Workspace, tag: str, worker: subprocess.Popen[bytes]
) -> None:
    factory.make_run(space.remote, tag=RAW)
    done = run_script("detect_run", *space.flags(tag))
    assert done.code == 10
    assert f"found process {worker.pid}: " in done.err
    assert "add its program to ignored_programs" in done.err
    once = run_script("monitor_then_finalize", *space.flags(tag), "--once")
    assert once.code == 10
    assert f"result.json is present, but 1 process is running: process {worker.pid}" in once.err


def test_a_run_whose_name_holds_no_tag_is_named(space: Workspace) -> None:
    factory.make_run(space.remote, tag=f"{MINE}a+b")
    folder = f"{factory.STAMP}_production_gates_{MINE}a+b"
    flags = [*location_flags(space.remote, space.local), *FAST, "--once"]
    done = run_script("watch_runs", *flags)
    reason = "a name without a decision tag that can be asked for"
    assert f"local: left out for {reason}: {folder}\n" in done.err
    detected = run_script("detect_run", *space.flags(f"{MINE}a_b"))
    assert detected.code == 5
    assert f"nearest: {MINE}a+b (no tag that can be asked for)" in detected.err


def test_the_monitor_lists_the_nearest_tags_at_the_first_look(space: Workspace) -> None:
    factory.make_run(space.remote, tag=f"{MINE}_run5")
    for tag in ("run5", f"{MINE}_run55"):
        done = run_script("monitor_then_finalize", *space.flags(tag), "--once")
        assert done.code == 10
        first = done.err.splitlines()[0]
        assert "waiting: no run folder has this tag yet; waiting at most 86400 s for it" in first
        assert f"nearest tags that exist: {MINE}_run5" in first


def test_the_watch_names_runs_of_another_tag_with_the_same_name(
    space: Workspace, three: list[Any]
) -> None:
    flags = [*location_flags(space.remote, space.local), *FAST, "--all"]
    done = run_script("watch_runs", *flags)
    assert done.code == 0
    assert [row["run"] for row in space.ledger()] == [three[2].run_folder]
    others = f"{three[0].run_folder}, {three[1].run_folder}"
    assert f"with the same name, and to be closed by that tag: {others}" in done.err


def test_a_context_that_is_broken_leaves_the_tag_to_the_result(space: Workspace) -> None:
    made = factory.documents(tag=RAW)
    made.context = b'{"notes": "a "quote" in it", "decision_tag": "x"'
    made.write(space.remote)
    codes = {space.close(IN_FOLDER), space.close(RAW)}
    assert codes == {1}, "the audit names the context"
    before = space.bytes()
    assert space.close(IN_FOLDER) == 1
    assert space.bytes() == before
    assert [row["decision_tag"] for row in space.ledger()] == [RAW]
    other = run_script("detect_run", *space.flags(RAW.replace("/", ":")))
    assert other.code == 5
    assert f"only {made.run_folder}, whose context names tag '{RAW}'" in other.err
