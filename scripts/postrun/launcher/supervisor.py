"""The workload from its start to its result.json.

The supervisor stays until the workload has ended, and writes `result.json` as the very last thing, whatever
way that end comes. Only its own violent death (SIGKILL, a power cut) leaves no result; a monitor can tell
that from `run.pid`.
"""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from postrun.core.errors import Missing
from postrun.launcher import machine
from postrun.launcher.records import write_json

ENDING = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
)  # whoever sends these wants no run any more
_STAY = "KILL STOP CONT TSTP TTIN TTOU CHLD URG WINCH PIPE XFSZ SEGV BUS FPE ILL TRAP SYS"  # no end, or one's own fault
PASSED_ON = tuple(
    signal.valid_signals() - {*ENDING, *(getattr(signal, f"SIG{name}") for name in _STAY.split())}
)
NOT_STARTED, NOT_FOUND, BY_SIGNAL = 126, 127, 128  # exit codes as shells have them
LOST = 70  # the supervisor itself failed; its traceback is in run.log
SHORT = 0.05  # seconds between two looks
FULL = (errno.ENOSPC, errno.EDQUOT)
SOON = 1.0  # seconds until a full disk is tried again


@dataclass(frozen=True)
class Job:
    """One workload: what to start where, and the result's fields apart from the exit code."""

    root: Path
    run: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    result: Mapping[str, str]
    leftover_seconds: float


def supervise(job: Job) -> int:
    """Start the workload, see it to its end, write the result; gives the exit code that the result has."""
    code, crowd = LOST, ProcessGroup()
    with crowd.forwarding():
        try:
            with (job.run / "run.log").open("ab") as log:
                code = _attend(job, crowd, log)
        finally:
            _conclude(job, code, began=crowd.group is not None)
    return code


def _conclude(job: Job, code: int, began: bool) -> None:
    """Write the result. A full disk is waited for: without its result a run that began would count as dead."""
    while True:
        try:
            return write_json(job.run / "result.json", {**job.result, "exit_code": code})
        except Missing as error:
            if not began or getattr(error.__cause__, "errno", None) not in FULL:
                raise
            time.sleep(SOON)


def detach(command: Sequence[str], run: Path) -> bool:
    """Start a supervisor in a session of its own, so that neither terminal nor SSH connection can end it.

    True once it is at its work (run.pid is there), False when it ended without getting so far.
    """
    with (run / "run.log").open("ab") as log:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    while not (run / "run.pid").exists() and supervisor.poll() is None:
        time.sleep(SHORT)
    return (run / "run.pid").exists()


@contextmanager
def ignore_hangup() -> Iterator[None]:
    """Let a terminal that is closed stop nothing meanwhile. What is started here hears of it as before."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_DFL:
        signal.signal(
            signal.SIGHUP, lambda *_: None
        )  # ignored, it would stay so in every program started here
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class ProcessGroup:
    """The workload's process group, and the signals that came for it."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.group: int | None = None  # none before the workload has started

    @contextmanager
    def forwarding(self) -> Iterator[None]:
        """Pass signals on to the group meanwhile; one that was ignored stays so, as nohup asked."""
        asked = ((number, signal.getsignal(number)) for number in ENDING + PASSED_ON)
        before = {
            number: handler for number, handler in asked if handler is not None
        }  # none: not of Python
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
        self.reach(number)

    def lead(self, group: int) -> None:
        """Take the workload's group; signals that came while it was being started reach it now."""
        self.group = group
        for number in self.received:
            self.reach(number)

    def reach(self, number: int) -> None:
        """Send a signal to the group, if there is anyone in it still."""
        if self.group is not None:
            with suppress(
                ProcessLookupError, PermissionError
            ):  # macOS answers the second for a group of zombies
                os.killpg(self.group, number)


def _attend(job: Job, crowd: ProcessGroup, log: IO[bytes]) -> int:
    me = os.getpid()
    record = {"pid": me, "start_time": machine.start_time(me), "boot_id": machine.boot_id()}
    write_json(job.run / "run.pid", record)
    try:
        workload = subprocess.Popen(
            job.command,
            cwd=job.root,
            env=dict(job.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        log.write(f"[launcher] cannot start {job.command[0]}: {error}\n".encode())
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED
    crowd.lead(workload.pid)
    code = _wait(job, workload, log)
    ended_by = [
        number for number in crowd.received if number in ENDING
    ]  # the workload may have a use for the others
    return BY_SIGNAL + ended_by[0] if ended_by else code


def _wait(job: Job, workload: subprocess.Popen[bytes], log: IO[bytes]) -> int:
    """Wait for the workload, then a while for what it left running: the result comes last."""
    code = workload.wait()
    deadline = time.monotonic() + job.leftover_seconds
    while machine.group_lives(workload.pid):
        if time.monotonic() >= deadline:
            log.write(
                f"[launcher] {job.leftover_seconds:g} s after the workload, some of it still runs\n".encode()
            )
            break
        time.sleep(SHORT)
    return BY_SIGNAL - code if code < 0 else code
