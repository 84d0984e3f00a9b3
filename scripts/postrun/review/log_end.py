"""The end of a run's log, and the line in it that says what went wrong."""

import re

from postrun.core.values import Json

READ = 64 * 1024  # bytes from the end of the log
_LINES = 20
_LONGEST = 300  # characters of a line
# What programs, shells and kernels print when something ends badly.
_ERROR = re.compile(
    r"(?-i:\w*(Error|Exception)\b)"
    r"|\b(error|fatal|panic|killed|aborted|core dumped|segmentation fault|out of memory"
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
    error = None
    for line in lines:
        if _ERROR.search(line):
            error = line
    return {"path": path, "lines": lines[-_LINES:], "error": error}


def _shorten(line: str) -> str:
    if len(line) <= _LONGEST:
        return line
    return f"{line[:_LONGEST]}…"
