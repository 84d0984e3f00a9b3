"""What counts as evidence, its digests, and how it differs from the manifest: shared by the sync and the audit.

Evidence is every regular file in the run folder and the gate folder that this project did not write. Symbolic links
are recorded and never followed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from postrun.core import artifacts, disk, locations
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import json_files

_LITTER = ".DS_Store"  # macOS puts it wherever a folder is looked at
_OURS = artifacts.generated(Home.RUN, Home.GATE)


@dataclass(frozen=True)
class FileDigests:
    """The evidence of a run on one side; paths are relative to the root. Names that are not UTF-8 keep their bytes."""

    files: dict[str, str]  # path -> SHA-256
    links: dict[str, str]  # path -> target

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any]) -> "FileDigests":
        """Return what a manifest says the evidence is."""
        files = {row["path"]: row["sha256"] for row in manifest["files"]}
        links = {row["path"]: row["target"] for row in manifest["links"]}
        return cls(files, links)


@dataclass(frozen=True)
class Difference:
    """One file that is not as the manifest has it. `what` is `changed`, `gone` or `added`."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path} ({self.what})"


def folders(run_paths: RunPaths) -> tuple[str, ...]:
    """Name the folders that hold a run's evidence, relative to the root."""
    run = f"{locations.RUNS}/{run_paths.run}"
    return (run, f"{locations.GATES}/{run_paths.gate}") if run_paths.gate else (run,)


def patterns() -> tuple[str, ...]:
    """Give what is no evidence as rsync patterns, anchored to the folder that is copied."""
    ours = [pattern for name in _OURS for pattern in (f"/{name}", f"/.{name}.*.tmp")]
    return (*ours, f"/{locations.SUPERSEDED}/", _LITTER)


def is_evidence(path: str) -> bool:
    """Say whether a path (relative to the root) is evidence: no file of ours, nor a half-written one."""
    name = "/".join(path.split("/")[_depth(path) :])
    half = any(fnmatchcase(name, f".{ours}.*.tmp") and "/" not in name for ours in _OURS)
    aside = name.startswith(f"{locations.SUPERSEDED}/")
    return not (name in _OURS or half or aside or name.rpartition("/")[2] == _LITTER)


def _depth(path: str) -> int:
    home = locations.RUNS if path.startswith(f"{locations.RUNS}/") else locations.GATES
    return home.count("/") + 2  # the home, and the folder's own name


def only_evidence(files: dict[str, str], links: dict[str, str]) -> FileDigests:
    """Keep what is evidence of a listing."""
    kept, pointed = (
        {path: it for path, it in listed.items() if is_evidence(path)} for listed in (files, links)
    )
    return FileDigests(kept, pointed)


def digest_local(run_paths: RunPaths) -> FileDigests:
    """Digest the local evidence of a run. A folder that is not there is empty. Raises Invalid."""
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for folder in folders(run_paths):
        for entry in _walk(run_paths.root / folder):
            path = run_paths.relative(Path(entry.path))
            if not is_evidence(path):
                continue
            if entry.is_symlink():
                links[path] = os.readlink(entry.path)  # noqa: PTH115  (Path would tidy the target up)
            elif entry.is_file():
                files[path] = digest(Path(entry.path))
    return FileDigests(files, links)


def digest(path: Path) -> str:
    """Digest one piece of evidence. Raises Invalid when it cannot be read."""
    try:
        return disk.sha256(path)
    except OSError as error:
        raise Invalid(path, "evidence that can be read", str(error.strerror)) from None


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Give everything below a folder but folders; links to folders are links."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Invalid(folder, "a folder that can be read", str(error.strerror)) from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from () if entry.name == locations.SUPERSEDED else _walk(Path(entry.path))
        else:
            yield entry


def local_path(home: str, folder: str | None, named: Any) -> str | None:
    """Find what the workstation names (from its root, or absolute there) below our copy of the folder; None if not."""
    parts = PurePosixPath(named).parts if isinstance(named, str) else ()
    if folder not in parts:
        return None
    rest = parts[parts.index(folder) + 1 :]
    return None if not rest or ".." in rest else "/".join((home, str(folder), *rest))


def compare(manifest: FileDigests, found: FileDigests, copied: bool) -> list[Difference]:
    """List how one side differs from the manifest, by path. A `copied` side may lack links: rsync skips them."""
    differences = _compare(manifest.files, found.files) + _compare(manifest.links, found.links)
    tolerated = set(manifest.links) - set(found.links) - set(found.files) if copied else set()
    return sorted((it for it in differences if it.path not in tolerated), key=lambda it: it.path)


def _compare(expected: dict[str, str], found: dict[str, str]) -> list[Difference]:
    changed = [
        Difference(path, "changed")
        for path in expected.keys() & found.keys()
        if expected[path] != found[path]
    ]
    gone = [Difference(path, "gone") for path in expected.keys() - found.keys()]
    return changed + gone + [Difference(path, "added") for path in found.keys() - expected.keys()]


def differences(run_paths: RunPaths) -> list[Difference]:
    """List how the local evidence of a run differs from its manifest, if it does. Raises Missing, Invalid."""
    return compare(
        FileDigests.from_manifest(json_files.read(run_paths, "evidence_manifest")),
        digest_local(run_paths),
        copied=True,
    )
