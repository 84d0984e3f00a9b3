"""Which processes belong to a run: decided from what `ps` printed, for detection and the monitor.

A command line comes as one line without its quotes, so it is read word by word: which program it
is, and whether a word is this run's tag or one of its folders. A word that only contains the tag
proves nothing.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from postrun.core.errors import Usage
from postrun.remote.snapshots import Process
from postrun.store import json_files

# The scripts of this project, without those that do a run's own work.
_OUR_SCRIPTS = {path.stem for path in Path(__file__).resolve().parents[2].glob("*.py")}
_OUR_SCRIPTS -= {"data_quality_gate", "workstation_official_run"}
# Programs that have a tag in their command line, are not at work on the run, and may outlive it.
_OTHER_PROGRAM = re.compile("fab|git|g?make|inv|invoke|pre-commit|screen|sshd|tmux")
_SHELL = re.compile("bash|dash|fish|ksh|sh|zsh")
# What starts another program, with those of its options that are followed by a value.
_WRAPPERS = {
    "chrt exec ionice nice nohup numactl poetry setsid strace time uv xargs": "-a -c -n -o -p",
    "doas env runuser stdbuf sudo taskset timeout": "-C -c -D -e -g -i -k -o -s -u",
    "python": "-m -W -X",
}
_PYTHON = re.compile("[Pp]ython[0-9.]*")
# Modules that run another module or script: `python -m cProfile -o out scripts/x.py`.
_RUNNERS = ("cProfile", "coverage", "pdb", "profile", "trace")
# Options, assignments, numbers (of nice, timeout, taskset), the word in `uv run`, shell keywords.
_KEYWORDS = "do|else|if|then|until|while"
_NOT_A_PROGRAM = re.compile(rf"-.*|\w+=.*|[0-9.][0-9.,-]*[smhd]?|run|{_KEYWORDS}")
# In the commands of a shell: what divides them, and what is no program at work.
_DIVIDER = re.compile(r"&&|\|\|?|;|\s&\s")
_IDLE = ("cd", "clear", "date", "done", "echo", "exit", "export", "fi", "sleep", "true", "wait")
_NAME_CHARACTER = r"[A-Za-z0-9._-]"  # what a tag or the name of a folder is made of
_IN_BRACKETS = re.compile(r"\([^ ]*\)")
# What to do about a process that is at work, but does not write.
READERS_HINT = "if it only reads, add its program to ignored_programs in workstation.local.json"
_LONGEST_COMMAND = 120  # characters in a message
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
    pid_namespace: str | None = None,
) -> tuple[Process, ...]:
    """Return the processes at work on a run, lowest pid first.

    That is the launcher, what names the run in its command line, and all their descendants, without
    our own scripts and their shells, make and inv, and programs that only read. `pid_file` is the
    text of the launcher's run.pid, `pid_namespace` that of the listed numbers, `pattern` a regular
    expression that adds to the rules. Raises Usage for a pattern that is no regular expression.
    """
    patterns = _patterns(tag, [run_folder, *gate_folders], pattern)
    launcher = read_pid_file(pid_file)
    if launcher.get("pid_namespace") not in (None, pid_namespace):
        launcher = {}  # there its number is another
    alive = [process for process in processes if not _is_zombie(process.args)]
    at_work = set()
    left_out = set()
    ignored = frozenset(ignored_programs)
    for process in alive:
        if _is_other_program(process.args, ignored):
            left_out.add(process.pid)
        elif any(regex.search(process.args) for regex in patterns):
            at_work.add(process.pid)
        if _is_launcher(process, launcher, boot_id):
            at_work.add(process.pid)
    at_work = with_descendants(at_work, alive)
    at_work -= left_out
    by_pid = {process.pid: process for process in alive}
    return tuple(by_pid[pid] for pid in sorted(at_work))


def describe(at_work: Sequence[Process]) -> str:
    """Return which processes are at work, in a message: the first of them, and how many more."""
    first = at_work[0]
    command = first.args
    if len(command) > _LONGEST_COMMAND:
        command = f"{command[:_LONGEST_COMMAND]}…"
    description = f"process {first.pid}: {command}"
    if len(at_work) > 1:
        description += f" and {len(at_work) - 1} more"
    return description


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
    """Return whether it is dead: `[python] <defunct>` on Linux, `(python)` or
    `<defunct>` on macOS.
    """
    if args.endswith("<defunct>"):
        return True
    return bool(_IN_BRACKETS.fullmatch(args))


# The same processes are judged for every run, poll after poll.
@lru_cache(maxsize=8192)
def _is_other_program(args: str, ignored_programs: frozenset[str]) -> bool:
    """Return whether a command line does not count, although it may name the run."""
    arguments = args.split()
    if _only_reads(arguments, ignored_programs):
        return True
    names = [_base_name(argument) for argument in arguments]
    if not names or not _SHELL.fullmatch(names[0]):
        return False
    # A shell that runs make, or one of our scripts, or programs that only read.
    if "make" in names or "inv" in names or any(map(_is_our_script, names)):
        return True
    commands = []
    for command in _DIVIDER.split(args):
        words = command.split()
        if _program(words) not in ("", *_IDLE):
            commands.append(words)
    reading = [_only_reads(words, ignored_programs) for words in commands]
    return bool(reading) and all(reading)


def _only_reads(arguments: Sequence[str], ignored_programs: Collection[str]) -> bool:
    """Return whether the program of a command line is ours or make's kind, or is ignored."""
    program = _program(arguments)
    if program == "ssh":
        # The sync's own connection, when the workstation is this machine.
        return "rsync" in map(_base_name, arguments)
    if _OTHER_PROGRAM.fullmatch(program) or program in ignored_programs:
        return True
    return _is_our_script(program)


def _program(arguments: Sequence[str]) -> str:
    """Return the program of a command line, behind `sudo -u quant nice -n 5 bash -c` and
    interpreters; of `python -m` the module that a person would name, as a script where it is ours.
    """
    options: list[str] = []  # of the last wrapper, those with a value
    words = iter(arguments)
    for argument in words:
        name = _base_name(argument)
        if argument in options:
            value = next(words, "")
            if argument == "-m" and value not in _RUNNERS:
                return _of_module(value)
            if argument == "-m":
                options = ["-c", "-m", "-o", "-s"]
            continue
        if _PYTHON.fullmatch(name):
            name = "python"
        for wrappers, with_value in _WRAPPERS.items():
            if name in wrappers.split():
                options = with_value.split()
                break
        else:
            is_program = not _SHELL.fullmatch(name) and not _NOT_A_PROGRAM.fullmatch(argument)
            if is_program:
                return name
    return _base_name(arguments[0]) if arguments else ""


def _of_module(module: str) -> str:
    """Return the program that a module stands for: `tensorboard` for `tensorboard.main`."""
    script = f"{module.rpartition('.')[2]}.py"
    if _is_our_script(script):
        return script
    return module.partition(".")[0]


def _base_name(argument: str) -> str:
    """Return an argument without folder, quotes, a login shell's dash and a title's colon (`sshd:
    x`).
    """
    path = argument.strip("'\";()")
    return path.rpartition("/")[2].lstrip("-").rstrip(":")


def _is_our_script(name: str) -> bool:
    """Return whether this is a script of this project that only looks after runs."""
    stem, _, suffix = name.rpartition(".")
    return suffix in ("py", "sh") and stem in _OUR_SCRIPTS


def _patterns(
    tag: str,
    folders: Iterable[str | None],
    pattern: str | None,
) -> list[re.Pattern[str]]:
    """Return how a command line names the run: the tag as an option's value, a folder,
    `pattern`.
    """
    # Any `_` may have been another character when the tag was typed.
    typed = re.escape(tag).replace("_", "[_ /:]")
    option = rf"(?:^|[\s'\"])--(?:decision-)?tag[=\s]\s*['\"]?{typed}(?=$|[\s'\";)&|])"
    patterns = [re.compile(option)]
    for folder in filter(None, folders):
        whole_name = rf"(?<!{_NAME_CHARACTER}){re.escape(folder)}(?!{_NAME_CHARACTER})"
        patterns.append(re.compile(whole_name))
    if pattern:
        try:
            patterns.append(re.compile(pattern))
        except re.error as error:
            raise Usage(
                "--process-pattern",
                "a regular expression",
                f"{pattern!r} ({error})",
            ) from None
    return patterns


def _is_launcher(
    process: Process,
    record: dict[str, Any],
    boot_id: str | None,
) -> bool:
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


def read_pid_file(text: str | None) -> dict[str, Any]:
    """Return run.pid: JSON, or the bare number of older launchers. Empty when it is unreadable."""
    reading = json_files.try_parse(text, "run.pid")
    record = reading.value
    if isinstance(record, dict):
        return record
    return {"pid": record}


def _seconds(time: object) -> float | None:
    """Return a time with zone, or a number, as seconds since 1970; None for anything else."""
    if isinstance(time, int | float):
        return float(time)
    try:
        moment = datetime.fromisoformat(str(time))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
