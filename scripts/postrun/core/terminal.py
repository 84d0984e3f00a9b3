"""Messages for the person at the terminal, on stderr, and how many of them are written."""

import math
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from typing import TextIO

from postrun.core import clock

# Control characters, and those that change the direction of text or cannot be encoded.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# Of characters that take no column of their own, and two; Unicode Standard Annex #11.
_NO_COLUMN = frozenset({"Mn", "Me", "Cf"})
_TWO_COLUMNS = frozenset({"F", "W"})
# Colours of ECMA-48.
RED, GREEN, YELLOW = "31", "32", "33"
_ELLIPSIS = "\u2026"

# Characters of one message: what it quotes may be a whole file.
_LONGEST = 8000


class Level(IntEnum):
    """How much a script writes to stderr: with --quiet, without a flag, with --verbose."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


# One for the whole process and not a ContextVar, because messages come from threads, too.
_level = Level.NORMAL


def set_level(level: Level) -> None:
    """Change how much this process writes from now on."""
    global _level
    _level = level


def is_quiet() -> bool:
    """Return whether only results and errors are written."""
    return _level == Level.QUIET


def is_verbose() -> bool:
    """Return whether details are written."""
    return _level == Level.VERBOSE


def error(message: str) -> None:
    """Write an error, or what did not pass: with --quiet, too."""
    with best_effort():
        line = plain(message)
        if len(line) > _LONGEST:
            line = f"{line[:_LONGEST]}... ({len(line)} characters)"
        print(stamped(line), file=sys.stderr, flush=True)


def say(message: str) -> None:
    """Write what a person may want to know, but not with --quiet."""
    if not is_quiet():
        error(message)


def detail(message: str) -> None:
    """Write what helps to find a cause, with --verbose only."""
    if _level == Level.VERBOSE:
        error(message)


def is_plain(stream: TextIO) -> bool:
    """Return whether a stream gets neither colours nor what is drawn in place."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return True
    return not stream.isatty()


def result(coloured: str, rest: str, colour: str) -> None:
    """Write a result to stdout, its beginning in a colour where there is a terminal."""
    head = plain(coloured)
    if not is_plain(sys.stdout):
        head = f"\x1b[{colour}m{head}\x1b[0m"
    # Not flushed here: a reader that has left, or a full disk, is for the end of the script.
    print(f"{head}{plain(rest)}")


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():  # nearly always
        return len(text)
    return sum(map(_char_columns, text))


def _char_columns(char: str) -> int:
    if unicodedata.category(char) in _NO_COLUMN:
        return 0
    return 1 + (unicodedata.east_asian_width(char) in _TWO_COLUMNS)


def cut(text: str, width: int) -> str:
    """Return a text in so many columns: an ellipsis stands for what does not fit."""
    if columns(text) <= width:
        return text
    kept = ""
    left = width - columns(_ELLIPSIS)
    for char in text:
        left -= _char_columns(char)
        if left < 0:
            break
        kept += char
    return f"{kept}{_ELLIPSIS}"


def padded(text: str, width: int) -> str:
    """Return a text with blanks behind it up to so many columns."""
    return text + " " * (width - columns(text))


def counted(number: int, thing: str) -> str:
    """Return a number with what it counts: `1 run`, `3 runs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def chance(p: float | None, patterns: int | None = None) -> str:
    """Return a probability as a percentage, with no more digits than so many patterns carry.

    A level that somebody chose (no patterns) has the digits that were chosen.
    """
    if p is None:
        return "not measured"
    if patterns is None:
        return f"{p * 100:g}%"
    # With d digits behind the point there are 10^(d + 2) values: no more than patterns.
    digits = max(int(math.log10(patterns)) - 2, 0)
    least = 10**-digits
    percent = p * 100
    if 0 < percent < least / 2:
        return f"less than {least:g}%"
    return f"{percent:.{digits}f}%"


def compared_chance(p: float, patterns: int, most: float) -> str:
    """Return a probability so that a reader sees whether it is above `most`."""
    text = chance(p, patterns)
    if p > most and chance(most, patterns) == text:
        return f"just over {chance(most)}"
    return text


def stamped(line: str) -> str:
    """Return a line with the time (UTC) before it where --verbose asks for that."""
    if _level != Level.VERBOSE:
        return line
    # Not clock.now(): SOURCE_DATE_EPOCH is for artifacts, and a log must have the real time.
    return f"{clock.stamp(datetime.now(UTC))} {line}"


@contextmanager
def best_effort() -> Iterator[None]:
    """Ignore that a full disk has no room for messages, but not that their reader has left."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        return


def plain(text: str) -> str:
    """Return text that is safe on a terminal: one line, control characters shown, not obeyed."""
    one_line = text.replace("\n", " ")
    return _CONTROL.sub(_escape, one_line)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
