"""Files that nothing accounts for, in the folders of closed runs and in our own below `audit/`."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from postrun.core import artifacts, locations
from postrun.core.artifacts import (
    APPROVALS,
    ARCHIVE,
    ARTIFACTS,
    LEDGERS,
    SEALS,
    SITE,
    Home,
)
from postrun.core.values import Json
from postrun.store import chains, evidence, signed_files
from postrun.store.evidence import FileDigests
from postrun.verify import files, kept_copies
from postrun.verify.closed_run import ClosedRun
from postrun.verify.findings import Finding, broken, listed

_AUDIT = "audit"
_MOVE = "move it away"
_PROJECT_FILES = (f"{_AUDIT}/README.md",)  # comes with the project


def check_run(run: ClosedRun) -> Iterator[Finding]:
    """Yield the files of both folders that are neither evidence nor ours."""
    for folder, reason in run.unreadable.items():
        yield broken(
            folder,
            "a folder that can be read",
            reason,
        )
    if not run.is_closed or run.manifest is None:
        return
    root = run.run_paths.root
    record = run.record or {"files": []}
    recorded = {row["path"]: row["sha256"] for row in record["files"]}
    manifest = FileDigests.from_manifest(run.manifest)
    superseded = _superseded(run)
    ours = _generated(run)
    known = ours | manifest.files.keys() | manifest.links.keys()
    for path in sorted(run.present - known):
        if artifacts.is_litter(path) or _is_approval(run, path):
            continue
        if path in superseded:
            yield from _check_superseded(root, path, recorded)
        elif kept_copies.original(path) in ours:
            yield from kept_copies.check(root, path, {})
        # What counts as evidence is compared with the manifest already.
        elif not evidence.is_evidence(path) or not _is_file(root / path):
            yield _stray(root, path)
    for path in sorted(superseded - run.present - run.archived.keys()):
        yield broken(
            path,
            "evidence that was replaced, kept here",
            files.NOTHING,
        )


def _generated(run: ClosedRun) -> set[str]:
    """Return where the files of this project for a run are."""
    paths = set()
    for artifact in ARTIFACTS.values():
        if artifact.generated and artifact.home in (Home.RUN, Home.GATE):
            for suffix in artifact.suffixes:
                path = run.run_paths.path(artifact.name, suffix)
                paths.add(run.run_paths.relative(path))
    return paths


def _is_approval(run: ClosedRun, path: str) -> bool:
    run_folder, *_ = run.folders
    return _is_signed(path, f"{run_folder}/{APPROVALS}")


def _is_signed(path: str, folder: str) -> bool:
    """Return whether a file is a signed one of a folder: the ledger says what is in it."""
    name = path.removeprefix(f"{folder}/")
    return signed_files.is_numbered(name)


def _is_chain(path: str) -> bool:
    """Return whether a file is the copy of another member's ledger: its chain is checked."""
    name = path.removeprefix(f"{LEDGERS}/").removesuffix(chains.SUFFIX)
    return path == f"{LEDGERS}/{name}{chains.SUFFIX}" and chains.is_member(name)


def _is_file(path: Path) -> bool:
    return files.is_link(path) or files.is_file(path)


def _superseded(run: ClosedRun) -> set[str]:
    """Return where the manifest says that replaced evidence is kept."""
    paths = set()
    run_folder, *_ = run.folders
    manifest = run.manifest or {"changes": []}
    for change in manifest["changes"]:
        for path in change["kept"]:
            paths.add(f"{run_folder}/{change['in']}/{path}")
    return paths


def _check_superseded(root: Path, path: str, recorded: dict[str, str]) -> Iterator[Finding]:
    actual = files.digest(root / path)
    if actual.sha256 is None and not files.is_link(root / path):
        yield broken(
            path,
            "evidence that was replaced, kept here",
            actual.problem,
        )
    elif path not in recorded:
        yield listed(
            path,
            "a digest to compare with",
            "none: kept by an earlier release",
        )
    elif actual.sha256 != recorded[path]:
        yield broken(
            path,
            files.shown(recorded[path]),
            str(actual),
            "restore it from a backup",
        )


def _stray(root: Path, path: str) -> Finding:
    actual = files.kind_of(root / path)
    return broken(
        path,
        "nothing: no record and no manifest lists it",
        actual,
        _MOVE,
    )


def check_gates(root: Path, known: Collection[str | None]) -> Iterator[Finding]:
    """Yield each gate folder that holds files of ours and belongs to no run folder."""
    ours = artifacts.generated(Home.GATE)
    gates = root / locations.GATES
    for folder in sorted(gates.glob("*")):
        if folder.name in known:
            continue
        # The workstation's own gate folders may be here, too.
        present = [name for name in ours if os.path.lexists(folder / name)]
        if present:
            path = f"{locations.GATES}/{folder.name}"
            expected = "a run folder that it belongs to"
            yield broken(path, expected, files.NOTHING, _MOVE)


def check_workspace(root: Path, record: Json | None) -> Iterator[Finding]:
    """Yield what is in our folders below `audit/` and is not ours.

    Raises nothing: what cannot be listed is a finding.
    """
    kept = {}
    recorded = record
    if recorded is None:
        recorded = _without_record(root)
    for row in recorded["kept"]:
        path = row["path"]
        kept[path] = row["sha256"]
    ours = set(artifacts.generated(Home.WORKSPACE))
    # The site has as many pages as there are families: the record lists them.
    for row in recorded["files"]:
        name = row["path"]
        is_page = name.startswith(f"{SITE}/")
        if is_page and kept_copies.original(name) is None:
            ours.add(name)
    unreadable: dict[str, str] = {}
    present = set(_present(root, ours, unreadable))
    for folder, reason in unreadable.items():
        yield broken(
            folder,
            "a folder that can be read",
            reason,
        )
    for path in sorted(present - ours - set(_PROJECT_FILES)):
        if artifacts.is_litter(path) or _is_signed(path, SEALS) or _is_chain(path):
            continue
        if kept_copies.original(path) in ours:
            yield from kept_copies.check(root, path, kept)
        else:
            yield _stray(root, path)
    for path in sorted(kept.keys() - present):
        yield broken(
            path,
            files.shown(kept[path]),
            files.NOTHING,
            "restore it from a backup",
        )


def _without_record(root: Path) -> Json:
    """Return the pages of the site as listed where there is no record: that is a finding itself."""
    pages = []
    for path in sorted((root / SITE).glob("*.html")):
        name = path.relative_to(root)
        pages.append({"path": name.as_posix()})
    return {
        "kept": [],
        "files": pages,
    }


def _present(root: Path, ours: Iterable[str], unreadable: dict[str, str]) -> Iterator[str]:
    """Yield the files directly in `audit/` and where runs are, and all in our other folders."""
    folders = {SEALS}
    for path in ours:
        folder = path.rpartition("/")[0]
        # The user's own pages are beside our view of the ledger. Archives are checked elsewhere.
        if folder.startswith(f"{_AUDIT}/") and folder != ARCHIVE:
            folders.add(folder)
    for folder in sorted(folders):
        yield from files.walk(root, folder, unreadable)
    for folder in (_AUDIT, locations.RUNS):
        yield from files.list_files(root, folder, unreadable)
