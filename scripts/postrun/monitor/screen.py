"""Lines for a person who waits: some stay, others below them are replaced in place.

Also reads the progress of a run out of the last lines of its log.
"""

import os
import re
import sys
import threading
from collections.abc import Sequence
from typing import TextIO

from postrun.core.terminal import best_effort, cut, is_plain

# Terminal control sequences (ECMA-48, and DEC mode 7 for wrapping). Lines are cut; a terminal that
# became narrower, or counts a character as wider, must not wrap them all the same.
_ERASE_BELOW = "\x1b[J"
_UP = "\x1b[{}F"  # to the start of the line so many lines up
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"
_USUAL_HEIGHT = 24  # lines of a terminal that does not say
_USUAL_WIDTH = 80


class Screen:
    """The terminal of a script that waits.

    Nothing is drawn with NO_COLOR or TERM=dumb, or where there is no terminal. Lines must be safe
    for a terminal already (`terminal.plain`).
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._drawn_lines = 0
        self._lock = threading.RLock()  # notifications report from threads of their own
        self.live = not is_plain(self._out)

    def show(self, line: str) -> None:
        """Write a line that stays."""
        with self._lock, best_effort():
            self.clear()
            print(line, file=self._out, flush=True)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those drawn before; nothing where the screen is not live."""
        if not self.live:
            return
        # Ask the terminal of this stream: stdout may lead elsewhere.
        size = os.get_terminal_size(self._out.fileno())
        height = size.lines or _USUAL_HEIGHT
        width = size.columns or _USUAL_WIDTH
        fitting = []
        for line in lines[: max(1, height - 1)]:
            # How many columns a tab takes depends on where it stands.
            fitting.append(cut(line.replace("\t", " "), width))
        body = "".join(f"{line}\n" for line in fitting)
        with self._lock, best_effort():
            back = _UP.format(self._drawn_lines) if self._drawn_lines else ""
            self._out.write(f"{back}{_ERASE_BELOW}{_WRAP_OFF}{body}{_WRAP_ON}")
            self._out.flush()
            self._drawn_lines = len(fitting)

    def clear(self) -> None:
        """Remove the drawn lines."""
        with self._lock, best_effort():
            if self._drawn_lines:
                self._out.write(f"{_UP.format(self._drawn_lines)}{_ERASE_BELOW}")
                self._out.flush()
            self._drawn_lines = 0


_PHASE = re.compile(
    r"^\W*\[(?P<bracketed>[A-Za-z][\w .-]{0,39})\]"
    r"|\b(?:phase|stage)\b[\s:=]+(?P<announced>[\w.-]{1,40})",
    re.IGNORECASE,
)
_SHARD = re.compile(
    r"\bshard[\s_#:=-]*(?P<number>\d{1,4})(?:\s*(?:/|of)\s*\d{1,4})?", re.IGNORECASE
)
_COUNT = re.compile(
    r"(?<![\d/.:-])(?P<done>\d{1,6})\s?(?:/|\bof\b)\s?(?P<all>\d{1,6})(?![\d/.:-])",
    re.IGNORECASE,
)
_LOG_LEVELS = ["critical", "debug", "error", "info", "notice", "warn", "warning"]


def progress(log_tail: str) -> str:
    """Return phase, counts and shards as the last lines of a log give them; "" without any.

    `[walk_forward] shard 1/4 window 2016 done 3/7` gives `walk_forward, shard 1 3/7`.
    """
    phase = ""
    counts: dict[str, str] = {}  # by shard
    for line in log_tail.splitlines():
        named_phase = _phase_in(line) or phase
        if named_phase != phase:
            phase, counts = named_phase, {}
        shard = _SHARD.search(line)
        # "shard 1/4" is no count: look behind it.
        count = _COUNT.search(line, shard.end() if shard else 0)
        if count and int(count["done"]) <= int(count["all"]):
            name = f"shard {int(shard['number'])} " if shard else ""
            counts[name] = f"{count['done']}/{count['all']}"
    parts = [phase] if phase else []
    parts += [f"{name}{counts[name]}" for name in sorted(counts)]
    return ", ".join(parts)


def _phase_in(line: str) -> str:
    """Return the first name of a phase in a line; names of log levels are none."""
    for match in _PHASE.finditer(line):
        name = match["bracketed"] or match["announced"]
        if name.lower() not in _LOG_LEVELS:
            return name
    return ""
