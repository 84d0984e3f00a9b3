"""A table counts when the evidence manifest lists it."""

from pathlib import Path

from harness import factory
from harness.workspace import Workspace
from postrun.core.locations import RunPaths
from postrun.registry import evidence_tables


def test_a_table_counts_when_it_is_listed(remote: Path, local: Path) -> None:
    made = factory.make_run(remote)
    assert Workspace(remote, local).close() == 0
    run_paths = RunPaths(local, made.run_folder, made.gate_folder)
    (table,) = (local / "gate_results" / made.gate_folder).rglob("statistical_gates_table.csv")
    path = run_paths.relative(table)
    found = evidence_tables.read(run_paths, path, ["factor"], ["p_value"])
    assert found.path == path
    assert found.problem is None
    assert found.rows is not None
    assert [row["factor"] for row in found.rows] == [row["factor"] for row in made.significance]

    without = evidence_tables.read(run_paths, path, ["factor"], ["p"])
    assert without.rows is None
    assert without.problem == f"{path}: expected the columns p, found only " + ", ".join(
        made.significance[0]
    )

    copied = table.with_name("copy.csv")
    copied.write_bytes(table.read_bytes())
    for other in (run_paths.relative(copied), None):
        unlisted = evidence_tables.read(run_paths, other, ["factor"], ["p_value"])
        assert unlisted.rows is None
        assert unlisted.problem == "the table that the report names is not among the evidence"


def test_without_a_manifest_nothing_is_listed(local: Path) -> None:
    run_paths = RunPaths(local, "2026-02-21_031500_production_gates_run1", None)
    assert not evidence_tables.is_listed(run_paths, "gate_results/x/table.csv")
