"""Run a script of this project: in this process, or as a program of its own.

done = run_script("detect_run", "--tag", "run1"); done.code, done.out, done.err
watch = Program("watch_runs.py", ["--once"]); watch.await_line("closing"); watch.end()
shown = on_a_terminal("watch_runs.py", [], "3 running"); wait_for(path.exists)
"""

import contextlib
import fcntl
import importlib
import io
import os
import pty
import queue
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
STATUS = Path("/proc/self/status")  # where Linux counts the memory of a process
_MEASURED = """
import importlib, sys
code = importlib.import_module(sys.argv[1]).main(sys.argv[2:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak", peak.split()[1])
raise SystemExit(code)
"""


@dataclass(frozen=True)
class Ended:
    """How a script ended: its exit code, and all that it wrote."""

    code: int
    out: str
    err: str


def run_script(script: str, *flags: str) -> Ended:
    """Run the `main` of a script in this process."""
    main: Callable[[list[str]], int] = importlib.import_module(script).main
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(flags))
    return Ended(code, out.getvalue(), err.getvalue())


def run_without_root_rights(script: str, *flags: str) -> Ended:
    """Run a script as a program that may read only what modes and owners let it read.

    To root every file is readable, so root's right to that is taken away.
    """
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *flags]
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root without setpriv reads everything")
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def peak_memory(script: str, *flags: str) -> tuple[int, int]:
    """Run a script in a process of its own; return exit code and peak in KiB (Linux only)."""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", _MEASURED, script, *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, int(done.stdout.rpartition("peak ")[2] or 0)


class Program:
    """One running script; stderr is read as it comes."""

    def __init__(self, script: str, flags: list[str], **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPTS / script), *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        self.out = ""
        self._fresh: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._listen, self._collect)
        ]
        for reader in self._readers:
            reader.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            self._fresh.put(line)

    def _collect(self) -> None:
        assert self._process.stdout is not None
        self.out = self._process.stdout.read()

    @property
    def talk(self) -> str:
        return "".join(self.lines)

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_line(self, words: str, seconds: float = 30) -> str:
        """Wait for a line, among those not yet waited for, that has these words."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._fresh.get(timeout=0.05)
            except queue.Empty:
                if time.monotonic() < end and self._readers[0].is_alive():
                    continue
                raise AssertionError(f"no line with {words!r} in:\n{self.talk}") from None
            if words in line:
                return line

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    def end(self, seconds: float = 40) -> int:
        """Wait for its end; give the exit code."""
        code = self._process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self) -> None:
        """See to it that nothing is left of it."""
        if self._process.poll() is None:
            self._process.kill()
        self.end()


def wait_for(look: Callable[[], Any], seconds: float = 20) -> Any:
    """Look again and again until there is something to see; give that."""
    patience = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < patience, f"not seen within {seconds} s"
        time.sleep(0.02)
    return found


def on_a_terminal(
    script: str,
    flags: list[str],
    words: str,
    size: tuple[int, int] = (30, 120),
    *,
    ends: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a script on a terminal of so many lines and columns until it shows these words, then
    press Ctrl-C. A script that `ends` is left to end by itself, all right.

    Gives all that it wrote to stderr; its stdout leads elsewhere.
    """
    ours, external = pty.openpty()
    fcntl.ioctl(external, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "LINES", "COLUMNS")
    }
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTS / script), *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=external,
        env={**inherited, "TERM": "xterm", **(environment or {})},
    )
    os.close(external)
    shown, patience = b"", time.monotonic() + 30
    while words.encode() not in shown and time.monotonic() < patience:
        if select.select([ours], [], [], 0.5)[0]:
            shown += os.read(ours, 65536)
    if not ends:
        process.send_signal(signal.SIGINT)
    code = process.wait(60)
    os.close(ours)
    assert code == (0 if ends else 130), shown
    return shown.decode(errors="replace")
