"""Messages for the person at the terminal, on stderr."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Control characters, and those that change the direction of text or cannot be encoded.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@contextmanager
def best_effort() -> Iterator[None]:
    """Lose messages that a full disk has no room for: the work goes on. A reader who left counts."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        return


def say(message: str) -> None:
    """Write a message to stderr; control characters are shown, not obeyed."""
    with best_effort():
        print(plain(message), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """Return text that is safe on a terminal: one line, control characters escaped."""
    one_line = text.replace("\n", " ")
    return _CONTROL.sub(_escape, one_line)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
