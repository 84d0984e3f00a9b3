"""How a script ends: an error becomes one line and an exit code."""

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Optional, TextIO

from postrun.core import terminal
from postrun.core.errors import INTERRUPTED, Missing, PostRunError, Usage

if TYPE_CHECKING:
    from postrun.core.request import RunRequest

# What the command line asked for: commands in messages are completed with it.
REQUEST: ContextVar[Optional["RunRequest"]] = ContextVar("request", default=None)


def guard(work: Callable[[], int]) -> int:
    """Run a script's work; print an error and return its code. Bugs keep their traceback."""
    terminal.set_level(terminal.Level.NORMAL)
    REQUEST.set(None)
    # A stream that was closed before we began (`>&-`) is None.
    sys.stdout = sys.stdout or _open_nowhere()
    sys.stderr = sys.stderr or _open_nowhere()
    code = _run(work)
    return max(code, _flush())


def _run(work: Callable[[], int]) -> int:
    try:
        return work()
    except BrokenPipeError:
        return INTERRUPTED
    except PostRunError as error:
        terminal.error(_answer(error))
        return error.exit_code
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "postrun":
            raise
        remedy = "run `make setup` and use .venv/bin/python"
        terminal.error(f"package {error.name}: expected in this Python, found nothing; {remedy}")
        return Missing.exit_code
    except KeyboardInterrupt:
        terminal.error("interrupted")
        return INTERRUPTED


def _answer(error: PostRunError) -> str:
    """Return an error as one line, in the words of whoever typed the command."""
    from postrun.store import make_lines

    message = whole(str(error))
    if isinstance(error, Usage) and make_lines.target_typed():
        return make_lines.in_words_of_make(message)
    return message


def give_up(stream: TextIO) -> None:
    """Send nowhere what could not be written, so that Python's last flush does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _flush() -> int:
    """Write what is left in both streams; return 0, or another code when results found no room."""
    code = 0
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            give_up(stream)
            # A broken pipe is a reader who has left (`| head`): what was done is done.
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                expected = "a place that can be written to"
                terminal.error(f"stdout: expected {expected}, found {error.strerror}")
                code = Missing.exit_code
    return code


def _open_nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def whole(message: str) -> str:
    """Return a message whose `make` lines can be typed as they are, for the run asked for."""
    request = REQUEST.get()
    if request is None:
        return message
    from postrun.store import make_lines  # here: the schema hook runs at every commit

    return make_lines.complete(message, request)
