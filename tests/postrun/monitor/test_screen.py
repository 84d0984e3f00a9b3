"""What a person sees: drawn in place on a terminal, plain lines elsewhere; progress read from real
log lines.
"""

import fcntl
import io
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator

import pytest

from postrun.monitor.screen import Screen, progress


class Terminal(io.StringIO):
    """What is written stays readable; in front of it stands a real terminal of so many lines."""

    ours, external = -1, -1

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return Terminal.external


@pytest.fixture(autouse=True)
def _terminal() -> Iterator[None]:
    Terminal.ours, Terminal.external = pty.openpty()
    size(10)
    yield
    os.close(Terminal.ours)
    os.close(Terminal.external)


def size(lines: int) -> None:
    fcntl.ioctl(Terminal.external, termios.TIOCSWINSZ, struct.pack("HHHH", lines, 40, 0, 0))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def shown(stream: str) -> list[str]:
    """Return what a terminal shows in the end: apply the few sequences that a screen uses."""
    lines, row = [""], 0
    for piece in (
        stream.replace("\x1b[?7l", "").replace("\x1b[?7h", "").replace("\x1b", "\0\x1b").split("\0")
    ):
        text = piece
        if piece.startswith("\x1b["):
            code = next(index for index, letter in enumerate(piece) if letter in "FJ")
            text = piece[code + 1 :]
            if piece[code] == "F":
                row -= int(piece[2:code])
                assert row >= 0, "moved above what was drawn"
            else:
                del lines[row:]
                lines.append("")
        for letter in text:
            if letter == "\n":
                row += 1
                lines[row:] = lines[row:] or [""]
            else:
                lines[row] += letter
    return [line for line in lines if line]


def test_a_terminal_is_drawn_in_place() -> None:
    out = Terminal()
    screen = Screen(out)
    screen.draw(["one", "two", "three"])
    screen.draw(["four"])
    screen.show("a line that stays")
    screen.draw(["five", "six"])
    assert shown(out.getvalue()) == ["a line that stays", "five", "six"]
    screen.clear()
    screen.clear()
    assert shown(out.getvalue()) == ["a line that stays"]


def test_no_more_is_drawn_than_fits() -> None:
    out = Terminal()
    Screen(out).draw([str(number) for number in range(50)])
    assert len(shown(out.getvalue())) == 9


def test_a_terminal_that_does_not_say_has_24_lines() -> None:
    size(0)
    out = Terminal()
    Screen(out).draw([str(number) for number in range(50)])
    assert len(shown(out.getvalue())) == 23


@pytest.mark.parametrize(
    ("line", "drawn"),
    [
        ("x" * 40, "x" * 40),
        (f"{'x' * 39} 13/16", f"{'x' * 39}…"),
        ("漢" * 30, f"{'漢' * 19}…"),
        ("a\tb", "a b"),
    ],
)
def test_a_line_ends_with_an_ellipsis_where_the_terminal_does(line: str, drawn: str) -> None:
    out = Terminal()
    Screen(out).draw([line])
    assert shown(out.getvalue()) == [drawn]


@pytest.mark.parametrize(
    ("out", "variable", "value"),
    [(io.StringIO(), "TERM", "xterm"), (Terminal(), "NO_COLOR", "1"), (Terminal(), "TERM", "dumb")],
)
def test_elsewhere_only_lines_that_stay(
    out: io.StringIO, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    screen = Screen(out)
    screen.draw(["drawn"])
    screen.show("shown")
    screen.clear()
    assert out.getvalue() == "shown\n"


SHARDS = """\
[cost_stress] x2.0 test_ic=0.01 train_ic=0.02
[walk_forward] shard 0/4 window 2014 done 1/3
[walk_forward] shard 1/4 window 2015 done 1/2
[walk_forward] shard 0/4 window 2016 done 2/3
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", ""),
        ("loading prices\nno words of progress 2026/02/21 10:15\n", ""),
        (SHARDS, "walk_forward, shard 0 2/3, shard 1 1/2"),
        (SHARDS + "[risk] beta=0.1\n", "risk"),
        ("[INFO] window 3 of 16\n", "3/16"),
        ("2026-02-21 10:15:00 INFO phase: walk-forward\nwindow 4/16\n", "walk-forward, 4/16"),
        ("Stage=statistics\n", "statistics"),
        ("shard_03 finished 7/7\n", "shard 3 7/7"),
        ("ratio 9/4\n", ""),
        ("date 2026/02/21, path a/1/2/b\n", ""),
        ("[x]\x1b[31m 1/2\n", "x, 1/2"),
    ],
)
def test_progress_is_read_where_the_log_says_so(log: str, expected: str) -> None:
    assert progress(log) == expected


def test_a_line_from_another_thread_never_lands_in_the_middle_of_a_drawing() -> None:
    class Slow(Terminal):
        """A terminal that is slow to take a drawing: meanwhile somebody else speaks."""

        def write(self, text: str) -> int:
            if "second" in text and not speaker.ident:
                speaker.start()
                speaker.join(0.2)
            return super().write(text)

    out = Slow()
    screen = Screen(out)
    speaker = threading.Thread(target=screen.show, args=("shown",), daemon=True)
    screen.draw(["first", "one more"])
    screen.draw(["second", "one more"])
    speaker.join(5)
    written = out.getvalue()
    assert written.index("second") < written.index("shown")
    assert written.endswith("\x1b[2F\x1b[Jshown\n"), "it took away the drawing, and stays"
