"""Read the table of p and q values over all factors that a run's gate report leads to."""

from typing import Any

from postrun.core import disk, locations, values
from postrun.core.locations import RunPaths
from postrun.decide import significance
from postrun.decide.significance import OfFactor
from postrun.registry import evidence_tables
from postrun.store import checked_files, evidence, json_files

_REPORT = "statistical_gates_report"


def read(
    run_paths: RunPaths,
    report: Any,
    factor: str | None,
) -> OfFactor:
    """Return what that table says of a run's factor; nothing where there is no such table.

    Raises Invalid for a file that was changed since it was fetched.
    """
    named = values.member(report, "statistical_gates", "report_json")
    path = _local_path(run_paths, named)
    if path is None or not evidence_tables.is_listed(run_paths, path):
        return OfFactor()
    file = run_paths.root / path
    if not disk.is_file(file):
        return OfFactor()
    content = checked_files.read_evidence(run_paths, file)
    statistics = json_files.try_parse(content, file, _REPORT).value
    named = values.member(statistics, "table_csv")
    table = evidence_tables.read(
        run_paths,
        _local_path(run_paths, named),
        significance.COLUMNS,
        significance.NUMBERS,
    )
    if table.rows is None or factor is None:
        return OfFactor()
    return significance.of_factor(table.rows, factor)


def _local_path(run_paths: RunPaths, named: Any) -> str | None:
    return evidence.local_path(locations.GATES, run_paths.gate, named)
