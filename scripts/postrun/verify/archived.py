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
# As store/archive_files.py names both files of an archive.
_DIGITS = "[0-9a-f]{8}"
_SUFFIXES = rf"({re.escape(ARCHIVE_SUFFIX)}|\.json)"
_NAME = re.compile(rf".+-(?P<digits>{_DIGITS}){_SUFFIXES}", re.DOTALL)
Rows = dict[str, list[Json]]  # of kind retention, by run


def check_run(run: ClosedRun) -> Iterator[Finding]:
    """Yield an archive or index that is not the one of the ledger, and each archived file."""
    row: Json = {}
    for retention in run.rows:
        if kind(retention) == RETENTION:
            row = retention
    if not _is_in_force(row):
        return
    yield from _check_named(
        run.run_paths.root,
        row,
        must_exist=True,
    )
    place = f"{row.get('archive')}, row {row.get('number')} of the ledger"
    for path in sorted(run.archived):
        yield listed(path, "a file in its place", f"archived in {place}")


def _is_in_force(row: Json) -> bool:
    return row.get("action") == archives.ARCHIVED


def _check_named(
    root: Path,
    row: Json,
    must_exist: bool,
) -> Iterator[Finding]:
    """Yield each of the two files of an archive that is not the one that its row names."""
    for name in ("archive", "index"):
        path = str(row.get(name))
        sha256 = row.get(f"{name}_sha256")
        actual = files.digest(root / path)
        if actual.problem == files.NOTHING and not must_exist:
            continue
        if actual.sha256 != sha256:
            expected = f"the file that row {row.get('number')} of the ledger names"
            expected += f" ({files.shown(sha256)})"
            yield broken(
                path,
                expected,
                str(actual),
                _BACKUP,
            )


def check_workspace(
    root: Path,
    known: LedgerLines,
    runs: Collection[str],
) -> Iterator[Finding]:
    """Yield what is in the folder of archives and is not as a row of the ledger says."""
    unreadable: dict[str, str] = {}
    present = set(files.walk(root, ARCHIVE, unreadable))
    for folder, reason in unreadable.items():
        yield broken(
            folder,
            "a folder that can be read",
            reason,
        )
    rows = _by_run(known)
    named = set()
    for run, of_run in rows.items():
        for row in of_run:
            named |= {str(row.get("archive")), str(row.get("index"))}
            is_newest = row is of_run[-1]
            in_force = is_newest and _is_in_force(row)
            # That of a run was checked with it. What is not in force may be gone.
            if not in_force or run not in runs:
                yield from _check_named(root, row, must_exist=in_force)
    for path in sorted(present - named):
        if path.startswith(f"{ORIGINALS}/"):
            yield from _check_original(root, path, rows)
        elif not artifacts.is_litter(path):
            yield _describe_unnamed(root, path)


def _by_run(known: LedgerLines) -> Rows:
    rows: Rows = {}
    for row in known.rows:
        if kind(row) == RETENTION:
            run = str(row.get("run"))
            rows.setdefault(run, []).append(row)
    return rows


def _check_original(
    root: Path,
    path: str,
    rows: Rows,
) -> Iterator[Finding]:
    """Yield an original that is in no archive of its run, or is not as it was archived."""
    below = path.removeprefix(f"{ORIGINALS}/")
    run, _, place = below.partition("/")
    sha256 = None
    for row in rows.get(run, ()):
        try:
            archived = archives.read_index(root, row)
        except PostRunError:
            continue  # a finding itself
        if place in archived:
            sha256 = archived[place]["sha256"]
    actual = files.digest(root / path)
    if sha256 is None:
        expected = "nothing: no archive of this run has it"
        yield broken(path, expected, str(actual), _MOVE)
    elif files.is_link(root / path) or actual.sha256 != sha256:
        hint = "the archive has the right one; move this one away"
        yield broken(path, files.shown(sha256), str(actual), hint)


def _describe_unnamed(root: Path, path: str) -> Finding:
    """Return what there is to say of a file that no row names."""
    name = path.removeprefix(f"{ARCHIVE}/")
    expected = "a row of the ledger that names it"
    if disk.UNFINISHED.fullmatch(name):
        hint = "the next archive of its run, or closing, removes it"
        return listed(path, expected, "none: it was not finished", hint)
    match = _NAME.fullmatch(name)
    if match is not None and _is_what_it_says(root / path, match["digits"]):
        hint = "nothing depends on it"
        return listed(path, expected, "none: its archive was not recorded", hint)
    actual = files.kind_of(root / path)
    return broken(path, expected, actual, _MOVE)


def _is_what_it_says(path: Path, digits: str) -> bool:
    """Return whether an archive or an index is of the digest that its name begins to give."""
    sha256 = files.digest(path).sha256
    if sha256 is not None and path.suffix == ".json":
        document = json_files.try_load(path, archives.INDEX).members
        sha256 = document.get("archive_sha256")
    return sha256 is not None and sha256.startswith(digits)
