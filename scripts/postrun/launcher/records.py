"""JSON files that are written whole, and commands on one line, whatever their words hold."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from postrun.core import disk


def write_json(path: Path, content: object) -> None:
    """Write strict JSON. Raises Missing."""
    text = json.dumps(content, indent=2, allow_nan=False)
    whole = f"{text}\n"
    disk.replace(path, whole.encode())


def write_command(path: Path, command: Sequence[str]) -> None:
    """Write a command as one line that bash reads back word for word. Raises Missing.

    Words that are not UTF-8 keep their bytes.
    """
    words = map(quote, command)
    line = " ".join(words) + "\n"
    content = line.encode("utf-8", "surrogateescape")
    disk.replace(path, content)


def quote(word: str) -> str:
    """Return a word quoted for bash, on one line even when it holds a line break."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = map(_escape, word)
    return "$'" + "".join(escaped) + "'"


def _escape(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    escaped = ""
    for byte in character.encode("utf-8", "surrogateescape"):
        escaped += f"\\x{byte:02x}"
    return escaped
