"""Read the table of walk-forward windows that a run's gate report names.

Only a table that the evidence manifest lists was compared with the workstation, and counts.
"""

from dataclasses import dataclass
from typing import Any

from postrun.core import disk, locations, values
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.store import checked_files, csv_files, evidence
from postrun.store.tables import Rows

# Without these columns a table holds no windows.
_START = "test_start"
_MEASURES = ("test_ic", "test_ic_overall")
_DATES = "ic_by_date.csv"


@dataclass(frozen=True)
class Windows:
    """The rows of the table as they are, one a window; None when there are none to read."""

    path: str | None  # of the table, relative to the root
    rows: Rows | None
    problem: str | None = None  # why there are none


def read(run_paths: RunPaths, report: Any) -> Windows:
    """Return the windows of a run. Raises Invalid for a table that was changed since."""
    if report is None:
        return Windows(
            path=None,
            rows=None,
            problem="there is no gate report that names the table",
        )
    named = values.member(report, "wf_stress", "summary_csv")
    path = evidence.local_path(
        locations.GATES,
        run_paths.gate,
        named,
    )
    if path is None or not _is_listed(run_paths, path):
        return Windows(
            path,
            rows=None,
            problem="the table that the report names is not among the evidence",
        )
    table = run_paths.root / path
    if disk.is_file(table):
        checked_files.read_evidence(run_paths, table)
    try:
        rows = csv_files.read_external(
            table,
            [_START],
            _MEASURES,
        )
    except PostRunError as error:
        problem = run_paths.without_root(error)
        return Windows(path, None, problem)
    return Windows(path, rows)


def read_dates(run_paths: RunPaths, windows: Windows) -> Rows | None:
    """Return the rows of the table of test dates beside the windows; None when there is none.

    Raises Invalid for a table that was changed since. One that cannot be read is none: the audit
    names it.
    """
    if windows.path is None or windows.rows is None:
        return None
    table = run_paths.root / windows.path
    dates = table.with_name(_DATES)
    path = run_paths.relative(dates)
    if not _is_listed(run_paths, path):
        return None
    if disk.is_file(dates):
        checked_files.read_evidence(run_paths, dates)
    try:
        return csv_files.read_external(dates, ["date"], ["ic"])
    except PostRunError:
        return None


def _is_listed(run_paths: RunPaths, path: str) -> bool:
    listed = checked_files.manifest_digests(run_paths)
    if listed is None:
        return False
    return path in listed.files
