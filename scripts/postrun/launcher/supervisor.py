"""The workload from its start to its result.json.

The supervisor stays until the workload has ended, and writes `result.json` as the very last thing,
however that end comes. Only its own violent death (SIGKILL, a power cut) leaves no result; a
monitor can see that from `run.pid`.
"""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

from postrun.core.errors import Missing
from postrun.launcher import machine
from postrun.launcher.records import write_json
from postrun.launcher.request import LaunchRequest

# Whoever sends one of these wants the run to end.
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# These end nothing, cannot be caught, or report a fault of the process that gets them.
_NOT_FORWARDED = "KILL STOP CONT TSTP TTIN TTOU CHLD URG WINCH PIPE XFSZ SEGV BUS FPE ILL TRAP SYS"
_KEPT = {getattr(signal, f"SIG{name}") for name in _NOT_FORWARDED.split()}
FORWARDED = tuple(signal.valid_signals() - {*ENDING, *_KEPT})

# Exit codes as shells have them.
NOT_STARTED, NOT_FOUND, BY_SIGNAL = 126, 127, 128
FAILED = 70  # the supervisor itself failed; its traceback is in run.log

PAUSE = 0.05  # seconds between two checks
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL_PAUSE = 1.0  # seconds until a full disk is tried again


# The gate program's numerical libraries take their number of threads from these.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def supervise(request: LaunchRequest, run: Path) -> int:
    """Start the workload, wait for its end, write the result; return the exit code in it."""
    code = FAILED
    group = ProcessGroup()
    with group.forwarding_signals():
        try:
            with (run / "run.log").open("ab") as log:
                code = _run_workload(request, run, group, log)
        finally:
            result = {
                "workflow": request.workflow,
                "decision_tag": request.tag,
                "audit_dir": str(run.relative_to(request.root)),
                "exit_code": code,
            }
            _write_result(run / "result.json", result, has_started=group.id is not None)
    return code


def _write_result(path: Path, result: object, has_started: bool) -> None:
    """Write result.json. Raises Missing; but once the workload has started, wait for a full disk.

    Without its result, a run that started would count as dead.
    """
    while True:
        try:
            write_json(path, result)
            return
        except Missing as error:
            is_full = getattr(error.__cause__, "errno", None) in DISK_FULL
            if not (has_started and is_full):
                raise
            time.sleep(DISK_FULL_PAUSE)


def detach(command: Sequence[str], run: Path) -> bool:
    """Start a supervisor that neither terminal nor SSH connection can end.

    Return whether it works (run.pid exists); if not, it has ended.
    """
    record = run / "run.pid"
    with (run / "run.log").open("ab") as log:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    while not record.exists() and supervisor.poll() is None:
        time.sleep(PAUSE)
    return record.exists()


@contextmanager
def ignore_hangup() -> Iterator[None]:
    """Ignore that the terminal is closed inside this block; programs started here do not."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_DFL:
        # Not SIG_IGN: programs inherit that, but not a handler.
        signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class ProcessGroup:
    """The workload's process group, and the signals that came for it."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.id: int | None = None  # None before the workload has started

    @contextmanager
    def forwarding_signals(self) -> Iterator[None]:
        """Forward signals to the group inside this block; an ignored one stays ignored (nohup)."""
        handlers = {}
        for number in ENDING + FORWARDED:
            handler = signal.getsignal(number)
            # None was not set by Python and cannot be restored; nohup ignores and wants it so.
            if handler not in (None, signal.SIG_IGN):
                handlers[number] = handler
                signal.signal(number, self._forward)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
        self.send(number)

    def set_id(self, group: int) -> None:
        """Send signals to this group from now on, first those that came while it was started."""
        self.id = group
        for number in self.received:
            self.send(number)

    def send(self, number: int) -> None:
        """Send a signal to the group, if it still has a member."""
        if self.id is not None:
            # macOS answers PermissionError for a group of zombies.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.id, number)


def _run_workload(request: LaunchRequest, run: Path, group: ProcessGroup, log: IO[bytes]) -> int:
    pid = os.getpid()
    start_time = machine.start_time(pid)
    record: dict[str, Any] = {
        "pid": pid,
        "start_time": start_time,
        "boot_id": machine.boot_id(),
        "pid_namespace": machine.pid_namespace(),
    }
    job = machine.scheduler_job()
    if job:
        record["scheduler"] = job
    write_json(run / "run.pid", record)
    threads = dict.fromkeys(THREADS, str(request.threads))
    try:
        workload = subprocess.Popen(
            request.command,
            cwd=request.root,
            env={**os.environ, **threads, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        log.write(f"[launcher] cannot start {request.command[0]}: {error}\n".encode())
        if isinstance(error, FileNotFoundError):
            return NOT_FOUND
        return NOT_STARTED
    group.set_id(workload.pid)
    code = workload.wait()
    _wait_for_leftovers(workload.pid, request.policy.leftover_seconds, log)
    # Only these decide: the workload may have its own use for the others.
    ended_by = [number for number in group.received if number in ENDING]
    if ended_by:
        return BY_SIGNAL + ended_by[0]
    if code < 0:
        return BY_SIGNAL - code
    return code


def _wait_for_leftovers(group: int, seconds: float, log: IO[bytes]) -> None:
    """Wait a while for what the workload left running: the result comes last."""
    deadline = time.monotonic() + seconds
    while machine.group_is_alive(group):
        if time.monotonic() >= deadline:
            message = f"{seconds:g} s after the workload, some of it still runs"
            log.write(f"[launcher] {message}\n".encode())
            return
        time.sleep(PAUSE)
