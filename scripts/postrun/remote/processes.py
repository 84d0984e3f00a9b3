"""Which processes belong to a run: decided from what `ps` printed, for detection and the monitor.

A command line comes as one line without its quotes, so it is read word by word: which program it
is, and whether a word is this run's tag or one of its folders. A word that only contains the tag
proves nothing.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from postrun.core.errors import Usage
from postrun.remote.snapshots import Process

# Scripts of this project that do a run's own work.
_SCRIPTS_OF_A_RUN = {"data_quality_gate", "workstation_official_run"}
# Programs that have a tag in their command line, are not at work on the run, and may outlive it.
_OTHER_PROGRAMS = {
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
}
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
# Options, assignments, and the numbers of nice and timeout.
_NOT_A_PROGRAM = re.compile(r"-.*|\w+=.*|[0-9.]+[smhd]?")
_NAME_CHARACTER = r"[A-Za-z0-9._-]"  # what a tag or the name of a folder is made of
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
    """Return the processes at work on a run, lowest pid first.

    That is the launcher, what names the run in its command line, and all their descendants, without
    our own scripts and their shells, make and inv, and programs that only read. `pid_file` is the
    text of the launcher's run.pid, `pattern` a regular expression that adds to the rules. Raises
    Usage for a pattern that is no regular expression.
    """
    patterns = _patterns(tag, [run_folder, *gate_folders], pattern)
    launcher = _read_pid_file(pid_file)
    alive = [process for process in processes if not _is_zombie(process.args)]
    at_work = set()
    left_out = set()
    for process in alive:
        if _is_other_program(process.args, ignored_programs):
            left_out.add(process.pid)
        elif any(regex.search(process.args) for regex in patterns):
            at_work.add(process.pid)
        if _is_launcher(process, launcher, boot_id):
            at_work.add(process.pid)
    at_work = with_descendants(at_work, alive)
    at_work -= left_out
    of_this_run = [process for process in alive if process.pid in at_work]
    return tuple(sorted(of_this_run, key=lambda process: process.pid))


def with_descendants(pids: set[int], processes: Sequence[Process]) -> set[int]:
    """Return these processes with their children, the children of those and so on."""
    family = set(pids)
    size = -1
    # A child may be listed before its parent: go through the list until nothing is added.
    while len(family) != size:
        size = len(family)
        for process in processes:
            if process.parent in family:
                family.add(process.pid)
    return family


def _is_zombie(args: str) -> bool:
    """Return whether it is dead: `[python] <defunct>` on Linux, `(python)` or `<defunct>` on macOS."""
    return args.endswith("<defunct>") or re.fullmatch(r"\([^ ]*\)", args) is not None


def _is_other_program(args: str, ignored_programs: Collection[str]) -> bool:
    """Return whether a command line does not count, although it may name the run."""
    words = args.split()
    program = _program(words)
    if program in _OTHER_PROGRAMS or program in ignored_programs or program in _our_scripts():
        return True
    names = {_base_name(word) for word in words}
    if program == "ssh":
        # The sync's own connection, when the workstation is this machine.
        return "rsync" in names
    # A shell that runs one of our scripts.
    is_shell = bool(words) and _base_name(words[0]) in _SHELLS
    return is_shell and not names.isdisjoint(_our_scripts() | {"make", "inv"})


def _program(words: Sequence[str]) -> str:
    """Return the program of a command line, behind `sudo nice -n 5 bash -c` and interpreters."""
    for word in words:
        name = _base_name(word)
        is_wrapper = name in _WRAPPERS or _INTERPRETER.fullmatch(name)
        if not is_wrapper and not _NOT_A_PROGRAM.fullmatch(word):
            return name
    return _base_name(words[0]) if words else ""


def _base_name(word: str) -> str:
    """Return a word without folder, quotes, a login shell's dash and a title's colon (`sshd: x`)."""
    path = word.strip("'\";()")
    return path.rpartition("/")[2].lstrip("-").rstrip(":")


@cache
def _our_scripts() -> set[str]:
    """Return the file names of the scripts of this project that only look after runs."""
    folder = Path(__file__).resolve().parents[2]
    names = set()
    for path in folder.glob("*.py"):
        if path.stem not in _SCRIPTS_OF_A_RUN:
            names.add(f"{path.stem}.py")
            names.add(f"{path.stem}.sh")
    return names


def _patterns(
    tag: str,
    folders: Iterable[str | None],
    pattern: str | None,
) -> list[re.Pattern[str]]:
    """Return how a command line names the run: the tag as an option's value, a folder, `pattern`."""
    option = rf"(?:^|[\s'\"])--(?:decision-)?tag[=\s]\s*['\"]?{re.escape(tag)}(?=$|[\s'\";)&|])"
    patterns = [re.compile(option)]
    for folder in filter(None, folders):
        whole_name = rf"(?<!{_NAME_CHARACTER}){re.escape(folder)}(?!{_NAME_CHARACTER})"
        patterns.append(re.compile(whole_name))
    if pattern:
        try:
            patterns.append(re.compile(pattern))
        except re.error as error:
            found = f"{pattern!r} ({error})"
            raise Usage("--process-pattern", "a regular expression", found) from None
    return patterns


def _is_launcher(process: Process, record: dict[str, Any], boot_id: str | None) -> bool:
    """Return whether this is the process of run.pid, and not a later one with the same number."""
    pid = record.get("pid")
    if type(pid) is not int or pid != process.pid or pid <= 1:
        return False
    recorded_boot = record.get("boot_id")
    if boot_id and recorded_boot and recorded_boot != boot_id:
        return False
    recorded_start = _seconds(record.get("start_time"))
    if recorded_start is None or process.started is None:
        return True
    return process.started <= recorded_start + _PID_SLACK


def _read_pid_file(text: str | None) -> dict[str, Any]:
    """Return run.pid: JSON, or the bare number of older launchers. Empty when it is unreadable."""
    try:
        record = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {"pid": record}


def _seconds(time: object) -> float | None:
    """Return a time with zone, or a number, as seconds since 1970; None for anything else."""
    if isinstance(time, int | float):
        return float(time)
    try:
        moment = datetime.fromisoformat(str(time))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
