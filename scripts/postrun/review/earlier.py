"""What was closed before a run, by its name: its place by score, the runs of its factor."""

from operator import itemgetter

from postrun.core.values import Json
from postrun.store import tables
from postrun.store.tables import Row, Rows

# Columns of the registry that other runs do not change.
COLUMNS = (
    "decision_tag",
    "total",
    "overall_pass",
    "audit_passed",
)
_SHOWN = ("run", *COLUMNS, "wf_mean", "wf_t")
_PARTS = ("cost", "walk_forward", "risk", "statistical", "governance")
_MOST_RUNS = 200


def score(own_row: Row, registered: Rows) -> Json:
    """Return the score of a run with its parts, and its place among the runs up to its own.

    Of two runs with the same score, the earlier comes first, as on the leaderboard.
    """
    total = own_row["total"]
    place = 1
    number = 1
    for row in registered:
        if row["run"] < own_row["run"]:
            number += 1
            place += row["total"] >= total
    not_measured = (own_row["not_measured"] or "").split(";")
    return {
        "total": total,
        **tables.select([own_row], _PARTS)[0],
        "not_measured": list(filter(None, not_measured)),
        "place": place,
        "runs": number,
    }


def runs_of_factor(own_row: Row, registered: Rows) -> Json:
    """Return the earlier runs of the factor, newest first; of very many the newest."""
    factor = own_row["factor"]
    earlier = []
    for row in registered:
        is_same = factor is not None and row["factor"] == factor
        if is_same and row["run"] < own_row["run"]:
            earlier.append(row)
    earlier.sort(key=itemgetter("run"), reverse=True)
    rows = tables.select(earlier[:_MOST_RUNS], _SHOWN)
    return {"runs": len(earlier), "rows": rows}
