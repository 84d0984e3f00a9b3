"""The errors that a user can meet, each with its own exit code.

An error names the thing, what was expected and what was found; `hint` says what to do next. Only
`ending` catches them. Any other exception is a bug and keeps its traceback.
"""


class PostRunError(Exception):
    """A step cannot go on. `str()` is the one line that a user reads."""

    exit_code = 1

    def __init__(self, thing: object, expected: str, actual: str, hint: str = "") -> None:
        message = f"{thing}: expected {expected}, found {actual}"
        if hint:
            message += f"; {hint}"
        super().__init__(message)
        self.expected, self.actual, self.hint = expected, actual, hint

    def add_hint(self, hint: str) -> None:
        """Add what to do next, where only the caller knows it."""
        if hint:
            self.args = (f"{self}; {hint}",)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to make it again: it comes whole out of a process of a pool."""
        return _restore, (type(self), str(self)), vars(self)


def _restore(kind: type[PostRunError], message: str) -> PostRunError:
    return kind.__new__(kind, message)


class Usage(PostRunError):
    """The command line is wrong."""

    exit_code = 2


class Missing(PostRunError):
    """An input is missing, or a place cannot be written to."""

    exit_code = 3


class Invalid(PostRunError):
    """An artifact, policy or piece of evidence is broken or was changed."""

    exit_code = 4


class AmbiguousRun(PostRunError):
    """It is not clear which run or which report is meant."""

    exit_code = 5


class Unreachable(PostRunError):
    """The workstation, or a server that was asked, did not answer."""

    exit_code = 6


class HostRejected(Unreachable):
    """The host or the configuration of SSH refused the connection. Waiting does not help."""


class RunDead(PostRunError):
    """The run ended without leaving a result."""

    exit_code = 7


class DeadlineReached(PostRunError):
    """The run was not complete in the time allowed."""

    exit_code = 8


class Locked(PostRunError):
    """Another process holds the lock of this run or this workspace."""

    exit_code = 9


class NotFinished(PostRunError):
    """The run has not ended yet, and only one check was asked for."""

    exit_code = 10


INTERRUPTED = 130  # 128 + SIGINT, as in shells
