"""q by Student's t comes from the evidence: the table that the statistics report names."""

from pathlib import Path
from typing import Any

import pytest

from harness import factory
from harness.workspace import Workspace
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.decide import significance
from postrun.decide.significance import OfFactor
from postrun.registry import student_q

FACTOR = "momentum_12_1"


def close(remote: Path, local: Path, **change: Any) -> tuple[factory.Documents, RunPaths]:
    made = factory.make_run(remote, **change)
    assert Workspace(remote, local).close() in (0, 4)
    return made, RunPaths(local, made.run_folder, made.gate_folder)


def test_the_table_of_the_evidence_counts(remote: Path, local: Path) -> None:
    made, run_paths = close(remote, local)
    found = student_q.read(run_paths, made.report, FACTOR)
    expected = significance.of_factor(made.significance, FACTOR)
    assert found.q_student == pytest.approx(expected.q_student)
    # Eight segments: the normal distribution is too kind.
    assert found.q_student is not None
    assert found.q_student > 4 * made.statistics["focus"]["q_value_bh"]
    assert student_q.read(run_paths, made.report, None) == OfFactor()
    assert student_q.read(run_paths, None, FACTOR) == OfFactor()
    elsewhere = {"statistical_gates": {"report_json": f"/x/{made.gate_folder}/none.json"}}
    assert student_q.read(run_paths, elsewhere, FACTOR) == OfFactor()


def test_a_table_without_deviations_gives_none(remote: Path, local: Path) -> None:
    def change(made: factory.Documents) -> None:
        for row in made.significance:
            del row["ic_std"]

    made, run_paths = close(remote, local, change=change)
    assert student_q.read(run_paths, made.report, FACTOR).q_student is None


@pytest.mark.parametrize("name", ["statistical_gates_report.json", "statistical_gates_table.csv"])
def test_a_changed_file_is_refused(remote: Path, local: Path, name: str) -> None:
    made, run_paths = close(remote, local)
    (path,) = (local / "gate_results" / made.gate_folder).rglob(name)
    path.write_text(path.read_text().replace("0.0", "0.1", 1))
    with pytest.raises(Invalid, match="evidence_manifest"):
        student_q.read(run_paths, made.report, FACTOR)
