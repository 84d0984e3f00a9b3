"""What counts as evidence, its digests, and how it differs from the manifest.

Evidence is every regular file in the run folder and the gate folder that this project did not
write. Symbolic links are recorded and never followed.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from postrun.core import artifacts, disk, locations
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import archives

# At the top of both folders: evidence that was replaced, what people signed, and what has not come
# whole yet.
_FOLDERS = (locations.SUPERSEDED, artifacts.APPROVALS, locations.INCOMING)
_GENERATED = tuple(
    name for name in artifacts.generated(Home.RUN, Home.GATE) if not name.startswith(_FOLDERS)
)
# At the top of both folders: what this project writes, keeps beside, and has not finished. The last
# three have the names that core/disk.py gives them.
_KEPT_BESIDE = tuple(name.replace(".", ".foreign-*.") for name in _GENERATED)
_EDITED = tuple(name.replace(".", ".edited-*.") for name in _GENERATED)
_WHOLE = _GENERATED + _KEPT_BESIDE + _EDITED
_OURS = _WHOLE + tuple(f".{name}.*.tmp" for name in _WHOLE)
_LITTER = artifacts.LITTER


@dataclass(frozen=True)
class FileDigests:
    """Files with their digests, and links, by path relative to the root of their side.

    The manifest, our copy and the workstation are compared in this form. Names that are not UTF-8
    keep their bytes.
    """

    files: dict[str, str]  # path -> SHA-256
    links: dict[str, str]  # path of a symbolic link -> its target
    sizes: dict[str, int] = field(default_factory=dict, compare=False)  # bytes, where known

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> "FileDigests":
        """Return what a manifest says the evidence is. Early ones list litter, too."""
        listed = cls({}, {})
        for row in manifest["files"]:
            listed.files[row["path"]] = row["sha256"]
        for row in manifest["links"]:
            listed.links[row["path"]] = row["target"]
        return listed.only_evidence()

    def moved(self, source: str, folder: str) -> "FileDigests":
        """Return the same with the paths below one folder as paths below another."""
        return FileDigests(
            _moved(self.files, source, folder),
            _moved(self.links, source, folder),
            _moved(self.sizes, source, folder),
        )

    def only_evidence(self) -> "FileDigests":
        """Return the same without what is no evidence."""
        files = _only_evidence(self.files)
        links = _only_evidence(self.links)
        return FileDigests(files, links, self.sizes)


def _moved(
    paths: dict[str, Any],
    source: str,
    folder: str,
) -> dict[str, Any]:
    moved = {}
    for path, value in paths.items():
        below = path.removeprefix(f"{source}/")
        if below != path:
            path = f"{folder}/{below}"
        moved[path] = value
    return moved


def _only_evidence(paths: dict[str, str]) -> dict[str, str]:
    return {path: paths[path] for path in paths if is_evidence(path)}


def folders(run_paths: RunPaths) -> list[str]:
    """Return the folders that hold a run's evidence, relative to the root."""
    evidence_folders = [f"{locations.RUNS}/{run_paths.run}"]
    if run_paths.gate:
        evidence_folders.append(f"{locations.GATES}/{run_paths.gate}")
    return evidence_folders


def not_evidence() -> str:
    """Return the regular expression (of `grep -E`) of the ends of paths that are no evidence."""
    homes = f"{locations.RUNS}|{locations.GATES}"
    ours = artifacts.as_expression(_OURS)
    named = artifacts.as_expression(_FOLDERS)
    at_top = f"@({homes})/[^/]+/+(({named})/|({ours})$)"
    litter = artifacts.as_expression(_LITTER)
    return f"{at_top}|/({litter})$"


def is_evidence(path: str) -> bool:
    """Return whether a file counts, by its path relative to the root.

    A file that this project writes does not, nor one that it did not finish, nor litter.
    """
    home = locations.GATES
    if path.startswith(f"{locations.RUNS}/"):
        home = locations.RUNS
    # The home and the name of the run or gate folder come first.
    above = home.count("/") + 2
    parts = path.split("/")[above:]
    # No file can be there.
    if not parts:
        return False
    first, *others = parts
    name = others[-1] if others else first
    if _any_of(_LITTER).match(name):
        return False
    if others:
        return first not in _FOLDERS
    return not _any_of(_OURS).match(first)


@cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    expressions = map(translate, patterns)
    return re.compile("|".join(expressions))


def digest_local(
    run_paths: RunPaths,
    unreadable: dict[str, str] | None = None,
) -> FileDigests:
    """Return the local evidence of a run; nothing for a folder that is not there.

    What was archived counts as if it were in its place. A file or folder that cannot be read is
    added to `unreadable` with the reason. Without it, raises Invalid.
    """
    local = FileDigests({}, {})
    problems: dict[str, str] = {}
    if unreadable is not None:
        problems = unreadable
    for folder in folders(run_paths):
        start = run_paths.root / folder
        for entry in _walk(run_paths, start, problems):
            path = run_paths.relative(Path(entry.path))
            if not is_evidence(path):
                continue
            if entry.is_symlink():
                # Path.readlink would tidy the target up.
                local.links[path] = os.readlink(entry.path)  # noqa: PTH115
            elif entry.is_file():
                file = Path(entry.path)
                try:
                    local.files[path] = disk.digest(file)
                except OSError as error:
                    problems[path] = str(error.strerror)
    if unreadable is None:
        for path, reason in problems.items():
            file = run_paths.root / path
            raise Invalid(file, "evidence that can be read", reason)
    _add_archived(run_paths, local, unreadable)
    return local


def _add_archived(
    run_paths: RunPaths,
    local: FileDigests,
    unreadable: dict[str, str] | None,
) -> None:
    """Add what is not in its place, but in the archive that the ledger names.

    A broken archive is added to `unreadable`. Without it, raises Missing, Invalid.
    """
    archived = None
    try:
        archived = archives.find(run_paths)
    except PostRunError as error:
        if unreadable is None:
            raise
        unreadable[artifacts.ARCHIVE] = run_paths.without_root(error)
    if archived is None:
        return
    in_place = local.files.keys() | local.links.keys()
    for path, file in archived.files.items():
        if is_evidence(path) and path not in in_place:
            local.files[path] = file["sha256"]
            local.sizes[path] = file["size"]


def digest_file(path: Path) -> str:
    """Return the SHA-256 of one piece of evidence. Raises Invalid when it cannot be read."""
    try:
        return disk.digest(path)
    except OSError as error:
        raise Invalid(
            path,
            "evidence that can be read",
            str(error.strerror),
        ) from None


def _walk(
    run_paths: RunPaths,
    folder: Path,
    problems: dict[str, str],
) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but the folders; a link to a folder is a link.

    Add a folder that cannot be read to `problems`.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        path = run_paths.relative(folder)
        problems[path] = str(error.strerror)
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield entry
        elif entry.name != locations.SUPERSEDED:
            yield from _walk(run_paths, Path(entry.path), problems)


def local_path(
    home: str,
    folder: str | None,
    named: Any,
) -> str | None:
    """Return the path of a file in our copy of a folder, by the name the workstation gave it.

    `named` is absolute there or begins at its root. None when it is not below the folder.
    """
    if folder is None or not isinstance(named, str):
        return None
    parts = PurePosixPath(named).parts
    if folder not in parts:
        return None
    below = parts[parts.index(folder) + 1 :]
    if not below or ".." in below:
        return None
    return "/".join((home, folder, *below))


def compare(manifest: FileDigests, present: FileDigests, copied: bool) -> dict[str, str]:
    """Return what differs from the manifest: path -> `changed`, `gone` or `added`, by path.

    A `copied` side may lack links, since rsync skips them.
    """
    expected = manifest.files | manifest.links
    actual = present.files | present.links
    differences = {}
    for path in sorted(expected.keys() | actual.keys()):
        is_link = path in manifest.links
        if path not in expected:
            differences[path] = "added"
        elif path not in actual:
            if not (copied and is_link):
                differences[path] = "gone"
        elif is_link != (path in present.links) or expected[path] != actual[path]:
            differences[path] = "changed"
    return differences
