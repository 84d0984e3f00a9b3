"""Closing records: the digest of every file of ours, and what the file was made from.

The record of a run is `closing_record.json` in its folder; that of the workspace's tables and pages
is `audit/workspace_record.json`. The record is written before the file it speaks of: a process that
is killed in between leaves the file as it was `before`, which is no edit; when all are written,
nothing is `before`. While a step works the record is `open`; `sign_off` closes that of a run, when
an audit row of the ledger holds its digest, and `settle_workspace` the other. The ledger and what
only grows (journals, approvals) are not in it. The callers hold the lock.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from postrun.core import disk, step_notes, terminal, version
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import json_files, known_files, ledger, run_folders

Json = dict[str, Any]

CLOSING, WORKSPACE = "closing_record", "workspace_record"
# These are in no record: they have a chain of their own, or only grow.
_UNRECORDED = {
    CLOSING,
    WORKSPACE,
    "stage_ledger",
    "stage_audit_log",
    "team",
    "monitor_events",
    "notifications",
    "approval",
    "seal",
    "archive",
}
# What an interrupted closing reads again.
_RESUMED_WITH = ("run_detection", "evidence_manifest")
CLOSE = "close the run first: make finalize TAG=..."
CLOSE_AGAIN = "close the run again: make finalize TAG=..."
CHANGED = "it was changed since it was written"
_END = b"\n}\n"  # of every file of JSON that is ours


@dataclass(frozen=True)
class Output:
    """One file to be written; `is_ours` returns whether bytes are such a file, whole or broken.

    `inputs` is what it was made from; None: all that the running step has read.
    """

    path: Path
    content: bytes
    is_ours: Callable[[bytes], bool]
    inputs: list[Json] | None = None

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 digest of the bytes, in hex."""
        return disk.content_digest(self.content)


@dataclass
class Record:
    """One record as it is on disk."""

    run_paths: RunPaths
    name: str
    document: Json | None  # None: there is none that can be read
    content: bytes = b""
    # Of the file with these bytes: whatever is written to it changes them. Empty: perhaps nothing.
    facts: str = ""
    problem: str = ""  # why it cannot be read
    has_begun: bool = False  # this process has written something that it lists
    is_lost: bool = False  # the record of a closed run was changed or removed
    # What this process has written, or would have written the same: it needs no other proof.
    proven: set[str] = field(default_factory=set)
    # Copies that this process has kept beside, to be recorded with what took their place.
    kept: dict[str, Json] = field(default_factory=dict)
    # The document and the stamp of the ledger with which it was proved.
    proved_with: tuple[Json | None, str] | None = None
    # The document with its digest, once it was asked for: every file that is read asks.
    digested: tuple[Json, str] | None = None
    # What is recorded of each file, by path, and the same as text: a site has many pages.
    texts: dict[str, tuple[Json, str]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Return where the record is."""
        return self.run_paths.path(self.name)

    @property
    def is_open(self) -> bool:
        """Return whether a step is running, or was interrupted."""
        document = self.document or {}
        return bool(document.get("open"))

    @property
    def can_be_closed(self) -> bool:
        """Return whether this process has written the record."""
        if disk.writes_nothing():
            return False
        return self.has_begun and self.document is not None

    @property
    def rows(self) -> list[Json]:
        """Return what is recorded of each file."""
        document = self.document or {}
        return list(document.get("files", ()))

    @property
    def is_unsigned(self) -> bool:
        """Return whether it is of a closing that goes on, which no row of the ledger names yet."""
        return self.name == CLOSING and self.is_open

    def is_proved(self, stamp: str) -> bool:
        """Return whether the document was proved with the ledger of this stamp."""
        if self.document is None or self.proved_with is None:
            return False
        document, known_stamp = self.proved_with
        return document is self.document and known_stamp == stamp

    def has_digest(self, digest: str) -> bool:
        """Return whether the document has this digest.

        Of a file as it was written its bytes say so: to encode it again takes ten times as long.
        """
        rows = (self.document or {}).get("ledger_rows", [])
        without = json_files.without_member(self.content, "ledger_rows", rows)
        return disk.content_digest(without) == digest or self.digest() == digest

    def digest(self) -> str:
        """Return the digest of the document, as an audit row of the ledger has it."""
        document = self.document or {}
        if self.digested is None or self.digested[0] is not document:
            self.digested = document, digest(document)
        return self.digested[1]

    def file(self, path: str) -> Json | None:
        """Return what is recorded of a file; None when nothing is."""
        for row in self.rows:
            if row["path"] == path:
                return row
        return None

    def put(self, files: Mapping[str, Json]) -> None:
        """Write the record with these files. It is open from now on."""
        document = self.document or self.empty()
        by_path = {row["path"]: row for row in self.rows}
        by_path.update(self.kept)
        by_path.update(files)
        self.kept.clear()
        rows = [by_path[path] for path in sorted(by_path)]
        changed = {**document, "files": rows, "open": True}
        if self.name == CLOSING:
            changed["gate_folder"] = self.run_paths.gate
        else:
            changed["ledger"] = _ledger_head(self.run_paths.root)
        stamped = json_files.stamped(changed, self.name)
        self.save(stamped)

    def save(self, document: Json) -> None:
        """Write the record as it is given, with its stamp."""
        new_rows = [row for row in document["files"] if not self._is_known(row)]
        for row in new_rows:
            self.texts[row["path"]] = row, json_files.encode_member(row)
        # No row of the ledger names the workspace's record: it names itself.
        if self.name == WORKSPACE:
            document.pop("sha256", None)
        content = self._encode(document)
        if self.name == WORKSPACE:
            document["sha256"] = disk.content_digest(content)
            content = content.removesuffix(_END) + _own_line(document["sha256"]) + _END
        json_files.check({**document, "files": new_rows}, self.name, self.path)
        self.document = document
        self.digested = None
        self.problem = ""
        self.content = content
        disk.replace(self.path, content)
        self.facts = ""
        if not disk.writes_nothing():
            self.facts = known_files.facts(self.path)

    def know_texts(self) -> None:
        """Read the text of each row from the file: to encode hundreds of pages takes long."""
        texts = json_files.split_members(self.content, "files")
        if len(texts) == len(self.rows):
            for row, text in zip(self.rows, texts, strict=True):
                self.texts[row["path"]] = row, text
            # Who wrote it otherwise, with a digest that fits, is not taken at his word.
            if self._encode(self.document or {}) != self.content:
                self.texts.clear()

    def _is_known(self, row: Json) -> bool:
        known, _ = self.texts.get(row["path"], (None, ""))
        return known is row

    def _encode(self, document: Json) -> bytes:
        """Return the bytes of the document, as `json_files.encode` gives them."""
        texts = [self.texts[row["path"]][1] for row in document["files"]]
        return json_files.encode_around(document, "files", texts)

    def empty(self) -> Json:
        """Return what a record says at first."""
        if self.name == WORKSPACE:
            return {"files": [], "kept": []}
        return {
            "run_folder": self.run_paths.run,
            "gate_folder": None,
            "files": [],
            "complete": None,
            "ledger_rows": [],
        }


@dataclass(frozen=True)
class Computed:
    """A file as a step would write it, and what it was made from."""

    content: bytes
    inputs: list[Json]


# What would be written, by path from the root, while somebody only wants to know that.
_COMPUTED: ContextVar[dict[str, Computed] | None] = ContextVar("computed", default=None)


@contextmanager
def captured() -> Iterator[dict[str, Computed]]:
    """Write nothing inside the block: what would be written is in the dictionary."""
    computed: dict[str, Computed] = {}
    token = _COMPUTED.set(computed)
    try:
        with disk.captured():
            yield computed
    finally:
        _COMPUTED.reset(token)


# The records that this process has read.
_records: dict[Path, Record] = {}


def load(run_paths: RunPaths, name: str = CLOSING) -> Record:
    """Return the record of a run, or of the workspace."""
    path = run_paths.path(name)
    known = _records.get(path)
    # That of a site with many pages takes long to read: once, unless it was written to.
    facts = known_files.facts(path)
    if known is not None and facts and known.facts == facts:
        known.run_paths = run_paths
        return known
    content = disk.read_optional(path) or b""
    if known is not None and known.content == content:
        known.run_paths = run_paths
        known.facts = facts
        return known
    record = Record(run_paths, name, None, content, facts)
    if content:
        try:
            document = json_files.parse(content, path, name).value
            recorded = document.get("sha256")
            if recorded is None or recorded == _own_digest(content, recorded):
                record.document = document
                record.know_texts()
            else:
                record.problem = f"{path}: {CHANGED}"
        except Invalid as error:
            record.problem = str(error)
    _records[path] = record
    return record


def load_for(run_paths: RunPaths, artifact: str) -> Record | None:
    """Return the record that an artifact belongs to; None for one that is in no record."""
    row = ARTIFACTS[artifact]
    if not row.generated or artifact in _UNRECORDED:
        return None
    if row.home is Home.WORKSPACE:
        return load(RunPaths.of_workspace(run_paths.root), WORKSPACE)
    if row.home in (Home.RUN, Home.GATE):
        return load(run_paths)
    return None


def digest(document: Json) -> str:
    """Return the digest of a closing record: of all but the ledger's rows, which name it."""
    own = {name: value for name, value in document.items() if name != "ledger_rows"}
    content = json_files.encode(own)
    return disk.content_digest(content)


def _own_digest(content: bytes, recorded: str) -> str:
    """Return the digest of the workspace's record: of all of its bytes but the line with it.

    The line is the last: nothing needs to be encoded again, which takes long for many pages.
    """
    without = content.replace(_own_line(recorded), b"")
    return disk.content_digest(without)


def _own_line(digest: str) -> bytes:
    return f',\n  "sha256": "{digest}"'.encode()


def prove(record: Record) -> None:
    """Raise Invalid when a record was changed, or names rows that the ledger lacks.

    The newest audit row of the ledger holds the digest of a run's record. Before the first audit
    there is nothing to compare with.
    """
    if record.problem:
        raise Invalid(record.path, "a record that can be read", record.problem, CLOSE_AGAIN)
    # Every file that is read asks, and the answer changes with the record and the ledger alone.
    stamp = ledger.stamp(record.run_paths.root)
    if record.is_proved(stamp):
        return
    _check_rows(record)
    expected, found = "", ""
    if record.name == CLOSING:
        expected, found = _doubt_of_run(record)
    if expected:
        raise Invalid(record.path, expected, found, CLOSE_AGAIN)
    record.proved_with = record.document, stamp


def _check_rows(record: Record) -> None:
    """Raise Invalid when the ledger lacks a row that a record names."""
    run_paths = record.run_paths
    for number, row_digest in _ledger_rows(record):
        if not ledger.has_row(run_paths.root, number, row_digest):
            path = run_paths.path("stage_ledger")
            name = run_paths.relative(record.path)
            expected = f"row {number} as {name} knows it"
            raise Invalid(path, expected, "none or another", ledger.RESTORE)


def _ledger_rows(record: Record) -> Iterator[tuple[int, str]]:
    """Yield number and digest of each row of the ledger that a record names."""
    document = record.document or {}
    if record.name == WORKSPACE and document:
        head = document["ledger"]
        yield head["rows"], head["sha256"]
    for line in document.get("ledger_rows", ()):
        number = json.loads(line)["number"]
        yield number, disk.content_digest(line.encode())


def is_believed(record: Record) -> bool:
    """Return whether a record is what was written, as far as the ledger says."""
    try:
        prove(record)
    except Invalid:
        return False
    return True


def _has_rows(record: Record) -> bool:
    """Return whether the ledger has every row that a record names."""
    try:
        _check_rows(record)
    except Invalid:
        return False
    return True


def _doubt_of_run(record: Record) -> tuple[str, str]:
    """Return what was expected and what was found instead; two empty texts without a doubt."""
    root = record.run_paths.root
    run = record.run_paths.run
    audit = ledger.audit(root, run)
    document = record.document
    if document is None:
        decision = ledger.decision(root, run) or {"schema_version": 1}
        # Decisions of the first version of the ledger were made before there were records.
        if audit is None and decision["schema_version"] == 1:
            return "", ""
        return "the record of a run that was closed", "nothing there"
    if audit is None:
        return "", ""
    if document["open"]:
        return "a closing that was finished", "one that was interrupted"
    recorded = audit["closing_record_sha256"]
    if record.has_digest(recorded):
        return "", ""
    found = record.digest()
    row = f"row {audit['number']} of the ledger"
    expected = f"the record with the digest {recorded[:12]} that {row} names"
    return expected, f"another ({found[:12]})"


def check_ledger(root: Path) -> None:
    """Raise Invalid when the ledger lacks rows that a record names."""
    # Who computes many runs again has looked at the ledger once.
    if disk.is_captured():
        return
    # One that was changed is made again when the first table is written.
    _check_rows(_workspace_record(root))
    # The records of decided runs are compared with the ledger when they are used.
    decided = ledger.decided_runs(root)
    undecided = [folder for folder in run_folders.list_folders(root) if folder not in decided]
    for record in _closing_records(root, undecided):
        _check_rows(record)


def _workspace_record(root: Path) -> Record:
    workspace = RunPaths.of_workspace(root)
    return load(workspace, WORKSPACE)


def _closing_records(root: Path, folders: Iterable[str]) -> Iterator[Record]:
    for folder in folders:
        run_paths = RunPaths(root, folder, None)
        if disk.is_file(run_paths.path(CLOSING)):
            yield load(run_paths)


def check(
    run_paths: RunPaths,
    artifact: str,
    path: Path,
    content: bytes,
) -> None:
    """Raise Invalid when a file of ours is not what its record says."""
    check_digest(
        run_paths,
        artifact,
        path,
        disk.content_digest(content),
    )


def check_digest(
    run_paths: RunPaths,
    artifact: str,
    path: Path,
    digest_found: str,
) -> None:
    """Raise what `check` does, for a file whose digest is known."""
    record = load_for(run_paths, artifact)
    if record is None:
        return
    name = run_paths.relative(path)
    # An interrupted closing reads these two again; the other files are made again.
    is_resumed = record.is_unsigned and artifact in _RESUMED_WITH
    if name not in record.proven and not is_resumed:
        prove(record)
    row = record.file(name)
    if row is None or digest_found == row["sha256"]:
        return
    expected = f"the file that {record.path.name} lists ({row['sha256'][:12]})"
    found = f"another ({digest_found[:12]})"
    if digest_found == row["before"]:
        found = "the one before it: a step was interrupted"
    hint = f"make it again: make {row['step'] or 'finalize'}"
    if record.name == CLOSING:
        hint += f" TAG={run_paths.name.tag}"
    raise Invalid(path, expected, found, hint)


def is_as_written(
    run_paths: RunPaths,
    artifact: str,
    path: Path,
    content: bytes,
) -> bool:
    """Return whether a file is the one that was last recorded, or the one before it."""
    record = load_for(run_paths, artifact)
    if record is None:
        return True
    name = run_paths.relative(path)
    row = record.file(name)
    if row is None:
        return not record.is_lost
    if not record.is_unsigned and not is_believed(record):
        return False
    return disk.content_digest(content) in (row["sha256"], row["before"])


def write(run_paths: RunPaths, artifact: str, outputs: Sequence[Output]) -> None:
    """Write the files of one artifact, after their record. Raises Missing.

    A file that was changed since it was written is kept beside, and so is another program's.
    """
    computed = _COMPUTED.get()
    if computed is not None:
        for output in outputs:
            name = run_paths.relative(output.path)
            computed[name] = Computed(output.content, _inputs(output))
        return
    record = load_for(run_paths, artifact)
    if record is not None:
        _begin(record)
    changed = {}
    differing = []
    for output in outputs:
        before = _digest_before(run_paths, output)
        _keep_changed(record, run_paths, output, before)
        if before != output.digest:
            differing.append(output)
        if record is not None and not disk.writes_nothing():
            name = run_paths.relative(output.path)
            row = _changed_row(record, name, output, before)
            if row is not None:
                changed[name] = row
            record.proven.add(name)
    if record is not None and (changed or record.kept):
        record.put(changed)
    for output in differing:
        disk.overwrite(output.path, output.content)
        known_files.remember(run_paths.root, output.path, output.content, output.digest)


def _digest_before(run_paths: RunPaths, output: Output) -> str | None:
    """Return the digest of the file that an output takes the place of; None without one.

    Raises Missing for what is no regular file: nothing takes its place.
    """
    if not disk.is_present(output.path):
        return None
    return known_files.digest(run_paths.root, output.path)


def find_made(
    run_paths: RunPaths,
    artifact: str,
    inputs: Mapping[str, list[Json]],
) -> set[str]:
    """Return the files that this version of the program made from these inputs, by path from the
    root, as they are on disk.

    A version with changes that are not committed says nothing.
    """
    record = load_for(run_paths, artifact)
    this_version = version.program_version()
    if record is None or disk.is_captured() or version.is_dirty(this_version):
        return set()
    digests = {}
    for row in record.rows:
        wanted = inputs.get(row["path"])
        is_same = wanted is not None and row["inputs"] == _sorted(wanted)
        if is_same and row["program_version"] == this_version:
            digests[row["path"]] = row["sha256"]
    return known_files.find_same(run_paths.root, digests)


def begin(run_paths: RunPaths) -> None:
    """Write the record of a run that has none yet.

    What an earlier release copied here is decided on now: from then on a record must be there.
    """
    record = load(run_paths)
    if record.content or disk.writes_nothing() or not is_believed(record):
        return
    _begin(record)
    record.put({})


def _begin(record: Record) -> None:
    """Keep a record beside that was changed since it was closed, and begin a new one.

    A record that is open belongs to an interrupted closing, which continues it.
    """
    if record.has_begun:
        return
    if record.name == CLOSING:
        ledger.check_own(record.run_paths.root, record.run_paths.run)
    record.has_begun = True
    if record.is_unsigned or is_believed(record):
        return
    if not _has_rows(record):
        _check_others(record)
    record.is_lost = True
    if not record.content:
        terminal.error(f"{record.path}: expected a record, found it gone; made again")
        return
    _keep(record, record.path, record.content, "edited", CHANGED)
    record.document = None
    record.problem = ""


def _check_others(record: Record) -> None:
    """Raise Invalid when the ledger lacks rows that another record names, too.

    Then the ledger was changed, and not the record: it holds rows from which the ledger can be put
    together again.
    """
    root = record.run_paths.root
    workspace_record = _workspace_record(root)
    folders = run_folders.list_folders(root)
    for other in (workspace_record, *_closing_records(root, folders)):
        if other is not record:
            _check_rows(other)


def _keep_changed(
    record: Record | None,
    run_paths: RunPaths,
    output: Output,
    before: str | None,
) -> None:
    """Keep a file beside that is neither what its record says nor what will be written.

    `before` is its digest; None when there is no file.
    """
    path = output.path
    row: Json = {}
    if record is not None:
        name = run_paths.relative(path)
        row = record.file(name) or {}
    if before is None:
        if row and record is not None and not record.is_open:
            terminal.error(f"{path}: expected a file, found it gone; made again")
        return
    if before in (output.digest, row.get("sha256"), row.get("before")):
        return
    content = disk.read(path)
    if not content or content.isspace():
        return
    if not output.is_ours(content):
        _keep(record, path, content, "foreign", "another program wrote it")
        return
    # What an earlier release wrote is in no record.
    if record is not None and (row or record.is_lost):
        _keep(record, path, content, "edited", CHANGED)


def _keep(
    record: Record | None,
    path: Path,
    content: bytes,
    mark: str,
    reason: str,
) -> None:
    """Keep a file beside. The workspace's record notes the copy, so that its loss is noticed.

    A run's record does not: that would be another answer of its closing.
    """
    kept = disk.keep_beside(path, content, mark, reason)
    if disk.writes_nothing():
        return
    if record is not None and record.name == WORKSPACE:
        name = record.run_paths.relative(kept)
        record.kept[name] = _kept_row(name, kept)


def _changed_row(
    record: Record,
    name: str,
    output: Output,
    before: str | None,
) -> Json | None:
    """Return what has to be recorded of a file; None when it is recorded already."""
    notes = step_notes.current()
    row = {
        "sha256": output.digest,
        "inputs": _inputs(output),
        "step": notes.step,
    }
    known = record.file(name) or {}
    this_version = version.program_version()
    # Another version of the program alone is no new content of a run.
    is_same_version = record.name == CLOSING or known.get("program_version") == this_version
    if row.items() <= known.items() and is_same_version:
        return None
    if before == output.digest:
        before = known.get("before")
    return {
        **row,
        "path": name,
        "before": before,
        "program_version": this_version,
    }


def add_kept(run_paths: RunPaths, paths: Iterable[str]) -> None:
    """Record files that were kept when others took their place, unless they are recorded.

    Links have no digest, and are left out.
    """
    record = load(run_paths)
    added: dict[str, Json] = {}
    for name in paths:
        path = run_paths.root / name
        if record.file(name) is None and path.is_file() and not path.is_symlink():
            added[name] = _kept_row(name, path)
    if added:
        _begin(record)
        record.put(added)


def note_copy(workspace: RunPaths, path: Path) -> None:
    """Record a copy that was kept beside under a name without a digest."""
    record = load(workspace, WORKSPACE)
    _begin(record)
    document = record.document or record.empty()
    copy = {"path": workspace.relative(path), "sha256": disk.sha256(path)}
    record.document = {**document, "kept": [*document["kept"], copy]}
    record.put({})


def _kept_row(name: str, path: Path) -> Json:
    """Return what is recorded of a file that is only kept."""
    return {
        "path": name,
        "sha256": disk.sha256(path),
        "before": None,
        "step": step_notes.current().step,
        "program_version": version.program_version(),
        "inputs": [],
    }


def _inputs(output: Output) -> list[Json]:
    """Return what a file was made from: what the step at work has read so far, by path."""
    if output.inputs is not None:
        return _sorted(output.inputs)
    inputs = step_notes.current().inputs
    return [inputs[name] for name in sorted(inputs)]


def _sorted(inputs: list[Json]) -> list[Json]:
    return sorted(inputs, key=itemgetter("path"))


def is_whole(run_paths: RunPaths) -> bool:
    """Return whether every file of a closing is recorded."""
    record = load(run_paths)
    for artifact in ARTIFACTS:
        if load_for(run_paths, artifact) is not record:
            continue
        path = run_paths.path(artifact)
        name = run_paths.relative(path)
        if not record.file(name):
            return False
    return True


def sign_off(run_paths: RunPaths, journals: list[Json] | None) -> bool:
    """Close a run's record; return whether that added an audit row to the ledger.

    `journals` are the files that only grow, as they are when all the others are there; None before.
    Raises Missing, Invalid.
    """
    record = load(run_paths)
    if not record.can_be_closed:
        return False
    document = {**_settled(record), "open": False}
    if journals is not None and document["complete"] is None:
        document["complete"] = {"journals": journals}
    # The ledger names the record as it will be, with its own time.
    if document != record.document:
        document = json_files.stamped(document, CLOSING)
    row = _audit_row(record, document)
    if row is not None:
        # No row may follow where others were taken away.
        _check_rows(_workspace_record(run_paths.root))
        # First the row: a closed record that no row names would look edited.
        ledger.append(run_paths.root, row)
    document["ledger_rows"] = _lines_about(run_paths)
    if document != record.document:
        record.save(document)
    return row is not None


def check_closed(run_paths: RunPaths) -> Record:
    """Return the record of a run that is closed. Raises Missing, and Invalid for a changed one."""
    record = load(run_paths)
    if not record.content or ledger.audit(run_paths.root, run_paths.run) is None:
        expected = "an audit and its record"
        raise Missing(f"run {run_paths.run}", expected, "none", CLOSE)
    prove(record)
    return record


def add_ledger_row(run_paths: RunPaths, row: Json) -> Json:
    """Add a row about a closed run to the ledger and to its record; return the row.

    Raises Missing, Invalid.
    """
    check_closed(run_paths)
    added = ledger.append(run_paths.root, row)
    hold_ledger_rows(run_paths)
    return added


def hold_ledger_rows(run_paths: RunPaths) -> None:
    """Write into the record of a closed run the rows that the ledger has. Raises Missing, Invalid.

    A process may have been killed between the ledger and the record.
    """
    record = check_closed(run_paths)
    document = record.document or {}
    lines = _lines_about(run_paths)
    # The digest that the audit's row holds is not over these lines: it stays.
    if lines != document["ledger_rows"]:
        record.save({**document, "ledger_rows": lines})


def _lines_about(run_paths: RunPaths) -> list[str]:
    """Return the ledger's lines about a run that only its closing record holds."""
    lines = []
    for row in ledger.rows_of(run_paths.root, run_paths.run):
        if ledger.kind(row) in ledger.HELD_BY_RECORDS:
            lines.append(ledger.line_of(row).decode())
    return lines


def settle_workspace(root: Path) -> None:
    """Close the workspace's record when a step is done. Raises Missing."""
    record = _workspace_record(root)
    # What nothing was written into stays as it is, whatever was added to the ledger since.
    if not record.can_be_closed or not record.is_open:
        return
    settled = {**_settled(record), "ledger": _ledger_head(root), "open": False}
    if settled != record.document:
        document = json_files.stamped(settled, WORKSPACE)
        record.save(document)


def _ledger_head(root: Path) -> Json:
    rows, digest = ledger.head(root)
    return {"rows": rows, "sha256": digest}


def _settled(record: Record) -> Json:
    """Return a record in which no written file has something before it: that would be an edit."""
    document = record.document or {}
    rows = []
    for row in record.rows:
        if row["before"] is not None and _has_digest(record, row):
            row = {**row, "before": None}
        rows.append(row)
    return {**document, "files": rows}


def _has_digest(record: Record, row: Json) -> bool:
    root = record.run_paths.root
    path = root / row["path"]
    return disk.is_present(path) and known_files.digest(root, path) == row["sha256"]


def _audit_row(record: Record, document: Json) -> Json | None:
    """Return the audit row that the ledger lacks; None when it has it, or without an audit.

    An audit of an earlier decision says nothing of this one.
    """
    run_paths = record.run_paths
    decision = ledger.decision(run_paths.root, run_paths.run)
    path = run_paths.path("governance_audit_check")
    recorded = record.file(run_paths.relative(path))
    if decision is None or recorded is None or not disk.is_file(path):
        return None
    content = disk.read(path)
    if disk.content_digest(content) != recorded["sha256"]:
        return None
    audit = json_files.try_parse(content, path).members
    audited = {row["path"]: row["sha256"] for row in recorded["inputs"]}
    ledger_path = run_paths.path("stage_ledger")
    audited_row = audited.get(run_paths.relative(ledger_path))
    if audited_row != ledger.row_digest(decision):
        return None
    row = {
        "kind": ledger.AUDIT,
        "run": run_paths.run,
        "decision_row": decision["number"],
        "passed": audit["passed"],
        "audit_sha256": recorded["sha256"],
        "closing_record_sha256": digest(document),
    }
    known = ledger.audit(run_paths.root, run_paths.run) or {}
    if row.items() <= known.items():
        return None
    return row
