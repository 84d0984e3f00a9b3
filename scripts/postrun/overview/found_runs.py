"""Which runs are not closed, and which wait for something: found without a look at the others."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from postrun.core import run_names
from postrun.decide import scoring
from postrun.decide.approval import AWAITING
from postrun.overview.ledger_pages import LedgerRows
from postrun.overview.standings import REGISTRY, Workspace
from postrun.store import ledger, run_folders
from postrun.store.table_index import IndexedTable

# In SQL, what `standings` asks of a run that is closed: an approval; or that it is the latest of
# its factor, or of none, and was not audited well, is planned, or is for the committee.
# Three queries: SQLite has an index for each.
_IS_DUE = f"""
    audit_passed = 0
    OR decision = '{scoring.PROMOTE}'
    OR run IN (SELECT value FROM json_each(?1))
"""
_WAITS = f"""
SELECT run FROM {REGISTRY} WHERE decision = '{AWAITING}'
UNION SELECT run FROM {REGISTRY} WHERE factor IS NULL AND ({_IS_DUE})
UNION SELECT run FROM {REGISTRY} WHERE run IN (
    SELECT max(run) FROM {REGISTRY} WHERE factor IS NOT NULL GROUP BY factor
) AND ({_IS_DUE})
"""


def find_runs(root: Path, registry: IndexedTable) -> tuple[int, list[str]]:
    """Return how many runs there are, and those that are not closed to the end, oldest first.

    Raises Missing, Invalid.
    """
    audited = ledger.audited_runs(root)
    # Nearly every run is closed, and is not looked at.
    folders = set(run_folders.list_folders(root)) - audited
    others = set(filter(run_names.parse_run_name, folders))
    registered = registry.ask(f"SELECT run FROM {REGISTRY}")
    others.update({run for (run,) in registered} - audited)
    others.update(LedgerRows(root).unaudited())
    unaudited = sorted(others)
    rows = registry.select_each("run", unaudited)
    by_run = {row["run"]: row for row in rows}
    workspace = Workspace(
        root=root,
        folders=frozenset(),
        decisions=LedgerRows(root).decisions(unaudited),
        audited=frozenset(),
        registry=by_run,
        commands={},
        latest={},
    )
    is_open = workspace.not_closed(unaudited)
    return len(audited) + len(unaudited), is_open


def find_waiting(
    registry: IndexedTable,
    commands: Collection[str],
    open_runs: Iterable[str],
) -> list[str]:
    """Return the runs that wait for something, newest first. `commands` are the planned ones, by
    run. Raises Invalid.
    """
    planned = json.dumps(list(commands))
    waiting = set(open_runs)
    found = registry.ask(
        _WAITS,
        [planned],
    )
    for (run,) in found:
        waiting.add(run)
    return sorted(waiting, reverse=True)
