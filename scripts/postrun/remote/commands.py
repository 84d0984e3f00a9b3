"""Run a program of this machine that must not outlive us, with a limit of time."""

import errno
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, NamedTuple

from postrun.core.errors import Usage

# The program runs beside a `cat` that reads our end of a pipe. When we are gone, however we were
# killed, the pipe closes, `cat` ends, and the shell ends the whole process group. A program in the
# background would ignore SIGINT, and so would a run that it starts.
_LIFELINE = """
exec 3<&0 </dev/null
(cat <&3; kill -KILL 0) >/dev/null 2>&1 &
guard=$!
exec 3<&-
"$@"
code=$?
kill -KILL "$guard"
exit "$code"
"""


class Result(NamedTuple):
    """How a program ended. `code` is 128 and the signal for one that was killed."""

    code: int
    stdout: bytes
    stderr: str


def run(
    command: Sequence[str],
    timeout: float | None,
    stdout: IO[str] | None = None,
) -> Result:
    """Return how a program ended and what it wrote, unless `stdout` says where to; no input.

    Raises TimeoutError when it takes longer than `timeout` seconds. The whole process group is
    ended then, and also when we are interrupted or killed. What a program left in the background
    on purpose stays. Raises Usage for arguments that no program takes.
    """
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIFELINE, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        expected = "a name that a program can be called with"
        raise Usage("host, folder or tag", expected, "one that is too long") from None
    # communicate() would close the lifeline at once.
    lifeline = process.stdin
    process.stdin = None
    try:
        output, errors = process.communicate(timeout=timeout)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutError from None
        raise
    finally:
        if lifeline is not None:
            lifeline.close()
    return Result(process.returncode, output or b"", errors.decode(errors="replace"))
