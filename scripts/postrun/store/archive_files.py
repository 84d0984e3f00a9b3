"""Write the archive of a run and read it back; take files out of one.

An archive is a tar file in xz. The same files make the same bytes: owner and exact time of a file
are left out, its mode and its time in seconds are kept. A name that is not UTF-8 keeps its bytes.
"""

import hashlib
import lzma
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from postrun.core import disk
from postrun.core.artifacts import ARCHIVE, ARCHIVE_SUFFIX
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import archives, json_files

Json = dict[str, Any]

_DIGITS = 8  # of the digest, in the name
_CHUNK = 1 << 20  # bytes
_REGULAR = "a regular file that can be read"
_WHOLE = "an archive that can be read to its end"
_CHANGED = "see what else was changed: make verify"


class _Reader:
    """A file that is read once: it digests what was read."""

    def __init__(self, path: Path, source: BufferedReader) -> None:
        self._path = path
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises Invalid for a file that has become shorter."""
        content = self._source.read(size)
        if len(content) < size:
            raise Invalid(self._path, "the file that was recorded", "a shorter one", _CHANGED)
        self.digest.update(content)
        return content


def write(run_paths: RunPaths, files: Sequence[Json]) -> Json:
    """Write the archive of some files of a run, with its index; return what a row says of both.

    Each file has `path`, `size` and `sha256`. The archive has its name only after every file in it
    was read back and compared. Raises Missing without room, Invalid for a file that was changed.
    """
    folder = run_paths.root / ARCHIVE
    unfinished = disk.unfinished_name(folder / f"{run_paths.run}{ARCHIVE_SUFFIX}")
    with disk.report_write_errors(folder):
        disk.make_folder(folder)
        try:
            with unfinished.open("xb") as out:
                _pack(out, run_paths.root, files)
                out.flush()
                os.fsync(out.fileno())
            _check(unfinished, files)
            sha256 = disk.sha256(unfinished)
            stem = f"{run_paths.run}-{sha256[:_DIGITS]}"
            archive = folder / f"{stem}{ARCHIVE_SUFFIX}"
            _check_place(archive, sha256)
            os.replace(unfinished, archive)
            disk.sync(folder)
        finally:
            unfinished.unlink(missing_ok=True)
    index = folder / f"{stem}.json"
    return {
        "archive": run_paths.relative(archive),
        "archive_sha256": sha256,
        "index": run_paths.relative(index),
        "index_sha256": _write_index(run_paths, index, files, sha256),
    }


def _check_place(archive: Path, sha256: str) -> None:
    """Raise Invalid when another file has the name of an archive: nothing takes its place."""
    if os.path.lexists(archive) and disk.sha256(archive) != sha256:
        raise Invalid(archive, "nothing, or this very archive", "another file", "move it away")


def _write_index(
    run_paths: RunPaths,
    path: Path,
    files: Sequence[Json],
    sha256: str,
) -> str:
    """Write the index of an archive; return its digest. Raises Missing, Invalid."""
    rows = []
    for file in files:
        row = {name: file[name] for name in ("path", "size", "sha256")}
        rows.append(row)
    document = {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "archive_sha256": sha256,
        "files": rows,
    }
    complete = json_files.stamped(document, archives.INDEX)
    existing = json_files.try_load(path, archives.INDEX).members
    # Of the same archive it keeps its bytes: a row of the ledger may name it.
    if document.items() <= existing.items():
        complete = existing
    json_files.check(complete, archives.INDEX, path)
    content = json_files.encode(complete)
    disk.replace(path, content)
    return disk.content_digest(content)


def _pack(out: IO[bytes], root: Path, files: Sequence[Json]) -> None:
    """Write files into an archive. Raises Missing, Invalid for one that is not as recorded."""
    with _opened(out, "w:xz") as archive:
        for file in files:
            path = root / file["path"]
            with disk.report_read_errors(path, _REGULAR):
                source = disk.open_to_read(path)
            with source:
                reader = _Reader(path, source)
                entry = _entry(file, os.fstat(source.fileno()))
                # It only reads, and only as much as the entry says.
                archive.addfile(entry, cast("IO[bytes]", reader))
            _check_digest(path, file["sha256"], reader.digest.hexdigest())


def _entry(file: Json, status: os.stat_result) -> tarfile.TarInfo:
    """Return the head of a file in the archive."""
    entry = tarfile.TarInfo(file["path"])
    entry.size = status.st_size
    entry.mtime = int(status.st_mtime)
    entry.mode = status.st_mode & 0o777
    return entry


def _check_digest(
    thing: object,
    sha256: str,
    actual: str,
) -> None:
    if actual != sha256:
        expected = f"the file that was recorded ({sha256[:12]})"
        raise Invalid(thing, expected, f"another ({actual[:12]})", _CHANGED)


def _check(path: Path, files: Sequence[Json]) -> None:
    """Raise Invalid unless an archive holds these files, each as it was recorded, and no other."""
    expected = {file["path"]: file["sha256"] for file in files}
    present = {}
    for entry, content in _read(path):
        present[entry.name] = _digest(content, path)
    if present != expected:
        raise Invalid(path, "every file as it was recorded", "others in the archive")


def _digest(content: IO[bytes], path: Path) -> str:
    """Return the digest of a file of an unfinished archive."""
    digest = hashlib.sha256()
    while part := content.read(_CHUNK):
        digest.update(part)
        # Else it would look like what a killed process has left.
        os.utime(path)
    return digest.hexdigest()


def _read(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yield each file of an archive with its content. Raises Missing, Invalid."""
    with disk.report_read_errors(path, _REGULAR):
        source = disk.open_to_read(path)
    try:
        with source, _opened(source, "r:xz") as archive:
            for entry in archive:
                content = archive.extractfile(entry)
                if content is None:
                    raise Invalid(path, "regular files only", f"{entry.name!r}")
                yield entry, content
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise Invalid(path, _WHOLE, str(error)) from None


@contextmanager
def _opened(file: IO[bytes], mode: Any) -> Iterator[tarfile.TarFile]:
    with tarfile.open(
        fileobj=file,
        mode=mode,
        format=tarfile.PAX_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        yield archive


def extract(
    root: Path,
    archive: str,
    files: Mapping[str, Json],
) -> None:
    """Write files of an archive to their places, where nothing is now.

    Each is compared with its digest before it has its name. Raises Missing without room, Invalid.
    """
    for entry, content in _read(root / archive):
        file = files.get(entry.name)
        if file is not None:
            _place(root, file, entry, content)


def _place(
    root: Path,
    file: Json,
    entry: tarfile.TarInfo,
    content: IO[bytes],
) -> None:
    """Write one file of an archive to its place."""
    # Not beside its place: whatever is there counts as evidence.
    unfinished = disk.unfinished_name(root / ARCHIVE / f"restored{ARCHIVE_SUFFIX}")
    path = root / entry.name
    digest = hashlib.sha256()
    with disk.report_write_errors(path):
        disk.make_folder(path.parent)
        try:
            with unfinished.open("xb") as out:
                while part := content.read(_CHUNK):
                    digest.update(part)
                    out.write(part)
                out.flush()
                os.fsync(out.fileno())
            _check_digest(f"{path} in the archive", file["sha256"], digest.hexdigest())
            unfinished.chmod(entry.mode)
            os.utime(unfinished, (entry.mtime, entry.mtime))
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        disk.sync(path.parent)
