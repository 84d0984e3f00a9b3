"""Who ran a run, and what for: from its context, else from its report or its command."""

from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store import checked_files, command_file, documents


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
