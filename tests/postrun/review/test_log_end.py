"""The end of a log: its last lines, and the one that says what went wrong."""

import pytest

from postrun.review import log_end


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"a\nTraceback (most recent call last):\nKeyError: 'x'\n\n", "KeyError: 'x'"),
        (b"error: first\nok\nFATAL: second\nbye\n", "FATAL: second"),
        (b"Killed\r\n", "Killed"),
        (b"MemoryError\nKilled\n", "MemoryError"),
        (b"no errors to see, terror\n", None),
        (b"", None),
        (b"\xff\xfe error\n", "\ufffd\ufffd error"),
    ],
)
def test_the_line_that_names_an_error(content: bytes, error: str | None) -> None:
    assert log_end.describe("run.log", content)["error"] == error


def test_only_the_last_lines_are_kept_and_long_ones_are_cut() -> None:
    content = b"".join(b"%d\n" % number for number in range(100)) + b"\n \n" + b"x" * 5000
    lines = log_end.describe("run.log", content)["lines"]
    assert (len(lines), lines[0], len(lines[-1])) == (20, "81", 301)
    assert lines[-1].endswith("\u2026")
