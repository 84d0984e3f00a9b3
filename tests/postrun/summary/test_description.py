"""Owner and notes come from the context, else from the report, else from the command."""

from pathlib import Path

import pytest

from harness import factory
from harness.workspace import Workspace
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.summary import description


def test_where_the_owner_comes_from(remote: Path, local: Path) -> None:
    made = factory.make_run(remote)
    assert Workspace(remote, local).close() == 0
    run_paths = RunPaths(local, made.run_folder, made.gate_folder)
    context = description.read_context(run_paths)
    report = {"inputs": {"owner": "ana"}}
    assert description.owner_and_notes(run_paths, context, report) == (context, "")
    assert description.owner_and_notes(run_paths, None, report) == (
        {"owner": "ana"},
        "the gate report",
    )
    _, source = description.owner_and_notes(run_paths, None, None)
    assert source == "command.sh"
    run_paths.path("context").write_text("{}")
    with pytest.raises(Invalid):
        description.read_context(run_paths)
