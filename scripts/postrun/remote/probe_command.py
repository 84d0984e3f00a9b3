"""Wrap a probe, a POSIX shell script of `probes/`, into one line that every login shell runs."""

import shlex
import string
from collections.abc import Collection
from pathlib import Path

_PROBES = Path(__file__).resolve().parent / "probes"
_PLAIN = string.ascii_letters + " /.-=:;"  # these stand for themselves


def probe_command(
    probe: str,
    nonce: str,
    *arguments: object,
    jobs: Collection[str] | None = None,
) -> str:
    """Return the command that runs a probe.

    csh and fish read it as `sh` does: the script comes as octal escapes within single quotes. The
    nonce comes first, so that the probe's own processes can be told from a run's in a listing.
    `jobs` are the numbers of jobs that Slurm's queue is asked for; None: it is not asked.
    """
    quoted = shlex.join([nonce, *map(str, arguments)])
    lines = [f"set -- {quoted}"]
    names = ["common", probe]
    if jobs is not None:
        names.insert(1, "slurm")
        numbers = shlex.quote(" ".join(sorted(jobs)))
        lines.append(f"jobs={numbers}")
    for name in names:
        path = _PROBES / f"{name}.sh"
        script = path.read_text(encoding="utf-8")
        for line in script.splitlines():
            if line.lstrip().startswith("#"):
                continue
            lines.append(line)
    text = "\n".join(lines)
    content = text.encode(errors="surrogateescape")
    escaped = "".join(map(_escape, content))
    return f"""sh -c ': {nonce}; eval "$(printf %b "{escaped}")"'"""


def end_command(nonce: str) -> str:
    """Return the command that ends a probe with all that it started; every login shell runs it.

    A probe is the leader of its process group, or its login shell is. The nonce is cut in two, so
    that this command does not end itself.
    """
    half = len(nonce) // 2
    words = f'*": {nonce[:half]}""{nonce[half:]};"*'
    end = f'case $command in {words}) kill -KILL "-$group";; esac'
    return f"sh -c 'ps -A -ww -o pgid= -o args= | while read -r group command; do {end}; done'"


def _escape(byte: int) -> str:
    """Return a byte as an octal escape, but letters and a few others as they are.

    Digits are escaped, so that the name of a run does not appear in a listing of processes.
    """
    character = chr(byte)
    if character in _PLAIN:
        return character
    return f"\\0{byte:03o}"
