"""Changed files: 60 cases here, thousands in `make nightly`; and that each failure is noticed."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import mutations
from harness import factory, mutating
from mutations import Ended, Ground, Harness

SHARDS = 2


@pytest.mark.parametrize("shard", range(1, SHARDS + 1))
def test_programs_take_changed_files_well(shard: int) -> None:
    """A seed whose cases all passed when it was chosen."""
    flags = ["--count", "60", "--seed", "1", "--shard", f"{shard}/{SHARDS}"]
    command = mutations.without_rights([sys.executable, mutations.__file__, *flags])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{60 // SHARDS} cases, 0 failed" in done.stdout


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".md"])
def test_every_change_changes_something(tmp_path: Path, suffix: str) -> None:
    row = json.dumps({"a": [1, {"b": "x"}], "c": None})
    texts = {".json": row, ".jsonl": f"{row}\n{row}\n{row}\n", ".csv": "a,b\n1,2\n3,4\n"}
    victim = tmp_path / "victim"
    for number in range(300):
        path = tmp_path / f"{number}{suffix}"
        factory.put(path, texts.get(suffix, "# A page\n\n| a | b |\n"))
        before, mode = path.read_bytes(), path.stat().st_mode
        assert mutating.mutate(path, Random(number), victim)
        is_file = not path.is_symlink() and path.is_file()
        assert not is_file or (path.stat().st_mode, _read(path)) != (mode, before)
        assert not victim.exists()


def _read(path: Path) -> bytes:
    is_readable = bool(path.stat().st_mode & stat.S_IRUSR)
    return path.read_bytes() if is_readable else b""


def test_a_seed_means_the_same_changes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        path = tmp_path / name / "x.json"
        factory.put(path, '{"a": [1, 2, {"b": "x"}]}')
        words = mutating.mutate(path, Random(7), Path("/victim"))
        made.append((words, path.read_bytes()))
    assert made[0] == made[1]


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    ground = Ground(tmp_path / "guard")
    factory.put(ground.victim, "x")
    for folder in (ground.root, ground.folder / "outside/home", ground.folder / "outside/tmp"):
        folder.mkdir(parents=True)
    return Harness(ground, seed=1, seconds=20)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(0, "", ""), ""),
        (Ended(4, "", "x: expected a, found b\n"), ""),
        (Ended(None, "", ""), "no end within 20 s"),
        (Ended(99, "", "x\n"), "exit code 99"),
        (Ended(-11, "", "x\n"), "exit code -11"),
        (Ended(1, "", "Traceback (most recent call last):\nKeyError: 1\n"), "a traceback: Key"),
        (Ended(4, "", f"x: found a\n{mutating.MARK}\n"), "more than one line"),
        (Ended(4, "", "x: found \x1b[31m\n"), "control characters"),
        (Ended(4, "", f"x: found {'a' * 9000}\n"), "a message of 9009 characters"),
        (Ended(0, "\x1b[31m\n", ""), "control characters on stdout"),
        (Ended(4, "", ""), "without a word"),
    ],
)
def test_what_a_program_may_not_do_is_noticed(harness: Harness, ended: Ended, words: str) -> None:
    before = harness.ground.outside()
    found = list(harness.problems(("detect_run",), ended, before))
    assert [problem for problem in found if words in problem] == found
    assert bool(found) is bool(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("outside/victim", "changed outside of the workspace: outside/victim"),
        ("outside/new", "changed outside of the workspace: outside/new"),
        ("deep/ground/workspace/.x.json.12.abcd.tmp", "left in the workspace"),
        (f"deep/ground/workspace/{mutating.BAIT}", "left in the workspace"),
    ],
)
def test_what_is_written_where_it_may_not_is_noticed(
    harness: Harness, name: str, words: str
) -> None:
    before = harness.ground.outside()
    factory.put(harness.ground.folder / name, "changed")
    found = list(harness.problems(("detect_run",), Ended(0, "", ""), before))
    assert any(problem.startswith(words) for problem in found)


def test_a_program_without_end_is_ended() -> None:
    child = os.fork()
    if not child:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"])
    assert mutations.wait(child, seconds=0.5) is None
