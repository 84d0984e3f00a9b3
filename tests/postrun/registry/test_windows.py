"""The table of windows is taken from the evidence, and from nothing else."""

from pathlib import Path

import pytest

from harness import factory
from harness.workspace import Workspace
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.registry import windows


def test_only_the_table_that_the_report_names_counts(remote: Path, local: Path) -> None:
    made = factory.make_run(remote)
    workspace = Workspace(remote, local)
    assert workspace.close() == 0
    run_paths = RunPaths(local, made.run_folder, made.gate_folder)
    found = windows.read(run_paths, made.report)
    assert found.rows is not None
    assert [row["test_ic"] for row in found.rows] == [row["test_ic"] for row in made.windows]
    assert windows.read(run_paths, None).problem == "there is no gate report that names the table"
    other = {"wf_stress": {"summary_csv": f"/x/{made.gate_folder}/elsewhere.csv"}}
    found = windows.read(run_paths, other)
    assert found.path == f"gate_results/{made.gate_folder}/elsewhere.csv"
    assert found.problem == "the table that the report names is not among the evidence"
    table = local / str(windows.read(run_paths, made.report).path)
    table.write_text(table.read_text().replace("0.", "0.9", 1))
    with pytest.raises(Invalid, match="evidence_manifest"):
        windows.read(run_paths, made.report)
