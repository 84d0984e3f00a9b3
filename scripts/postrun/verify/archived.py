"""Archives of runs, their indexes and the originals beside them, against the rows of the ledger.

The files themselves are compared where they would be in their places: an archived file counts with
the digest that it has in the index.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from postrun.core import artifacts, disk
from postrun.core.artifacts import ARCHIVE, ARCHIVE_SUFFIX
from postrun.core.errors import PostRunError
from postrun.core.locations import ORIGINALS
from postrun.core.values import Json
from postrun.store import archives, json_files
from postrun.verify import files
from postrun.verify.closed_run import RETENTION, ClosedRun, kind
from postrun.verify.findings import Finding, broken, listed
from postrun.verify.ledger_rows import LedgerLines

_BACKUP = "restore it from a backup"
_MOVE = "move it away"
# How archives.py names both files.
_NAME = re.compile(
    rf"(?P<run>.+)-(?P<digits>[0-9a-f]{{8}})({re.escape(ARCHIVE_SUFFIX)}|\.json)", re.DOTALL
)


def check_run(run: ClosedRun) -> Iterator[Finding]:
    """Yield an archive or index that is not the one of the ledger, and each archived file."""
    row = _newest(run.rows)
    if row is None or row.get("action") != archives.ARCHIVED:
        return
    yield from _check_named(run.run_paths.root, row, must_exist=True)
    actual = f"archived in {row.get('archive')}, row {row.get('number')} of the ledger"
    for path in sorted(run.archived):
        yield listed(path, "a file in its place", actual)


def _newest(rows: Collection[Json]) -> Json | None:
    """Return the newest of some rows that is about an archive."""
    newest = None
    for row in rows:
        if kind(row) == RETENTION:
            newest = row
    return newest


def _check_named(
    root: Path,
    row: Json,
    must_exist: bool,
) -> Iterator[Finding]:
    """Yield each of the two files of an archive that is not the one that its row names."""
    for name in ("archive", "index"):
        path = str(row.get(name))
        actual = files.digest(root / path)
        if actual.problem == files.NOTHING and not must_exist:
            continue
        sha256 = row.get(f"{name}_sha256")
        if actual.sha256 != sha256:
            expected = f"the file that row {row.get('number')} of the ledger names"
            expected += f" ({files.shown(sha256)})"
            yield broken(path, expected, str(actual), _BACKUP)


def check_workspace(
    root: Path,
    known: LedgerLines,
    runs: Collection[str],
) -> Iterator[Finding]:
    """Yield what is in the folder of archives and is not as a row of the ledger says."""
    rows = [row for row in known.rows if kind(row) == RETENTION]
    by_run: dict[str, list[Json]] = {}
    for row in rows:
        by_run.setdefault(str(row.get("run")), []).append(row)
    unreadable: dict[str, str] = {}
    present = set(files.walk(root, ARCHIVE, unreadable))
    for folder, reason in unreadable.items():
        yield broken(folder, "a folder that can be read", reason)
    named = set()
    for run, of_run in by_run.items():
        for row in of_run:
            named |= {str(row.get("archive")), str(row.get("index"))}
            is_in_force = row is of_run[-1] and row.get("action") == archives.ARCHIVED
            # That of a run was checked with it. What is not in force may be gone.
            if not is_in_force or run not in runs:
                yield from _check_named(root, row, must_exist=is_in_force)
    for path in sorted(present - named):
        if path.startswith(f"{ORIGINALS}/"):
            yield from _check_original(root, path, by_run)
        elif not artifacts.is_litter(path):
            yield _describe_unnamed(root, path)


def _check_original(
    root: Path,
    path: str,
    by_run: dict[str, list[Json]],
) -> Iterator[Finding]:
    """Yield an original that is no file of an archive of its run, or not as it was archived."""
    run, _, place = path.removeprefix(f"{ORIGINALS}/").partition("/")
    sha256 = None
    for row in by_run.get(run, ()):
        try:
            file = archives.read_index(root, row).get(place)
        except PostRunError:
            continue  # a finding itself
        if file is not None:
            sha256 = file["sha256"]
    actual = files.digest(root / path)
    if sha256 is None:
        yield broken(path, "nothing: no archive of this run has it", str(actual), _MOVE)
    elif actual.sha256 != sha256 or (root / path).is_symlink():
        yield broken(path, files.shown(sha256), str(actual), "its archive has the right one")


def _describe_unnamed(root: Path, path: str) -> Finding:
    """Return what there is to say of a file that no row names."""
    name = path.removeprefix(f"{ARCHIVE}/")
    expected = "a row of the ledger that names it"
    if disk.UNFINISHED.fullmatch(name):
        return listed(path, expected, "none: it is not finished", "the next archive removes it")
    match = _NAME.fullmatch(name)
    if match is not None and _is_what_it_says(root / path, match["digits"]):
        hint = "nothing depends on it; the next archive of that run uses it"
        return listed(path, expected, "none: its archive was not recorded", hint)
    return broken(path, expected, files.kind_of(root / path), _MOVE)


def _is_what_it_says(path: Path, digits: str) -> bool:
    """Return whether an archive or an index is of the digest that its name begins to give."""
    sha256 = files.digest(path).sha256 or ""
    if path.suffix == ".json":
        document = json_files.try_load(path, archives.INDEX).members
        sha256 = str(document.get("archive_sha256"))
    return sha256.startswith(digits)
