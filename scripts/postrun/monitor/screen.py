"""What a person who waits gets to see: lines that stay, below them a block that is drawn anew, and a run's progress."""

import os
import re
import sys
import threading
from collections.abc import Sequence
from typing import TextIO

from postrun.core.terminal import best_effort

_ERASE, _UP = "\x1b[J", "\x1b[{}F"  # all below; so many lines up
_HEIGHT = 24  # of a terminal that does not say
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"  # a long line is cut at the edge; as it was


class Screen:
    """Where a script that waits shows itself. Nothing is live with NO_COLOR, TERM=dumb, or when nobody is looking.

    Lines must be safe for a terminal already (`terminal.plain`).
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._drawn = 0
        self._turn = threading.RLock()  # those who tell people speak from threads of their own
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        self.live = self._out.isatty() and not plain

    def tell(self, line: str) -> None:
        """Write a line that stays."""
        with self._turn, best_effort():
            self.clear()
            print(line, file=self._out, flush=True)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those drawn before; does nothing when nothing is live."""
        if not self.live:
            return
        height = (
            os.get_terminal_size(self._out.fileno()).lines or _HEIGHT
        )  # stdout may lead elsewhere
        fitting = lines[: max(1, height - 1)]
        body = "".join(f"{line}\n" for line in fitting)
        with self._turn, best_effort():
            back = _UP.format(self._drawn) if self._drawn else ""
            self._out.write(f"{back}{_ERASE}{_CUT}{body}{_WRAP}")
            self._out.flush()
            self._drawn = len(fitting)

    def clear(self) -> None:
        """Take the drawn lines away."""
        with self._turn, best_effort():
            if self._drawn:
                self._out.write(f"{_UP.format(self._drawn)}{_ERASE}")
                self._out.flush()
            self._drawn = 0


_PHASE = re.compile(
    r"^\W*\[(?P<named>[A-Za-z][\w .-]{0,39})\]|\b(?:phase|stage)\b[\s:=]+(?P<told>[\w.-]{1,40})",
    re.I,
)
_SHARD = re.compile(r"\bshard[\s_#:=-]*(?P<number>\d{1,4})(?:\s*(?:/|of)\s*\d{1,4})?", re.I)
_COUNT = re.compile(
    r"(?<![\d/.:-])(?P<done>\d{1,6})\s?(?:/|\bof\b)\s?(?P<all>\d{1,6})(?![\d/.:-])", re.I
)
_LEVELS = {"critical", "debug", "error", "info", "notice", "warn", "warning"}


def progress(log_tail: str) -> str:
    """Read phase, counts and shards out of a log's last lines, where they say so; "" where they do not.

    `[walk_forward] shard 1/4 window 2016 done 3/7` reads as `walk_forward, shard 1 3/7`.
    """
    phase, counts = "", dict[str, str]()
    for line in log_tail.splitlines():
        named = next((name for found in _PHASE.finditer(line) if (name := _name(found))), phase)
        if named != phase:
            phase, counts = named, {}
        shard = _SHARD.search(line)
        count = _COUNT.search(line, shard.end() if shard else 0)
        if count and int(count["done"]) <= int(count["all"]):
            counts[f"shard {int(shard['number'])} " if shard else ""] = (
                f"{count['done']}/{count['all']}"
            )
    return ", ".join(
        [*([phase] if phase else []), *(f"{whose}{counts[whose]}" for whose in sorted(counts))]
    )


def _name(found: re.Match[str]) -> str:
    name = found["named"] or found["told"]
    return "" if name.lower() in _LEVELS else name
