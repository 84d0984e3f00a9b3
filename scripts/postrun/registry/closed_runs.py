"""Find the closed runs that are no longer as they were recorded: the number of trials counts all.

What is read again is a run of which a file, by its size and times, or the row in the registry is
not as it was. The index holds these; a run that it does not know is read. A closing looks at some
runs in turn, those that were not looked at for longest, and at those that were not as recorded the
last time; a step alone looks at all of them.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from postrun.core import disk, locations, step_notes
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.locations import RunPaths
from postrun.registry import rows
from postrun.registry.rows import Policy
from postrun.store import index, ledger, run_folders, tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row

IN_TURN = 500  # runs that a closing looks at
_UNKNOWN = 20  # runs that it reads because the index does not know them: it may have been deleted
# `row` and `files` are digests; `look` is a number that rises with each look, or _CHANGED.
_CREATE = """
    CREATE TABLE IF NOT EXISTS compared_runs
    (run TEXT PRIMARY KEY, row TEXT, files TEXT, look INTEGER)
"""
_CREATE_INDEX = "CREATE INDEX IF NOT EXISTS looks ON compared_runs (look, run)"
_PUT = "INSERT OR REPLACE INTO compared_runs VALUES (?, ?, ?, ?)"
_CHANGED = -1
_LAST_LOOK = "SELECT ifnull(max(look), 0) FROM compared_runs"
# What a row of the registry is made from.
_FILES = tuple(
    (ARTIFACTS[name].home, f"{ARTIFACTS[name].file}.json")
    for name in (
        "closing_record",
        "run_detection",
        "evidence_manifest",
        "governance_audit_check",
        "governance_remediation_plan",
        "production_gates_report",
    )
)

_LOOKED_AT = ("run", "gate_folder", "row_digest")

# By run: the digests of its row and of its files.
Digests = dict[str, tuple[str, str]]


@dataclass
class Changed:
    """What is not as it was recorded."""

    errors: dict[str, str] = field(default_factory=dict)  # by run: why it cannot be read
    rows: dict[str, Row] = field(default_factory=dict)  # by run: what its row must be


def find_changed(
    root: Path,
    registry: IndexedTable,
    policy: Policy,
    in_turn: int | None = None,
) -> Changed:
    """Return the runs that are not as they were recorded, and the rows that do not follow from
    their run: of so many runs in turn, of all when no number is given.
    """
    # Who checks a workspace reads every run by itself.
    if disk.is_captured():
        return Changed()
    known = _choose(registry, in_turn)
    present = _look(root, registry, known)
    to_read = [run for run in present if present[run] != known[run]]
    changed = _compare(
        root,
        registry,
        policy,
        to_read,
    )
    not_as_recorded = changed.errors.keys() | changed.rows.keys()
    for run in not_as_recorded:
        del present[run]
    _write(root, present, not_as_recorded)
    return changed


def remember(root: Path, runs: Iterable[str]) -> None:
    """Note that the rows of runs that have just been read are written, and follow from them."""
    if disk.writes_nothing():
        return
    registry = tables.open_table(root, rows.REGISTRY)
    present = _look(root, registry, runs)
    _write(root, present, ())


def _look(
    root: Path,
    registry: IndexedTable,
    runs: Iterable[str],
) -> Digests:
    """Return the digests of some runs as they are now, in the order of the registry."""
    present: Digests = {}
    for row in registry.select_each("run", runs, _LOOKED_AT):
        run_paths = RunPaths(root, row["run"], row["gate_folder"])
        digest = _files_digest(run_paths)
        if digest is None and _was_moved_away(run_paths):
            continue
        present[row["run"]] = row["row_digest"], digest or ""
    return present


def _choose(registry: IndexedTable, in_turn: int | None) -> dict[str, tuple[str, str]]:
    """Return the digests that are known of the runs to look at, by run."""
    if in_turn is None:
        in_turn = unknown = registry.count()
    else:
        unknown = min(in_turn, _UNKNOWN)

    def choose(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
        connection.execute(_CREATE)
        connection.execute(_CREATE_INDEX)
        of_known = f"FROM compared_runs JOIN {registry.name} USING (run)"
        of_all = f"FROM {registry.name} LEFT JOIN compared_runs USING (run)"
        query = f"""
            SELECT run, row, files {of_known} WHERE look = {_CHANGED}
            UNION SELECT * FROM (
                SELECT run, row, files {of_all} WHERE look IS NULL ORDER BY run LIMIT ?
            ) UNION SELECT * FROM (
                SELECT run, row, files {of_known} WHERE look > 0 ORDER BY look, run LIMIT ?
            )
        """
        chosen = connection.execute(query, [unknown, in_turn])
        return {run: (row, files) for run, row, files in chosen}

    return registry.use(choose)


def _was_moved_away(run_paths: RunPaths) -> bool:
    """Return whether a run that an earlier release closed has no folder: it could be moved away."""
    if disk.is_folder(run_paths.folder(Home.RUN)):
        return False
    return ledger.audit(run_paths.root, run_paths.run) is None


def _compare(
    root: Path,
    registry: IndexedTable,
    policy: Policy,
    runs: Sequence[str],
) -> Changed:
    """Return what is found when runs are read again and their rows compared with the registry."""
    changed = Changed()
    read_one = partial(rows.read_run, root, policy)
    with step_notes.unnoted():
        read, changed.errors = run_folders.read_all(root, runs, read_one)
    for before in registry.select_each("run", read):
        run = before["run"]
        row = read[run]
        # Whether the verdict is right is for the statistics to say; the decision must follow.
        judged = {**row, **{name: before[name] for name in rows.STANDING}}
        if rows.decide(root, judged, policy) != before:
            changed.rows[run] = row
    return changed


def _files_digest(run_paths: RunPaths) -> str | None:
    """Return a digest of sizes and times of what the row of a run is made from; None without any.

    No program sets the time of the last change (ctime).
    """
    missing = 0
    facts: list[object] = []
    # In text: of hundreds of runs, paths take longer than the question.
    run_folder = f"{run_paths.root}/{locations.RUNS}/{run_paths.run}"
    folders = {Home.RUN: run_folder, Home.GATE: run_folder}
    if run_paths.gate is not None:
        folders[Home.GATE] = f"{run_paths.root}/{locations.GATES}/{run_paths.gate}"
    for home, file in _FILES:
        path = f"{folders[home]}/{file}"
        try:
            state = os.stat(path)  # noqa: PTH116
        except OSError:
            missing += 1
            facts.append(file)
            continue
        facts += [state.st_size, state.st_ino]
        facts += [state.st_mtime_ns, state.st_ctime_ns]
    if missing == len(_FILES):
        return None
    return _digest(facts)


def _digest(facts: Sequence[object]) -> str:
    text = repr(facts)
    digest = disk.content_digest(text.encode(errors="backslashreplace"))
    return digest[:32]


def _write(root: Path, looked_at: Digests, changed: Iterable[str]) -> None:
    """Note what was looked at just now, and which runs are not as recorded."""
    if disk.writes_nothing():
        return

    def write(connection: sqlite3.Connection) -> None:
        with index.changing(connection):
            connection.execute(_CREATE)
            (look,) = connection.execute(_LAST_LOOK).fetchone()
            following = look + 1
            for run, digests in looked_at.items():
                connection.execute(_PUT, [run, *digests, following])
            for run in changed:
                connection.execute(_PUT, [run, "", "", _CHANGED])

    index.use(root, write)
