"""Which runs are not closed, and which wait for something: found without a look at the others."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from postrun.core import run_names
from postrun.decide import scoring
from postrun.decide.approval import AWAITING
from postrun.overview.ledger_rows import LedgerRows
from postrun.overview.standings import REGISTRY, Workspace
from postrun.store import ledger, run_folders
from postrun.store.table_index import IndexedTable

# In SQL, what `standings` asks of a run that is closed: an approval; or that it is the latest of
# its factor, or of none, and was not audited well, is planned, or is for the committee.
_WAITS = f"""
SELECT run FROM {REGISTRY}
WHERE decision = '{AWAITING}'
OR ((
    run IN (SELECT max(run) FROM {REGISTRY} WHERE factor IS NOT NULL GROUP BY factor)
    OR factor IS NULL
) AND (
    audit_passed = 0
    OR decision = '{scoring.PROMOTE}'
    OR run IN (SELECT value FROM json_each(?))
))
"""


def find_runs(root: Path, registry: IndexedTable) -> tuple[int, list[str]]:
    """Return how many runs there are, and those that are not closed to the end, oldest first.

    Raises Missing, Invalid.
    """
    audited = ledger.audited_runs(root)
    known = ledger.decided_runs(root)
    for (run,) in registry.ask(f"SELECT run FROM {REGISTRY}"):
        known.add(run)
    folders = set(run_folders.list_folders(root))
    # Nearly every run is closed, and is not looked at.
    others = filter(run_names.parse_run_name, folders - known)
    known.update(others)
    unaudited = sorted(known - audited)
    rows = registry.select_each("run", unaudited)
    registered = {row["run"]: row for row in rows}
    workspace = Workspace(
        root=root,
        folders=frozenset(),
        decisions=LedgerRows(root).decisions(unaudited),
        audited=frozenset(),
        registry=registered,
        commands={},
        latest={},
    )
    is_open = workspace.not_closed(unaudited)
    return len(known), is_open


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
