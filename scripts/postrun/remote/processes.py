"""Which processes belong to a run: a pure function over what `ps` said, shared by detection and the monitor.

A command line comes as one line without its quotes, so it is read by words: which program it is, whether a word is
this run's tag or one of its folders. A word that merely contains the tag is no proof.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from postrun.core import values
from postrun.core.errors import Usage
from postrun.remote.snapshots import Process

_OF_A_RUN = {
    "data_quality_gate",
    "workstation_official_run",
}  # our scripts that do a run's own work
_BYSTANDERS = {
    "fab",
    "git",
    "gmake",
    "inv",
    "invoke",
    "make",
    "pre-commit",
    "screen",
    "sshd",
    "tmux",
}  # they carry tags, and outlive runs
_SHELLS = {"bash", "dash", "fish", "ksh", "sh", "zsh"}
_WRAPPERS = _SHELLS | {
    "env",
    "exec",
    "ionice",
    "nice",
    "nohup",
    "setsid",
    "stdbuf",
    "sudo",
    "time",
    "timeout",
}
_INTERPRETER = re.compile(r"[Pp]ython[0-9.]*")
_SKIPPED = re.compile(
    r"-.*|\w+=.*|[0-9.]+[smhd]?"
)  # options, assignments, and the numbers of nice and timeout
_EDGE = r"[A-Za-z0-9._-]"  # what a tag or a folder name is made of
_PID_SLACK = 5.0  # seconds; `ps` rounds, and a pid file is written after its process began


def of_run(
    processes: Sequence[Process],
    tag: str,
    run_folder: str | None,
    gate_folders: Collection[str] = (),
    pid_file: str | None = None,
    boot_id: str | None = None,
    pattern: str | None = None,
    ignored_programs: Collection[str] = (),
) -> tuple[Process, ...]:
    """Give the processes at work on a run, oldest pid first: the launcher, what names the run, and all descendants.

    `pid_file` is the text of the launcher's run.pid. `pattern` is a regular expression that adds to the rules. Left
    out are our own scripts with their shells, make and inv, and programs that only read. Raises Usage for a pattern
    that is no regular expression.
    """
    alive = [process for process in processes if not _is_zombie(process.args)]
    passers = {process.pid for process in alive if _only_passes(process.args, ignored_programs)}
    names = _names_of(tag, [run_folder, *gate_folders], pattern)
    named = {process.pid for process in alive if any(name.search(process.args) for name in names)}
    roots = named - passers
    roots |= {process.pid for process in alive if _wrote_pid_file(process, pid_file, boot_id)}
    family = _with_descendants(roots, alive)
    found = [process for process in alive if process.pid in family and process.pid not in passers]
    return tuple(sorted(found, key=lambda process: process.pid))


def _is_zombie(args: str) -> bool:
    """Recognise what is dead already: `[python] <defunct>` on Linux, `(python)` or `<defunct>` on macOS."""
    return args.endswith("<defunct>") or re.fullmatch(r"\([^ ]*\)", args) is not None


def _only_passes(args: str, ignored_programs: Iterable[str]) -> bool:
    words = args.split()
    program = _program(words)
    if program in _BYSTANDERS or program in ignored_programs or program in _our_scripts():
        return True
    bases = {_base(word) for word in words}
    if program == "ssh":  # the sync's own way to the far side, when that is this machine
        return "rsync" in bases
    is_shell = bool(words) and _base(words[0]) in _SHELLS
    return is_shell and not bases.isdisjoint(_our_scripts() | {"make", "inv"})


def _program(words: Sequence[str]) -> str:
    """Name the program that a command line is about, behind `sudo nice -n 5 bash -c` and interpreters."""
    for word in words:
        base = _base(word)
        if not (_SKIPPED.fullmatch(word) or base in _WRAPPERS or _INTERPRETER.fullmatch(base)):
            return base
    return _base(words[0]) if words else ""


def _base(word: str) -> str:
    """Strip the folder, a login shell's dash, quotes and a title's colon (`sshd: hui@pts/0`)."""
    return word.strip("'\";()").rpartition("/")[2].lstrip("-").rstrip(":")


@cache
def _our_scripts() -> frozenset[str]:
    scripts = Path(__file__).resolve().parents[2]
    names = {path.stem for path in scripts.glob("*.py")} - _OF_A_RUN
    return frozenset(f"{name}{suffix}" for name in names for suffix in (".py", ".sh"))


def _names_of(
    tag: str, folders: Iterable[str | None], pattern: str | None
) -> list[re.Pattern[str]]:
    """Give the ways in which a command line names the run: its tag as an option's value, its folders, the pattern."""
    rules = [rf"(?:^|[\s'\"])--(?:decision-)?tag[=\s]\s*['\"]?{re.escape(tag)}(?=$|[\s'\";)&|])"]
    rules += [rf"(?<!{_EDGE}){re.escape(folder)}(?!{_EDGE})" for folder in folders if folder]
    try:
        return [re.compile(rule) for rule in [*rules, *([pattern] if pattern else [])]]
    except re.error as error:
        raise Usage("--process-pattern", "a regular expression", f"{pattern!r} ({error})") from None


def _wrote_pid_file(process: Process, pid_file: str | None, boot_id: str | None) -> bool:
    """Say whether this is the launcher of the pid file, and not a later process that was given the same number."""
    written = _record(pid_file)
    if type(written.get("pid")) is not int or written["pid"] != process.pid or process.pid <= 1:
        return False
    if boot_id and written.get("boot_id") and written["boot_id"] != boot_id:
        return False
    recorded = _moment(written.get("start_time"))
    return recorded is None or process.started is None or process.started <= recorded + _PID_SLACK


def _record(pid_file: str | None) -> dict[str, Any]:
    """Read run.pid: JSON, or the bare number of older launchers. What cannot be read names no process."""
    found = values.parse_json(pid_file)
    return found if isinstance(found, dict) else {"pid": found}


def _moment(stamp: object) -> float | None:
    """Turn a time with zone, or seconds since 1970, into seconds; None for anything else."""
    if isinstance(stamp, int | float):
        return float(stamp)
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _with_descendants(roots: set[int], processes: Sequence[Process]) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
    family, waiting = set(roots), list(roots)
    while waiting:
        fresh = [pid for pid in children.get(waiting.pop(), ()) if pid not in family]
        family.update(fresh)
        waiting.extend(fresh)
    return family
