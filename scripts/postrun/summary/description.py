"""Who ran a run, and what for: from its context, else from its report or its command."""

from contextlib import suppress
from typing import Any

from postrun.core import disk, locations, values
from postrun.core.artifacts import Home
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store import checked_files, command_file, documents, evidence, json_files


def read_context(run_paths: RunPaths) -> Json | None:
    """Return the context; None when it is missing or broken, which the audit names.

    Raises Invalid for one that was changed.
    """
    context: Json | None = documents.try_read(run_paths, "context").value
    return context


def owner_and_notes(
    run_paths: RunPaths,
    context: Json | None,
    report: Json | None,
) -> tuple[Json, str]:
    """Return what has owner and notes of the run, and its name when it is not the context."""
    if context is not None:
        return context, ""
    options = gates.inputs(report)
    if options:
        return options, "the gate report"
    command = checked_files.read_if_there(run_paths, "command")
    in_command = {
        "owner": command_file.option_in(command, "--owner"),
        "notes": command_file.option_in(command, "--notes"),
    }
    return in_command, "command.sh"


def read_data_quality(run_paths: RunPaths, context: Any) -> Any:
    """Return the data-quality report that the context names; without a context, the newest.

    None for one that cannot be read, which the audit names. Raises Invalid for one that was
    changed.
    """
    named = values.member(context, "data_quality_report_json")
    path = evidence.local_path(locations.RUNS, run_paths.run, named)
    if context is None:
        with suppress(Missing):
            path = _newest_report(run_paths)
    if path is None:
        return None
    report = run_paths.root / path
    content = None
    if disk.is_present(report):
        with suppress(Missing):
            content = checked_files.read_evidence(run_paths, report)
    return json_files.try_parse(content, report, "data_quality_report").value


def _newest_report(run_paths: RunPaths) -> str | None:
    """Return the newest data-quality report of a run, as the launcher takes it; None without one.

    Raises Missing for a folder that cannot be read.
    """
    newest = None
    folder = run_paths.folder(Home.RUN) / "data_quality"
    # Their folders are named by the time.
    for name in sorted(disk.list_names(folder)):
        report = folder / name / "data_quality_report.json"
        if disk.is_file(report):
            newest = run_paths.relative(report)
    return newest
