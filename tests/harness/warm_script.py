"""Run a script many times, each time in a process of its own that need not import it first.

It is forked from one that did nothing but import the script: that saves half the time.

script = WarmScript("detect_run", cwd, environment)
code, talk = script.run(flags, tracer=["strace", "-o", "trace"]); script.end()
"""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SECONDS = 120  # one run
_ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1))  # prctl's PR_SET_PTRACER, PR_SET_PTRACER_ANY


class WarmScript:
    """A process that has imported a script, and forks."""

    def __init__(self, script: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._out, self._talk = folder / "out", folder / "talk"
        command = [sys.executable, __file__, script, str(self._out), str(self._talk)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
        )

    def run(self, flags: Sequence[str], tracer: Sequence[str] = ()) -> tuple[int, str]:
        """Run it once, traced by `tracer -p <number>` from the start; return exit code and stderr.

        The code is negative for a signal.
        """
        number = int(self._ask(json.dumps(list(flags))))
        alarm = threading.Timer(SECONDS, os.kill, (number, signal.SIGKILL))
        with contextlib.ExitStack() as ends:
            if tracer:
                ends.enter_context(_attach(tracer, number))
            alarm.start()
            code = int(self._ask("go"))
        alarm.cancel()
        return code, self._talk.read_text(encoding="utf-8", errors="replace")

    @property
    def out(self) -> str:
        """Return what the last run wrote to stdout."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        return self._process.stdout.readline()

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def _attach(tracer: Sequence[str], number: int) -> subprocess.Popen[str]:
    """Start a tracer of a process, and wait until it traces."""
    command = [*tracer, "-p", str(number)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "attached" in said, said
    return process


def serve(script: str, out: str, talk: str) -> int:
    """Fork for each line of flags on stdin; print the process's number, and later its exit code."""
    module = importlib.import_module(script)
    # A thread of every closing would import the steps, each time at another moment.
    conductor = importlib.import_module("post_run_sync_and_finalize")
    conductor.load_steps(conductor.STEPS)
    while line := sys.stdin.readline():
        number = os.fork()
        if number == 0:
            return _run(module.main, json.loads(line), out, talk)
        print(number, flush=True)
        _, status = os.waitpid(number, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return 0


def _run(main: Callable[[list[str]], int], flags: list[str], out: str, talk: str) -> int:
    # Some systems let nobody but a parent trace a process unless that allows it.
    ctypes.CDLL(None).prctl(*_ANY_TRACER)
    sys.stdin.readline()  # the tracer is there
    for path, descriptor in ((os.devnull, 0), (out, 1), (talk, 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
    return main(flags)


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPTS))
    raise SystemExit(serve(*sys.argv[1:]))
