"""What a run's `command.sh` says, for when the file that should name an option is missing."""

import shlex
from pathlib import Path


def option(path: Path, flag: str) -> str | None:
    """Return the value of one option of a command (`--factor x` or `--factor=x`).

    None when the file or the option is not there, or when it is quoted in a way (`$'...'`) that
    only bash can read.
    """
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if "$'" in text:
        return None
    try:
        arguments = shlex.split(text)
    except ValueError:
        return None
    for argument in arguments:
        if argument.startswith(f"{flag}="):
            return argument.partition("=")[2] or None
    if flag not in arguments[:-1]:
        return None
    return arguments[arguments.index(flag) + 1] or None
