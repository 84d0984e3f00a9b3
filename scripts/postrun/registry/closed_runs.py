"""Find the closed runs that are no longer as they were recorded: the number of trials counts all.

A file whose size and times are as they were is not read again. A cache holds these; without it
every run is read.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from postrun.core import disk, locations, step_notes
from postrun.core.artifacts import Home
from postrun.core.locations import RunPaths
from postrun.registry import rows
from postrun.registry.rows import Policy
from postrun.store import json_files, ledger, run_folders
from postrun.store.tables import Row

_CACHE = f"{locations.CACHES}/unchanged_runs.json"
# What a row of the registry is made from.
_FILES = (
    "closing_record",
    "run_detection",
    "evidence_manifest",
    "governance_audit_check",
    "governance_remediation_plan",
    "production_gates_report",
)


@dataclass
class Changed:
    """What is not as it was recorded."""

    errors: dict[str, str] = field(default_factory=dict)  # by run: why it cannot be read
    rows: dict[str, Row] = field(default_factory=dict)  # by run: what its row must be


def find_changed(
    root: Path,
    registered: Mapping[str, Row],
    policy: Policy,
) -> Changed:
    """Return the runs that are not as they were recorded, and the rows that do not follow from
    their run.
    """
    known = json_files.try_load(root / _CACHE).members
    audited = ledger.audited_runs(root)
    present = {}
    to_read = []
    for run, row in registered.items():
        run_paths = RunPaths(root, run, row["gate_folder"])
        # Folders of runs that an earlier release closed could be moved away.
        if run not in audited and not disk.is_folder(run_paths.folder(Home.RUN)):
            continue
        present[run] = _fingerprint(run_paths, row)
        if known.get(run) != present[run]:
            to_read.append(run)
    changed = _compare(
        root,
        registered,
        policy,
        to_read,
    )
    not_as_recorded = changed.errors.keys() | changed.rows.keys()
    unchanged = {run: value for run, value in present.items() if run not in not_as_recorded}
    if unchanged != known:
        _write(root, unchanged)
    return changed


def remember(run_paths: RunPaths, row: Row) -> None:
    """Note that a row follows from its run, which has just been read."""
    root = run_paths.root
    known = json_files.try_load(root / _CACHE).members
    fingerprint = _fingerprint(run_paths, row)
    if known.get(run_paths.run) != fingerprint:
        _write(root, {**known, run_paths.run: fingerprint})


def _compare(
    root: Path,
    registered: Mapping[str, Row],
    policy: Policy,
    runs: Sequence[str],
) -> Changed:
    """Return what is found when runs are read again and their rows compared with the registry."""
    changed = Changed()
    read_one = partial(rows.read_run, root, policy)
    with step_notes.unnoted():
        read, changed.errors = run_folders.read_all(root, runs, read_one)
    for run, row in read.items():
        before = registered[run]
        # Whether the verdict is right is for the statistics to say; the decision must follow.
        judged = {**row, **{name: before[name] for name in rows.STANDING}}
        if rows.decide(root, judged, policy) != before:
            changed.rows[run] = row
    return changed


def _fingerprint(run_paths: RunPaths, row: Row) -> str:
    """Return a digest of the row, and of sizes and times of what it is made from.

    No program sets the time of the last change (ctime).
    """
    facts: list[object] = []
    for value in row.values():
        is_number = isinstance(value, int | float)
        # A number of a table may be read as 70.0 where 70 was computed.
        facts.append(float(value) if is_number else value)
    for name in _FILES:
        try:
            found = os.stat(run_paths.path(name))  # noqa: PTH116  (called six times a run)
        except OSError:
            facts.append(name)
        else:
            facts += [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    text = repr(facts)
    digest = disk.content_digest(text.encode(errors="backslashreplace"))
    return digest[:32]


def _write(root: Path, fingerprints: Mapping[str, str]) -> None:
    """Write the cache in one move. It need not survive a power cut.

    Whoever cannot write it reads the runs again.
    """
    if disk.writes_nothing():
        return
    path = root / _CACHE
    content = json_files.encode(fingerprints, indent=None)
    unfinished = disk.unfinished_name(path)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
