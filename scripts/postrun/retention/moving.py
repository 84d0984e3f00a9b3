"""Move archived files of a run away, and bring them back.

The ledger's row comes before the first file is moved: a file that is not in its place is always in
the archive that the ledger names. Whoever is killed in between leaves nothing that counts twice or
not at all, and the next archive or restore goes on. Nothing is removed and nothing is replaced. The
callers hold the locks of the run and of the workspace.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from postrun.core import disk
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import ORIGINALS, RunPaths
from postrun.core.values import Json
from postrun.store import (
    archive_files,
    archives,
    evidence,
    ledger,
    ledger_view,
    records,
)

_MOVE = "move it away"
_VERIFY = "see what else differs: make verify TAG=..."
Moves = dict[Path, Path]  # where each file is, and where it belongs


def record(
    run_paths: RunPaths,
    action: str,
    archive: Json,
) -> Json:
    """Add the row to the ledger that files of a run were archived or restored; return it.

    `archive` names both files with their digests, and says how many files and bytes are in it.
    Raises Missing, Invalid.
    """
    row = {
        **archive,
        "kind": ledger.RETENTION,
        "run": run_paths.run,
        "action": action,
    }
    added = records.add_ledger_row(run_paths, row)
    ledger_view.publish(run_paths.root)
    return added


def finish_row(run_paths: RunPaths) -> None:
    """Write what comes after a row, for a killed process. Raises Missing, Invalid."""
    records.hold_ledger_rows(run_paths)
    ledger_view.publish(run_paths.root)


def original_of(run_paths: RunPaths, path: str) -> Path:
    """Return where a file is moved to, by its path from the root."""
    return run_paths.root / ORIGINALS / run_paths.run / path


def check_writable(run_paths: RunPaths, files: Iterable[Json]) -> None:
    """Raise Missing for a folder of a run out of which this account may move nothing."""
    folders = {run_paths.path(records.CLOSING).parent}
    for file in files:
        path = run_paths.root / file["path"]
        folders.add(path.parent)
    for folder in sorted(folders):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Missing(folder, "a folder that can be written to", "Permission denied")


def move_away(run_paths: RunPaths, files: Mapping[str, Json]) -> None:
    """Move files that are archived to the originals.

    Raises Missing, Invalid for one that is not as it was archived: then none is moved.
    """
    moves: Moves = {}
    for path, file in files.items():
        source = run_paths.root / path
        target = original_of(run_paths, path)
        # Moved already; or put back by hand from there, and then both stay.
        if not os.path.lexists(source) or os.path.lexists(target):
            continue
        _check_folders(run_paths, path)
        _check_file(source, file)
        moves[source] = target
    _rename_all(moves)


def _rename_all(moves: Moves) -> None:
    """Rename files, through to the disk. Raises Missing."""
    folders = set()
    for source, target in moves.items():
        with disk.report_write_errors(target):
            disk.make_folder(target.parent)
            source.rename(target)
        folders |= {source.parent, target.parent}
    disk.sync_all(folders)


def bring_back(run_paths: RunPaths, row: Json) -> list[Path]:
    """Write every file of an archive to its place again; return those that were not there.

    The original is moved back where it is as it was; else the file comes out of the archive. Raises
    Missing without room, Invalid for another file in the place of one, and for a broken archive.
    """
    root = run_paths.root
    files = archives.read_index(root, row)
    moves: Moves = {}
    from_archive = {}
    for path, file in files.items():
        place = root / path
        original = original_of(run_paths, path)
        _check_folders(run_paths, path)
        if os.path.lexists(place):
            _check_file(place, file, _MOVE)
        elif _is_intact(original, file):
            moves[original] = place
        else:
            from_archive[path] = file
    # A broken archive is refused before anything is moved.
    if from_archive:
        archives.check_archive(root, row)
    _rename_all(moves)
    if from_archive:
        archive_files.extract(root, row["archive"], from_archive)
    brought = [*moves.values()]
    brought += [root / path for path in from_archive]
    return sorted(brought)


def _is_intact(original: Path, file: Json) -> bool:
    """Return whether an original is there, as it was archived. An edited one stays where it is."""
    try:
        _check_file(original, file)
    except PostRunError:
        return False
    return True


def _check_file(
    path: Path,
    file: Json,
    hint: str = _VERIFY,
) -> None:
    """Raise Missing, Invalid unless a regular file has the digest that it was archived with."""
    sha256 = file["sha256"]
    expected = f"the file that was archived ({sha256[:12]})"
    with disk.report_read_errors(path):
        is_regular = path.is_file() and not path.is_symlink()
    if not is_regular:
        raise Invalid(path, expected, _kind(path), hint)
    actual = disk.sha256(path)
    if actual != sha256:
        raise Invalid(path, expected, f"another ({actual[:12]})", hint)


def _check_folders(run_paths: RunPaths, path: str) -> None:
    """Raise Invalid for a path outside of the run's folders, or behind a link in one of them."""
    root = run_paths.root
    homes = [root / folder for folder in evidence.folders(run_paths)]
    folder = (root / path).parent
    while folder not in homes:
        is_folder = disk.is_folder(folder) and not folder.is_symlink()
        if os.path.lexists(folder) and not is_folder:
            raise Invalid(folder, "a folder", _kind(folder), _MOVE)
        if folder == root:
            expected = f"a path in the folders of {run_paths.run}"
            raise Invalid(root / path, expected, "another", _VERIFY)
        folder = folder.parent


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a symbolic link"
    return disk.kind(path)
