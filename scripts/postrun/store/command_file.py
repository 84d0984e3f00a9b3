"""What a run's `command.sh` says: its options, for when the file that should name them is missing."""

import shlex
from itertools import pairwise
from pathlib import Path


def option(path: Path, flag: str) -> str | None:
    """Read one option out of a command (`--factor x`, `--factor=x`).

    None when the file or the option is not there, or when it is quoted in a way (`$'...'`) that only bash can read.
    """
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if "$'" in text:
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]
    parted = [after for word, after in pairwise(words) if word == flag]
    return next(iter(joined + parted), None) or None
