"""A copy of evidence that is under way: nothing of it counts before all of it is here.

Files come into a folder of ours in the run folder, where they are no evidence; those of a gate
folder on another disk into one in the gate folder. When each is whole, `copy.json` is written: what
the manifest will say, and what has to be moved. From then on a process that is killed leaves all
that the next one needs to go on. Before, nothing of the evidence has changed; what has come need
not come again.
"""

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from postrun.core import disk, locations
from postrun.core.artifacts import Home
from postrun.core.disk import report_write_errors
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import evidence, json_files

Json = dict[str, Any]


@cache
def folder_for(run_paths: RunPaths, folder: str) -> Path:
    """Return where the files of an evidence folder come to: all on one disk to one place."""
    home, *_ = evidence.folders(run_paths)
    if disk.device_of(run_paths.root / folder) != disk.device_of(run_paths.root / home):
        home = folder
    return run_paths.root / home / locations.INCOMING / "files" / Path(folder).name


def path_of(run_paths: RunPaths, path: str) -> Path:
    """Return where one file comes to, by its path relative to the workspace root."""
    for folder in evidence.folders(run_paths):
        below = path.removeprefix(f"{folder}/")
        if below != path:
            return folder_for(run_paths, folder) / below
    raise ValueError(path)


def _record(run_paths: RunPaths) -> Path:
    return run_paths.folder(Home.RUN) / locations.INCOMING / "copy.json"


def commit(
    run_paths: RunPaths,
    manifest: Json,
    copied: Sequence[str],
    changes: Sequence[Json],
) -> None:
    """Write down that every file has come, and what is left to do. Raises Missing."""
    run_folder = f"{locations.RUNS}/{run_paths.run}"
    kept = {}
    for change in changes:
        for path in change["kept"]:
            kept[path] = f"{run_folder}/{change['in']}/{path}"
    come = {}
    files = []
    for path in copied:
        file = path_of(run_paths, path)
        come[path] = file.relative_to(run_paths.root).as_posix()
        files.append(file)
    disk.sync_all(files)
    folders = {file.parent for file in files}
    disk.sync_all(folders)
    document = {
        "manifest": manifest,
        "copied": come,
        "kept": kept,
    }
    content = json_files.encode(document)
    disk.replace(_record(run_paths), content)


def finish(run_paths: RunPaths) -> Json | None:
    """Move what has come to its place; return what the manifest has to say.

    None when no copy is under way, or when not all of it has come. Doing it again does no harm.
    Raises Missing, Invalid.
    """
    record = _record(run_paths)
    content = disk.read_optional(record)
    if content is None:
        return None
    document = json_files.parse(content, record).value
    root = run_paths.root
    for path, archive in document["kept"].items():
        _keep(root / path, root / archive)
    copied = _where_copied(run_paths, document["copied"])
    for path, come in copied.items():
        _place(root / come, root / path)
    disk.sync_all({(root / path).parent for path in copied})
    manifest: Json = document["manifest"]
    return manifest


def _where_copied(run_paths: RunPaths, copied: Any) -> dict[str, str]:
    """Return where each file came to, by its path; both relative to the workspace root."""
    if isinstance(copied, dict):
        return copied
    # An earlier release listed the paths: a file came to a folder in its own evidence folder.
    come = {}
    for path in copied:
        for folder in evidence.folders(run_paths):
            if path.startswith(f"{folder}/"):
                name = path.removeprefix(folder)
                come[path] = f"{folder}/{locations.INCOMING}/files{name}"
    return come


def _keep(path: Path, archive: Path) -> None:
    """Move a file that is to be replaced to the archive, which may be on another disk."""
    with report_write_errors(archive):
        if not os.path.lexists(path):
            return
        if os.path.lexists(archive):
            # Another file at the path is the new one, which has come to its place.
            if _is_same(path, archive):
                path.unlink()
            return
        disk.make_folder(archive.parent)
        _move(path, archive)
        disk.sync(archive.parent)


def _move(path: Path, target: Path) -> None:
    """Move a file or a link, also to what turns out to be another disk. Raises OSError."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_whole(path, target)
        path.unlink()


def _copy_whole(path: Path, archive: Path) -> None:
    """Copy a file or a link to another disk, whole or not at all. Raises OSError."""
    unfinished = archive.with_name(f".{archive.name[:200]}.tmp")
    unfinished.unlink(missing_ok=True)
    shutil.copy2(path, unfinished, follow_symlinks=False)
    if not path.is_symlink():
        disk.sync(unfinished)
    unfinished.rename(archive)


def _is_same(path: Path, archive: Path) -> bool:
    if path.is_symlink() != archive.is_symlink():
        return False
    if path.is_symlink():
        return path.readlink() == archive.readlink()
    return disk.digest(path) == disk.digest(archive)


def _place(come: Path, path: Path) -> None:
    """Move a file that has come to its place, where nothing is now. Raises Missing, Invalid."""
    with report_write_errors(path):
        if not os.path.lexists(come):
            return
        if os.path.lexists(path):
            # On another disk it was copied, and is still to be removed.
            if _is_same(come, path):
                come.unlink()
                return
            expected = "nothing where a copied file belongs"
            raise Invalid(path, expected, disk.kind(path), "move it away and sync again")
        _make_folder(come.parent, path.parent)
        _move(come, path)


def _make_folder(come: Path, folder: Path) -> None:
    """Make a folder with the mode that rsync gave its like, but so that we may write in it."""
    mode = stat.S_IMODE(come.stat().st_mode)
    if mode & 0o700 != 0o700:
        mode |= 0o700
        come.chmod(mode)
    if folder.is_dir():
        return
    _make_folder(come.parent, folder.parent)
    # A flow of another run may have made it just now: the first runs share `gate_results/`.
    folder.mkdir(mode, exist_ok=True)
    disk.sync(folder.parent)


def clear(run_paths: RunPaths) -> None:
    """Remove what is left of a copy that is done, or that is not wanted any more."""
    # The record goes last: without it, what it names would be forgotten.
    for folder in reversed(evidence.folders(run_paths)):
        incoming = run_paths.root / folder / locations.INCOMING
        with report_write_errors(incoming):
            if incoming.is_dir():
                _remove(incoming)


def _remove(incoming: Path) -> None:
    for parent, names, _ in os.walk(incoming):
        for name in names:
            # A folder that may not be written in cannot be emptied.
            Path(parent, name).chmod(0o700)
    shutil.rmtree(incoming)
