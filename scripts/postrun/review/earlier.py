"""What was closed before a run, by its name: its place by score, the runs of its factor."""

from postrun.core.values import Json
from postrun.store import tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

# Columns of the registry that other runs do not change.
SHOWN = (
    "run",
    "decision_tag",
    "total",
    "overall_pass",
    "audit_passed",
    "wf_mean",
    "wf_t",
)
_PARTS = ("cost", "walk_forward", "risk", "statistical", "governance")
_MOST_RUNS = 200


def score(own_row: Row, registry: IndexedTable) -> Json:
    """Return the score of a run with its parts, and its place among the runs up to its own.

    Of two runs with the same score, the earlier comes first, as on the leaderboard.
    """
    run, total = own_row["run"], own_row["total"]
    not_worse = registry.count("run < ? AND total >= ?", run, total)
    earlier = registry.count("run < ?", run)
    not_measured = (own_row["not_measured"] or "").split(";")
    return {
        "total": total,
        **tables.select([own_row], _PARTS)[0],
        "not_measured": list(filter(None, not_measured)),
        "place": not_worse + 1,
        "runs": earlier + 1,
    }


def of_factor(own_row: Row, registry: IndexedTable) -> Rows:
    """Return the earlier runs of a run's factor, newest first; none without a factor."""
    of_both = [own_row["factor"], own_row["run"]]
    return registry.select("factor = ? AND run < ?", of_both, order="run DESC")


def newest(runs: Rows) -> Json:
    """Return the earlier runs as the page shows them; of very many the newest."""
    rows = tables.select(runs[:_MOST_RUNS], SHOWN)
    return {"runs": len(runs), "rows": rows}
