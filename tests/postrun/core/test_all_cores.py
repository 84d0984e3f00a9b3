"""Many calls on all cores: their order, their errors, and that no process outlives its caller."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.programs import wait_for
from postrun.core import all_cores
from postrun.core.errors import Invalid
from postrun.core.locations import PROJECT

# Each call writes the number of its process into the folder, then works for ever.
FOREVER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from postrun.core import all_cores
def work(number):
    Path(sys.argv[2], str(os.getpid())).touch()
    time.sleep(600)
for _ in all_cores.call(work, range(100), chunk=1):
    pass
"""
# The results are all there as the signal comes: the processes are being ended.
ENDING = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from postrun.core import all_cores
for number in all_cores.call(abs, range(9), chunk=1):
    if number == 8 and os.fork() == 0:
        os.kill(os.getppid(), signal.SIGINT)
        os._exit(0)
"""


def describe(word: str, number: int) -> str:
    if number == 13:
        raise Invalid("number", "another one", "13", "take 14")
    return f"{word} {number} {os.getpid()}"


def test_results_come_in_the_order_of_the_arguments() -> None:
    words = ["one", "two", "three", "four"]
    results = [text.split() for text in all_cores.call(describe, words, range(4), chunk=1)]
    assert [result[:2] for result in results] == [[word, str(at)] for at, word in enumerate(words)]
    assert str(os.getpid()) not in [result[2] for result in results]


def test_an_error_is_raised_as_the_function_raised_it() -> None:
    with pytest.raises(Invalid, match="take 14"):
        list(all_cores.call(describe, ["a"] * 20, range(20), chunk=2))


def start_forever(folder: Path) -> tuple["subprocess.Popen[bytes]", list[int]]:
    command = [sys.executable, "-c", FOREVER, str(PROJECT / "scripts"), str(folder)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    wait_for(lambda: len(list(folder.iterdir())) == os.cpu_count())
    return process, [int(path.name) for path in folder.iterdir()]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_an_interrupted_caller_leaves_no_process(
    tmp_path: Path, send: Callable[[int, int], None]
) -> None:
    process, workers = start_forever(tmp_path)
    began = time.monotonic()
    send(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 30  # the calls take 600 s
    assert process.returncode == -signal.SIGINT
    assert err.count(b"Traceback") == 1  # the caller's own
    wait_for(lambda: all(map(is_gone, workers)))


def test_a_killed_caller_leaves_no_process(tmp_path: Path) -> None:
    process, workers = start_forever(tmp_path)
    process.kill()
    process.communicate()
    wait_for(lambda: all(map(is_gone, workers)))


def test_a_caller_that_is_interrupted_at_the_end_ends() -> None:
    command = [sys.executable, "-c", ENDING, str(PROJECT / "scripts")]
    for _ in range(3):
        process = subprocess.run(command, timeout=60, check=False, capture_output=True)
        assert process.returncode in (0, -signal.SIGINT)


@pytest.mark.parametrize(
    ("given", "expected"), [("1", 1), ("99999", None), ("", None), ("x", None)]
)
def test_a_job_of_slurm_has_its_own_cores(
    given: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", given)
    assert all_cores.count() == (expected or os.cpu_count())
