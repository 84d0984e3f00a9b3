"""The end of a run's log, and the line in it that says what went wrong."""

import re

from postrun.core.values import Json

READ = 64 * 1024  # bytes from the end of the log
_LINES = 20
_LONGEST = 300  # characters of a line
# What Python prints last of an exception; and what other programs, shells and kernels say. The
# exception says more than the "Killed" that follows it.
_EXCEPTION = re.compile(r"\w*(Error|Exception)\b")
_ERROR = re.compile(
    r"\b(error|fatal|panic|killed|aborted|core dumped|segmentation fault|out of memory"
    r"|no space left|terminated|permission denied)\b",
    re.IGNORECASE,
)


def describe(path: str, content: bytes) -> Json:
    """Return the last lines of a log, and the last one that names an error; null for none."""
    text = content.decode("utf-8", errors="replace")
    lines = []
    for line in text.splitlines():
        if line.strip():
            lines.append(_shorten(line.rstrip()))
    error = _last(_EXCEPTION, lines)
    if error is None:
        error = _last(_ERROR, lines)
    return {
        "path": path,
        "lines": lines[-_LINES:],
        "error": error,
    }


def _last(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    for line in reversed(lines):
        if pattern.search(line):
            return line
    return None


def _shorten(line: str) -> str:
    if len(line) <= _LONGEST:
        return line
    return f"{line[:_LONGEST]}…"
