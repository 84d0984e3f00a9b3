"""Lines for the person at the terminal, on stderr."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@contextmanager
def best_effort() -> Iterator[None]:
    """Let words be lost where a full disk has no room for them: the work is not. A reader that has left counts."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        return


def say(words: str) -> None:
    """Tell the person at the terminal something, on stderr; control characters are shown, not obeyed."""
    with best_effort():
        print(plain(words), file=sys.stderr, flush=True)


def plain(words: str) -> str:
    """Make text safe for a terminal: one line, control and direction characters escaped."""
    text = words.replace("\n", " ")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
