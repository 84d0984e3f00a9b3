"""Collect what goes into a package of one run, and write it as one zip.

A package is laid out as a workspace, with a part of the ledger: the rows from the run's first to
the head that the next seal signed. `ro-crate-metadata.json` tells a package from a workspace, and
lists every other file with its digest.
"""

import hashlib
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

from postrun.core import artifacts, disk, locations, terminal
from postrun.core.artifacts import ARTIFACTS, SEALS, Home
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import (
    archives,
    crate,
    documents,
    evidence,
    json_files,
    ledger,
    records,
    signed_files,
    signing_keys,
)
from postrun.store.crate import Action, Description, PackagedFile

FOLDER = "packages"
LEDGER = "audit/stage_ledger.jsonl"
SIGNERS = "configs/allowed_signers"
_CLOSE = "close the run first: make finalize TAG=..."
# The earliest time that a zip can hold: the same files make the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_FILE = stat.S_IFREG | 0o644
_LINK = stat.S_IFLNK | 0o777
_CHUNK = 1 << 20
_REGULAR = "a regular file that can be read"

Json = dict[str, Any]


@dataclass(frozen=True)
class LedgerPart:
    """The rows of the ledger that a package has, as lines and parsed."""

    lines: tuple[bytes, ...]
    rows: tuple[Json, ...]
    decision: Json  # on the run, the one that holds
    seal: Path | None  # the first one after the run's last row

    @property
    def summary(self) -> str:
        """Return which rows they are, and whether they are sealed."""
        first, last = self.rows[0]["number"], self.rows[-1]["number"]
        seal = "no seal yet"
        if self.seal is not None:
            number, _, _ = self.seal.name.partition(".")
            seal = f"seal {number}"
        return f"rows {first} to {last} of the ledger, {seal}"


@dataclass(frozen=True)
class Contents:
    """Everything that goes into a package: files of the workspace, and what is made for it."""

    run_paths: RunPaths
    files: tuple[PackagedFile, ...]  # of the workspace, by path
    links: tuple[str, ...]
    made: dict[str, bytes]
    part: LedgerPart

    @property
    def summary(self) -> str:
        """Return what is in it, in words."""
        number = len(self.files) + len(self.links)
        return f"{terminal.counted(number, 'file')}, {self.part.summary}"


def collect(run_paths: RunPaths) -> Contents:
    """Return what goes into the package of a run. Raises Missing, Invalid."""
    part = _ledger_part(run_paths)
    paths = list(_paths_of_run(run_paths))
    if part.seal is not None:
        seal = run_paths.relative(part.seal)
        paths.append(seal)
    files = []
    links = []
    for path in sorted(paths):
        source = run_paths.root / path
        # What desktops and editors leave is no part of a run.
        if artifacts.is_litter(path):
            continue
        if source.is_symlink():
            links.append(path)
            continue
        file = _describe(source, path)
        files.append(file)
    _refuse_changed(run_paths, files)
    made = {
        LEDGER: b"\n".join([*part.lines, b""]),
        SIGNERS: signing_keys.allowed_signers(),
    }
    made[crate.FILE] = _describe_all(
        run_paths,
        files,
        made,
        part,
    )
    return Contents(
        run_paths,
        tuple(files),
        tuple(links),
        made,
        part,
    )


def _refuse_changed(run_paths: RunPaths, files: list[PackagedFile]) -> None:
    """Raise Invalid for a run that is not as it was recorded: nobody could rely on its package."""
    record = json_files.try_load(run_paths.path(records.CLOSING), records.CLOSING).members
    manifest = documents.read(run_paths, "evidence_manifest", _CLOSE)
    expected = dict(evidence.FileDigests.from_manifest(manifest).files)
    for row in record.get("files", ()):
        expected[row["path"]] = row["sha256"]
    actual = {file.path: file.sha256 for file in files}
    for path, sha256 in expected.items():
        if actual.get(path) != sha256:
            found = "another" if path in actual else "nothing there"
            hint = f"see everything: make verify TAG='{run_paths.name.tag}'"
            if archives.row_in_force(run_paths.root, run_paths.run) is not None:
                hint = archives.RESTORE
            raise Invalid(run_paths.root / path, "the file that was recorded", found, hint)


def _ledger_part(run_paths: RunPaths) -> LedgerPart:
    """Return the rows from the run's first to the next seal. Raises Missing, Invalid."""
    root = run_paths.root
    ledger.check_own(root, run_paths.run)
    rows = ledger.read_rows(root)
    of_run = [row for row in rows if row.get("run") == run_paths.run]
    decisions = [row for row in of_run if ledger.kind(row) == ledger.DECISION]
    if not decisions:
        raise Missing(f"run {run_paths.run}", "a decision in the ledger", "none", _CLOSE)
    first = of_run[0]["number"]
    last = of_run[-1]["number"]
    seal = None
    seals = signed_files.list_numbered(root / SEALS)
    for path in seals.values():
        signed = signed_files.read(path, ledger.SEAL)
        sealed = signed.predicate["ledger_rows"]
        if sealed >= last:
            last = sealed
            seal = path
            break
    file = locations.workspace_path(root, "stage_ledger")
    content = disk.read(file)
    # A checkout by git may have turned line ends into \r\n.
    whole = content.replace(b"\r\n", b"\n")
    lines = whole.split(b"\n")
    chosen = slice(first - 1, last)
    return LedgerPart(
        tuple(lines[chosen]),
        tuple(rows[chosen]),
        decisions[-1],
        seal,
    )


def _paths_of_run(run_paths: RunPaths) -> Iterator[str]:
    """Yield everything in both folders but the folders, relative to the root."""
    folders = [run_paths.folder(Home.RUN)]
    if run_paths.gate is not None:
        folders.append(run_paths.folder(Home.GATE))
    for folder in folders:
        for parent, names, files in os.walk(folder, onerror=_refuse_folder):
            # A link to a folder is a link.
            linked = [name for name in names if Path(parent, name).is_symlink()]
            for name in (*files, *linked):
                path = Path(parent, name)
                yield run_paths.relative(path)


def _refuse_folder(error: OSError) -> None:
    """Raise Missing for a folder that cannot be listed: nothing in it would be packed."""
    raise Missing(error.filename, "a folder that can be listed", str(error.strerror))


def _describe(source: Path, path: str) -> PackagedFile:
    """Return what a package says of a file. Raises Missing, Invalid."""
    try:
        path.encode()
    except UnicodeEncodeError:
        # Neither a zip nor an RO-Crate can hold such a name.
        raise Invalid(repr(path), "a name in UTF-8", "other bytes") from None
    # Opening a FIFO fails, and so does reading from a disk that is broken.
    with disk.report_read_errors(source, _REGULAR), disk.open_to_read(source) as opened:
        digest = hashlib.file_digest(opened, "sha256")
        size = opened.tell()
    return PackagedFile(
        path,
        size,
        digest.hexdigest(),
        _meaning(path),
    )


def _meaning(path: str) -> str:
    """Return what a file is, in words."""
    folder, _, name = path.rpartition("/")
    for artifact in ARTIFACTS.values():
        if not artifact.generated:
            continue
        home, _, pattern = artifact.file.rpartition("/")
        # Approvals and seals are numbered.
        is_signed = pattern == "*" and folder.endswith(home)
        if name in artifact.files or is_signed:
            return artifact.description
    return "evidence, or a file kept beside"


def _describe_all(
    run_paths: RunPaths,
    files: list[PackagedFile],
    made: dict[str, bytes],
    part: LedgerPart,
) -> bytes:
    """Return the crate's own file. Raises Missing without the library."""
    described = list(files)
    for path, content in made.items():
        digest = disk.content_digest(content)
        file = PackagedFile(
            path,
            len(content),
            digest,
            _MADE[path],
        )
        described.append(file)
    described.sort(key=attrgetter("path"))
    decision = part.decision
    text = f"Result {decision['result']}, row {decision['number']} of the ledger."
    text += f" {decision['next_action']}"
    name = f"Run {run_paths.run}"
    # Not the time of packing: the same files make the same bytes.
    published = part.rows[-1]["recorded_at"]
    about = Description(name, text, published)
    actions = _actions(run_paths, files, decision)
    return crate.encode(about, described, actions)


_MADE = {
    LEDGER: "rows of the ledger, verbatim: from the run's first to the next seal",
    SIGNERS: "who may sign, as the workspace that made this package had it",
}


def _actions(run_paths: RunPaths, files: list[PackagedFile], decision: Json) -> list[Action]:
    """Return the two things that were done: the run, and its closing."""
    generated = set(artifacts.generated(Home.RUN, Home.GATE))
    received: list[str] = []
    written: list[str] = []
    for file in files:
        name = file.path.rpartition("/")[2]
        group = received
        if name in generated:
            group = written
        group.append(file.path)
    context = json_files.try_load(run_paths.path("context")).members
    failed = decision["result"] == "fail"
    run = Action(
        identifier="run",
        name=f"The run {run_paths.run}",
        program=str(context.get("workflow") or "unknown"),
        version=str(context.get("git_commit") or "unknown"),
        agent=decision["owner"],
        ended=None,
        has_failed=failed,
        inputs=(),
        outputs=received,
    )
    manifest = json_files.try_load(run_paths.path("evidence_manifest")).members
    closing = Action(
        identifier="closing",
        name="Its closing: decision, audit and pages",
        program="post-run operations",
        version=str(manifest.get("program_version") or "unknown"),
        agent=None,
        ended=decision["recorded_at"],
        has_failed=False,
        inputs=received,
        outputs=written,
    )
    return [run, closing]


def write(contents: Contents) -> Path:
    """Write the zip, named by its own digest, and return its path. Raises Missing, Invalid."""
    folder = contents.run_paths.root / FOLDER
    unfinished = folder / f".{secrets.token_hex(8)}.tmp"
    with disk.report_write_errors(folder):
        folder.mkdir(exist_ok=True)
        try:
            with unfinished.open("xb") as out:
                _write_zip(out, contents)
                out.flush()
                os.fsync(out.fileno())
            sha256 = disk.sha256(unfinished)
            path = folder / f"{contents.run_paths.run}-{sha256[:8]}.zip"
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def _write_zip(out: IO[bytes], contents: Contents) -> None:
    root = contents.run_paths.root
    digests = {file.path: file.sha256 for file in contents.files}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        paths = {*digests, *contents.links, *contents.made}
        for path in sorted(paths):
            source = root / path
            if path in contents.made:
                entry = _entry(path)
                archive.writestr(entry, contents.made[path])
            elif path in digests:
                _add_file(
                    archive,
                    source,
                    path,
                    digests[path],
                )
            else:
                target = os.fsencode(source.readlink())
                entry = _entry(path, _LINK)
                archive.writestr(entry, target)


def _add_file(
    archive: zipfile.ZipFile,
    source: Path,
    path: str,
    sha256: str,
) -> None:
    """Copy a file into the zip. Raises Invalid when it is no longer the one that was described."""
    entry = _entry(path)
    status = source.stat()
    # A large file needs another format of the zip.
    entry.file_size = status.st_size
    with disk.report_read_errors(source, _REGULAR):
        opened = disk.open_to_read(source)
    with opened, archive.open(entry, "w") as member:
        shutil.copyfileobj(opened, member, _CHUNK)
    actual = disk.sha256(source)
    if actual != sha256:
        raise Invalid(source, "a file that does not change", "another one by now")


def _entry(path: str, mode: int = _FILE) -> zipfile.ZipInfo:
    """Return the head of a file in the zip, the same on every machine and at every time."""
    entry = zipfile.ZipInfo(path, _NO_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = mode << 16
    return entry
