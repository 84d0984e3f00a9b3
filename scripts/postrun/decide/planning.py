"""Make the next run's command from a closed run: its files, blockers and tag. Pure functions.

Shared by the step that writes the plan and the script that executes one of its commands.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from postrun.core import values
from postrun.decide import data_settings, gates

LAUNCHER = "scripts/workstation_official_run.sh"
# The launcher passes these on to the gate program itself.
_LAUNCHER_OPTIONS = ("decision_tag", "owner", "notes")
_FIRST_OPTIONS = (
    "strategy",
    "protocol",
    "factor",
    "cost_multipliers",
    "wf_shards",
    "freeze_file",
    "out_dir",
)
_FILE_OPTIONS = ("strategy", "freeze_file", "wf_freeze_file")


@dataclass(frozen=True)
class Source:
    """What a queued run left behind; None for what is not there or cannot be read."""

    run: str
    report: Any
    context: Any
    preflight: Any
    remediation: Any
    data_quality: Any
    problem: str = ""  # why nothing that it left can be used

    @property
    def data_file(self) -> str | None:
        """Return the data file that the run's data-quality gate read; None when it read none."""
        if self.context is None:
            return values.text(values.member(self.data_quality, "inputs", "input_csv"))
        return values.text(values.member(self.context, "data_quality_input_csv"))

    @property
    def owner(self) -> str | None:
        """Return the owner in the context; without a context, the one in the gate report."""
        if self.context is None:
            return values.text(gates.inputs(self.report).get("owner"))
        return values.text(values.member(self.context, "owner"))


@dataclass(frozen=True)
class RemoteFiles:
    """What the workstation answered: which of some paths are files, and its runs' tags."""

    files: AbstractSet[str]
    tags: AbstractSet[str]


def build_command(source: Source, tag: str, notes: str) -> tuple[list[str] | None, list[str]]:
    """Return the launcher's arguments, and what is unknown; None instead when anything is."""
    unknown = _find_unknown(source)
    if unknown:
        return None, unknown
    argv = ["bash", LAUNCHER, "--workflow", "production_gates", "--tag", tag]
    argv += ["--owner", str(source.owner), "--notes", notes]
    threads = source.context["threads"]
    argv += ["--threads", str(threads), "--dq-input-csv", str(source.data_file)]
    if source.preflight.get("require_clean") == 1:
        argv.append("--require-clean")
    return [*argv, "--", *_program_options(gates.inputs(source.report))], []


def _find_unknown(source: Source) -> list[str]:
    """Return what keeps the command from being made, one line for each cause."""
    options = gates.inputs(source.report)
    of_report = {name: options.get(name) for name in ("strategy", "factor")}
    of_context = {
        "owner": source.owner,
        "number of threads": values.member(source.context, "threads"),
        "data file": source.data_file,
    }
    lines = [
        _unknown(source, "gate report", source.report, of_report),
        _unknown(source, "context", source.context, of_context),
        _unknown(source, "preflight", source.preflight, {}),
    ]
    # Without a data file there was no data-quality gate: one cause, one line.
    if source.data_file is not None:
        settings = data_settings.by_setting(source.data_quality)
        line = _unknown(source, "data-quality report", source.data_quality, settings)
        lines.append(line)
    return list(filter(None, lines))


def _unknown(
    source: Source,
    document: str,
    content: Any,
    members: Mapping[str, Any],
) -> str:
    """Return what is unknown because of one document of the run; "" when nothing is."""
    missing = []
    for name, value in members.items():
        if value in (None, ""):
            missing.append(name)
    names = ", ".join(missing)
    if content is None:
        line = f"{document} of {source.run} is missing or broken"
        if missing:
            line += f", so unknown: {names}"
        if document == "context":
            line += _substitutes(source)
        return line
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{names} of {source.run} {verb} unknown"


def _substitutes(source: Source) -> str:
    """Return what is known without the context, and from where, in parentheses."""
    known = []
    if source.owner:
        known.append("owner from the gate report")
    if source.data_file:
        known.append("data file from the data-quality report")
    if not known:
        return ""
    return f" ({', '.join(known)})"


def _program_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the gate program's options as arguments: the usual ones first, the others by name.

    Skip options are left out, because a run with one is not official.
    """
    first = [name for name in _FIRST_OPTIONS if name in options]
    others = sorted(set(options) - set(_FIRST_OPTIONS))
    for name in (*first, *others):
        is_skip = name.startswith("skip_") or name == "dry_run"
        if not is_skip and name not in _LAUNCHER_OPTIONS:
            flag = f"--{name.replace('_', '-')}"
            yield from _option(flag, options[name])


def _option(flag: str, value: Any) -> Iterator[str]:
    """Yield one option; nothing when it is off or has no value."""
    if value is None or value is False or value == "":
        return
    if value is True:
        yield flag
        return
    text = str(value)
    if isinstance(value, list):
        text = ",".join(map(str, value))
    if text.startswith("-"):
        yield f"{flag}={text}"
    else:
        yield flag
        yield text


def differences(source: Source) -> list[str]:
    """Return what the command does otherwise than its source run, besides tag and notes."""
    left_out = []
    for name in gates.unofficial(source.report):
        flag = name.replace("_", "-")
        left_out.append(f"without --{flag}")
    return left_out


def needed_files(source: Source) -> list[str]:
    """Return the files that the command needs, the launcher first, as paths on the workstation."""
    options = gates.inputs(source.report)
    paths = [source.data_file]
    for name in _FILE_OPTIONS:
        paths.append(values.text(options.get(name)))
    return [LAUNCHER, *(path for path in paths if path is not None)]


def blockers(files: Sequence[str], remote_files: RemoteFiles | None) -> tuple[list[str], list[str]]:
    """Return what blocks the command, and what was not checked without the workstation."""
    if remote_files is None:
        return [], [f"{path} not checked: the workstation did not answer" for path in files]
    missing = [path for path in files if path not in remote_files.files]
    return [f"{path} is not on the workstation" for path in missing], []


def free_tags(newest: str, taken: AbstractSet[str]) -> Iterator[str]:
    """Yield the free tags committee_<day>_run<N>, lowest number first, without end.

    `newest` is the time in the newest run's name, which begins with its day.
    """
    begin = begin_of_tags(newest)
    number = 0
    while True:
        number += 1
        tag = f"{begin}{number}"
        if tag not in taken:
            yield tag


def begin_of_tags(newest: str) -> str:
    """Return what the tags of a plan begin with, from the time in the newest run's name."""
    day = newest[:10]
    return f"committee_{day}_run"


def command_line(command: Mapping[str, Any]) -> str | None:
    """Return the line of a planned command with its data-quality settings; None while unknown."""
    argv = command["argv"]
    if not argv:
        return None
    return shlex.join(with_environment(argv, command["environment"]))


def with_environment(argv: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return a command that sets these variables for the given one alone, without a shell."""
    if not variables:
        return list(argv)
    return ["env", *assignments(variables), *argv]


def assignments(variables: Mapping[str, str]) -> list[str]:
    """Return variables as `env` takes them, by name."""
    return [f"{name}={value}" for name, value in sorted(variables.items())]
