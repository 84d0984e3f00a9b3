"""Programs of this machine that must not outlive us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postrun.core import locations
from postrun.core.errors import Usage
from postrun.remote import commands


def test_output_errors_and_exit_code_come_back() -> None:
    words = ["/bin/sh", "-c", "cat; printf 'a\\377'; echo because >&2; exit 3"]
    assert commands.run(words, 10) == (3, b"a\xff", "because\n")


def test_a_signal_is_an_exit_code() -> None:
    assert commands.run(["/bin/sh", "-c", "kill -9 $$"], 10).code == 128 + 9


def test_arguments_that_no_program_takes_are_refused() -> None:
    with pytest.raises(Usage, match="found one that is too long"):
        commands.run(["echo", "a" * 200_000], 10)


def test_no_signal_is_ignored() -> None:
    words = [sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"]
    assert b"default_int_handler" in commands.run(words, 10).stdout


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    late = tmp_path / "late"
    with pytest.raises(TimeoutError):
        commands.run(["/bin/sh", "-c", f"(sleep 0.6; touch {late}) & sleep 20"], 0.2)
    time.sleep(0.8)
    assert not late.exists()


def test_what_a_program_left_on_purpose_stays(tmp_path: Path) -> None:
    later = tmp_path / "later"
    script = f"(sleep 0.3; touch {later}) >/dev/null 2>&1 &"
    assert commands.run(["/bin/sh", "-c", script], 10).code == 0
    time.sleep(0.6)
    assert later.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_us(number: signal.Signals, tmp_path: Path) -> None:
    started, late = tmp_path / "started", tmp_path / "late"
    script = f"touch {started}; sleep 0.8; touch {late}"
    code = f"from postrun.remote import commands; commands.run(['sh', '-c', {script!r}], 60)"
    environment = {**os.environ, "PYTHONPATH": str(locations.PROJECT / "scripts")}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 20
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) != 0
    time.sleep(1.2)
    assert not late.exists()
