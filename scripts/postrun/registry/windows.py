"""Read the table of walk-forward windows that a run's gate report names, and the one beside it."""

from typing import Any

from postrun.core import locations, values
from postrun.core.locations import RunPaths
from postrun.registry import evidence_tables
from postrun.registry.evidence_tables import Table
from postrun.store import evidence
from postrun.store.tables import Rows

# Without these columns a table holds no windows.
_START = "test_start"
_MEASURES = ("test_ic", "test_ic_overall")
_DATES = "ic_by_date.csv"


def read(run_paths: RunPaths, report: Any) -> Table:
    """Return the windows of a run, one a row. Raises Invalid for a table that was changed since."""
    if report is None:
        return Table(
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
    return evidence_tables.read(run_paths, path, [_START], _MEASURES)


def read_dates(run_paths: RunPaths, windows: Table) -> Rows | None:
    """Return the rows of the table of test dates beside the windows; None when there is none.

    Raises Invalid for a table that was changed since. One that cannot be read is none: the audit
    names it.
    """
    if windows.path is None or windows.rows is None:
        return None
    table = run_paths.root / windows.path
    dates = table.with_name(_DATES)
    path = run_paths.relative(dates)
    return evidence_tables.read(run_paths, path, ["date"], ["ic"]).rows
