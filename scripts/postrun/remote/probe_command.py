"""Wrap a probe, a POSIX shell script of `probes/`, into one line that every login shell runs."""

import shlex
from pathlib import Path

_PROBES = Path(__file__).resolve().parent / "probes"
_PLAIN = " /.-=:;"  # characters that may stand for themselves, besides letters


def probe_command(probe: str, nonce: str, *arguments: object) -> str:
    """Return the command that runs a probe.

    csh and fish read it as `sh` does: the script comes as octal escapes within single quotes. The
    nonce comes first, so that the probe's own processes can be told from a run's in a listing.
    """
    lines = [f"set -- {shlex.join([nonce, *map(str, arguments)])}"]
    for name in ("common", probe):
        script = _PROBES.joinpath(f"{name}.sh").read_text(encoding="utf-8")
        for line in script.splitlines():
            if not line.lstrip().startswith("#"):
                lines.append(line)
    text = "\n".join(lines)
    escaped = "".join(map(_escape, text.encode(errors="surrogateescape")))
    return f"""sh -c ': {nonce}; eval "$(printf %b "{escaped}")"'"""


def _escape(byte: int) -> str:
    """Return a byte as an octal escape, but letters and a few others as they are.

    Digits are escaped, so that the name of a run does not appear in a listing of processes.
    """
    character = chr(byte)
    if character.isascii() and (character.isalpha() or character in _PLAIN):
        return character
    return f"\\0{byte:03o}"
