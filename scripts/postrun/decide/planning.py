"""From a closed run to the command of the next: what it needs, what blocks it, which tag is free. Pure functions.

Shared by the step that writes the plan and the script that executes one of its commands.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from postrun.core import values
from postrun.decide import gates

LAUNCHER = "scripts/workstation_official_run.sh"
_LAUNCHERS_OWN = ("decision_tag", "owner", "notes")  # the launcher hands these on itself
_FIRST = (
    "strategy",
    "protocol",
    "factor",
    "cost_multipliers",
    "wf_shards",
    "freeze_file",
    "out_dir",
)
_FILES = ("strategy", "freeze_file", "wf_freeze_file")  # options that name a file


@dataclass(frozen=True)
class Source:
    """What a queued run left behind; None for what is not there or cannot be read."""

    run: str
    report: Any
    context: Any
    preflight: Any
    audit: Any
    remediation: Any


@dataclass(frozen=True)
class RemoteFiles:
    """What one look at the workstation saw: which of the paths asked for are files, and the tags of its runs."""

    files: AbstractSet[str]
    tags: AbstractSet[str]


def command(source: Source, tag: str, notes: str) -> tuple[list[str] | None, list[str]]:
    """Give the launcher's argument list, and what is unknown; the list is None when anything is."""
    context, options = source.context or {}, gates.inputs(source.report)
    given = {
        "gate report": source.report,
        "context": source.context,
        "preflight": source.preflight,
        "strategy": options.get("strategy"),
        "factor": options.get("factor"),
        "owner": context.get("owner"),
        "number of threads": context.get("threads"),
        "data file": data_file(source),
    }
    unknown = [
        f"{thing} of {source.run} is unknown"
        for thing, value in given.items()
        if value in (None, "")
    ]
    if unknown:
        return None, unknown
    words = [
        "bash",
        LAUNCHER,
        "--workflow",
        "production_gates",
        "--tag",
        tag,
        "--owner",
        context["owner"],
    ]
    words += [
        "--notes",
        notes,
        "--threads",
        str(context["threads"]),
        "--dq-input-csv",
        str(data_file(source)),
    ]
    words += ["--require-clean"] if source.preflight.get("require_clean") == 1 else []
    return [*words, "--", *_options(options)], []


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    """Write the gate program's options: the usual ones first, the others by name; skip options are left out."""
    names = [*(name for name in _FIRST if name in options), *sorted(set(options) - set(_FIRST))]
    for name in names:
        value = options[name]
        if name in _LAUNCHERS_OWN or name.startswith("skip_") or name == "dry_run":
            continue  # a run with a skip option is not official
        if value is True:
            yield f"--{name.replace('_', '-')}"
        elif value is not None and value is not False and value != "":
            flag, text = f"--{name.replace('_', '-')}", _text(value)
            yield from ([f"{flag}={text}"] if text.startswith("-") else [flag, text])


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def data_file(source: Source) -> str | None:
    """Name the data file that the source run's data-quality gate read; None when it read none."""
    return values.text(values.member(source.context, "data_quality_input_csv"))


def needed(source: Source) -> list[str]:
    """List the files that the command needs, the launcher first, as paths on the workstation."""
    options = gates.inputs(source.report)
    named = [values.text(options.get(name)) for name in _FILES]
    return [LAUNCHER, *filter(None, [data_file(source), *named])]


def blockers(files: Sequence[str], remote_files: RemoteFiles | None) -> tuple[list[str], list[str]]:
    """Say which files block the command now, and which could not be checked as the workstation did not answer."""
    if remote_files is None:
        return [], [f"{path} not checked: the workstation did not answer" for path in files]
    return [
        f"{path} is not on the workstation" for path in files if path not in remote_files.files
    ], []


def free_tags(newest: str, taken: AbstractSet[str]) -> Iterator[str]:
    """Give committee_<day>_run<N> from the day of the newest run's stamp, first free number first, without end."""
    day, number = newest[:10], 0
    while True:
        number += 1
        if (tag := f"committee_{day}_run{number}") not in taken:
            yield tag


def quoted(argv: Sequence[str]) -> str:
    """Write an argument list as one line that a POSIX shell reads back as the same list."""
    from shlex import join

    return join(argv)
