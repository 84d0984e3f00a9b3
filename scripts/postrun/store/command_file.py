"""What a run's `command.sh` says: the options of a command that is quoted for bash."""

import re
from pathlib import Path

from postrun.core import disk
from postrun.core.errors import Invalid

# The pieces of a word, as bash reads them.
_PIECES = re.compile(
    rb"""
    (?P<joined> \\\n)
    | (?P<space> [\s;&|<>()]+ | (?<!\S)\#[^\n]*)
    | \$'(?P<ansi> (?:[^'\\]|\\.)*)'
    | '(?P<single> [^']*)'
    | "(?P<double> (?:[^"\\]|\\.)*)"
    | (?P<plain> \\. | [^\\'"\s])
    """,
    re.VERBOSE | re.DOTALL,
)
# In $'...': what follows a backslash.
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|(.))",
    re.DOTALL,
)
_CONTROL = dict(zip(b"abeEfnrtv", b"\a\b\x1b\x1b\f\n\r\t\v", strict=True))
_LAST_CHARACTER = 0x10FFFF


def option(path: Path, flag: str) -> str | None:
    """Return the value of one option of a command file; None when it says none, or is not there.

    Raises Invalid for a file that cannot be read: what it says may decide.
    """
    try:
        content = disk.read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(path, "evidence that can be read", str(error.strerror)) from None
    return option_in(content, flag)


def option_in(content: bytes, flag: str) -> str | None:
    """Return the value of one option of a command (`--factor x` or `--factor=x`), the last one.

    None when it is not there, or when the command is no text that bash would read as a whole.
    """
    arguments = parse_words(content)
    value = None
    for index, argument in enumerate(arguments):
        if argument.startswith(f"{flag}="):
            value = argument.partition("=")[2]
        elif argument == flag and index + 1 < len(arguments):
            value = arguments[index + 1]
    return value or None


def parse_words(content: bytes) -> list[str]:
    """Return the words of a command; none when a quote stays open."""
    read: list[bytes] = []
    in_word = False
    end = 0
    for piece in _PIECES.finditer(content):
        if piece.start() != end:
            return []
        end = piece.end()
        # A backslash before the end of a line joins two lines.
        if piece.lastgroup == "joined":
            continue
        if piece.lastgroup == "space":
            in_word = False
            continue
        if not in_word:
            read.append(b"")
        in_word = True
        read[-1] += _unquoted(piece)
    if end != len(content):
        return []
    return [word.decode(errors="replace") for word in read]


def _unquoted(piece: re.Match[bytes]) -> bytes:
    """Return what a piece of a word stands for."""
    text = piece[piece.lastgroup or 0]
    if piece.lastgroup == "ansi":
        return _ESCAPE.sub(_unescaped, text)
    if piece.lastgroup == "single":
        return text
    if piece.lastgroup == "plain":
        return text[-1:]
    return re.sub(rb'\\([$`"\\])', rb"\1", text.replace(b"\\\n", b""))


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, byte, short, long, other = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if byte:
        return bytes([int(byte, 16)])
    if short or long:
        number = min(int(short or long, 16), _LAST_CHARACTER)
        return chr(number).encode(errors="replace")
    if other[0] in _CONTROL:
        return bytes([_CONTROL[other[0]]])
    return bytes(other) if other in b"\\'\"?" else bytes(match[0])
