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
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import ORIGINALS, RunPaths
from postrun.core.values import Json
from postrun.store import archive_files, archives, evidence, ledger, ledger_view, records

_MOVE = "move it away"
_VERIFY = "see what else differs: make verify TAG=..."


def record(run_paths: RunPaths, action: str, archive: Json) -> Json:
    """Add the row to the ledger that files of a run were archived or restored; return it.

    `archive` names both files with their digests, and says how many files and bytes are in it.
    Raises Missing, Invalid.
    """
    row = {**archive, "kind": ledger.RETENTION, "run": run_paths.run, "action": action}
    added = records.add_ledger_row(run_paths, row)
    ledger_view.publish(run_paths.root)
    return added


def finish_row(run_paths: RunPaths) -> None:
    """Do what comes after a row, for a process that was killed there. Raises Missing, Invalid."""
    records.hold_ledger_rows(run_paths)
    ledger_view.publish(run_paths.root)


def original_of(run_paths: RunPaths, path: str) -> Path:
    """Return where a file is moved to, by its path from the root."""
    return run_paths.root / ORIGINALS / run_paths.run / path


def move_away(run_paths: RunPaths, files: Mapping[str, Json]) -> list[Path]:
    """Move files that are archived to the originals; return where they are now.

    Raises Missing, Invalid for one that is not as it was archived: then none is moved.
    """
    moves = {}
    for path, file in files.items():
        source = run_paths.root / path
        target = original_of(run_paths, path)
        # Moved already; or put back by hand from there, and then both stay.
        if not os.path.lexists(source) or os.path.lexists(target):
            continue
        _check_place(run_paths, path)
        _check_file(source, file)
        moves[source] = target
    _rename_all(moves)
    return list(moves.values())


def _rename_all(moves: Mapping[Path, Path]) -> None:
    """Rename files, through to the disk. Raises Missing."""
    for source, target in moves.items():
        with disk.report_write_errors(target):
            disk.make_folder(target.parent)
            source.rename(target)
    disk.sync_all({target.parent for target in moves.values()})
    disk.sync_all({source.parent for source in moves})


def bring_back(run_paths: RunPaths, row: Json) -> list[Path]:
    """Bring every file of an archive back to its place; return those that were not there.

    The original is moved back where it is as it was; else the file comes out of the archive. Raises
    Missing without room, Invalid for another file in the place of one, and for a broken archive.
    """
    files = archives.read_index(run_paths.root, row)
    absent = {}
    for path, file in files.items():
        place = run_paths.root / path
        _check_place(run_paths, path)
        if not os.path.lexists(place):
            absent[path] = file
            continue
        _check_file(place, file, _MOVE)
    moves = {}
    from_archive = {}
    for path, file in absent.items():
        original = original_of(run_paths, path)
        if _is_intact(original, file):
            moves[original] = run_paths.root / path
        else:
            from_archive[path] = file
    # A broken archive is refused before anything is moved.
    if from_archive:
        archives.check_archive(run_paths.root, row)
    _rename_all(moves)
    if from_archive:
        archive_files.extract(run_paths.root, row["archive"], from_archive)
    return [run_paths.root / path for path in absent]


def _is_intact(original: Path, file: Json) -> bool:
    """Return whether an original is there, as it was archived. An edited one stays where it is."""
    if not os.path.lexists(original):
        return False
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
    expected = f"the file that was archived ({file['sha256'][:12]})"
    if path.is_symlink():
        raise Invalid(path, expected, "a symbolic link", hint)
    if not path.is_file():
        raise Invalid(path, expected, disk.kind(path), hint)
    actual = disk.sha256(path)
    if actual != file["sha256"]:
        raise Invalid(path, expected, f"another ({actual[:12]})", hint)


def _check_place(run_paths: RunPaths, path: str) -> None:
    """Raise Invalid for a place outside of the run's folders, or behind a link in them."""
    for folder in evidence.folders(run_paths):
        below = path.removeprefix(f"{folder}/")
        if below == path:
            continue
        parents = Path(below).parents
        for parent in _existing(run_paths.root / folder, parents):
            if not parent.is_dir() or parent.is_symlink():
                expected = "a folder, as the archive has it"
                raise Invalid(parent, expected, _kind(parent), _MOVE)
        return
    expected = f"a path below {' or '.join(evidence.folders(run_paths))}"
    raise Invalid(run_paths.path("closing_record").parent, expected, path, _VERIFY)


def _existing(folder: Path, parents: Iterable[Path]) -> list[Path]:
    """Return the folders above a file that are there, below one folder."""
    paths = [folder / parent for parent in parents if parent != Path()]
    return [path for path in paths if os.path.lexists(path)]


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a symbolic link"
    return disk.kind(path)
