"""Records that are whole: JSON in one move, and command lines of one line whatever their words hold."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from postrun.core import disk


def write_json(path: Path, content: object) -> None:
    """Write strict JSON, or nothing at all."""
    disk.replace(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def write_command(path: Path, command: Sequence[str]) -> None:
    """Write a command as one line that bash reads back word for word, also when the words were not UTF-8."""
    line = " ".join(quote(word) for word in command) + "\n"
    disk.replace(path, line.encode("utf-8", "surrogateescape"))


def quote(word: str) -> str:
    """Quote for bash; a word with a line break or another control character stays on one line."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(_escape(letter) for letter in word) + "'"


def _escape(letter: str) -> str:
    if letter.isprintable() and letter not in "\\'":
        return letter
    return "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
