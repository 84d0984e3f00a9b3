"""Every way in which this project says no, each with its own exit code.

A refusal names the thing, what was expected and what was found; `hint` says what to do next. Only `cli` catches
them. Anything that is not a `Refusal` is a bug and keeps its traceback.
"""


class PostRunError(Exception):
    """A step cannot go on. `str()` is the one line that a user reads."""

    exit_code = 1

    def __init__(self, thing: object, expected: str, found: str, hint: str = "") -> None:
        line = f"{thing}: expected {expected}, found {found}"
        super().__init__(f"{line}; {hint}" if hint else line)


class Usage(PostRunError):
    """The command itself is wrong."""

    exit_code = 2


class Missing(PostRunError):
    """An input is not there, or no place to write to."""

    exit_code = 3


class Invalid(PostRunError):
    """An artifact, policy or piece of evidence is there, but broken or changed."""

    exit_code = 4


class AmbiguousRun(PostRunError):
    """It cannot be said which run or which report is meant."""

    exit_code = 5


class Unreachable(PostRunError):
    """The workstation did not answer."""

    exit_code = 6


class HostRejected(Unreachable):
    """Something answered and did not let us in, or is a stranger: asking again, by itself, does not help."""


class RunDead(PostRunError):
    """The run ended without leaving a result."""

    exit_code = 7


class DeadlineReached(PostRunError):
    """The run was not complete in the time allowed."""

    exit_code = 8


class Locked(PostRunError):
    """Another process is at work in the same place."""

    exit_code = 9


class NotFinished(PostRunError):
    """One look was asked for, and the run goes on."""

    exit_code = 10


INTERRUPTED = 130  # 128 + SIGINT, as shells have it
