"""What may be archived of each run, and why a run is left out. Writes nothing.

A run is asked everything that `make verify` asks of it, but for what its steps give again: a run of
which anything is broken is left out.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from pathlib import Path

from postrun.core import disk, locations, locks, run_names, terminal
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import ORIGINALS, RunPaths
from postrun.core.values import Json
from postrun.retention.policy import Policy
from postrun.store import archives, evidence, index, json_files, ledger, records, seals
from postrun.store.seals import Sealed
from postrun.verify import (
    closed_run,
    ledger_rows,
    one_run,
    package,
    verification,
    which_runs,
)
from postrun.verify.closed_run import ClosedRun
from postrun.verify.findings import Finding, Kind
from postrun.verify.verification import Computations

_SEAL = "seal the workspace: make seal"
_CLOSE = "close the run: make finalize TAG=..."
_VERIFY = "see everything: make verify TAG=..."
_GO_ON = "go on with it: make retention-archive TAG=..."


class State(StrEnum):
    """Whether files of a run may be archived, and if not, why."""

    READY = "ready"
    NOTHING = "nothing to archive"
    ARCHIVED = "archived"
    UNFINISHED = "unfinished"  # archived, but not all of it is moved away
    ACTIVE = "active"
    NOT_CLOSED = "not closed"
    INCOMPLETE = "incomplete"
    EDITED = "edited"
    NOT_SEALED = "not sealed"


Objection = tuple[State, str]  # why a run is left out: in one word, and in more


@dataclass(frozen=True)
class RunPlan:
    """What may be archived of one run: each file with path, size, sha256 and why it may go."""

    run_paths: RunPaths
    state: State
    reason: str = ""
    files: tuple[Json, ...] = ()
    kept: tuple[Json, ...] = ()  # path and why: what the policy names, and what stays all the same
    free: str | None = None  # the command that removes the originals

    @property
    def size(self) -> int:
        """Return the bytes of the files that may go."""
        return sum(file["size"] for file in self.files)

    def __str__(self) -> str:
        """Return why the run is left out, in words."""
        if not self.reason:
            return str(self.state)
        tag = shlex.quote(self.run_paths.name.tag)
        reason = self.reason.replace("TAG=...", f"TAG={tag}")
        return f"{self.state}: {reason}"


@dataclass(frozen=True)
class Workspace:
    """What the plans of all runs need to know."""

    root: Path
    policy: Policy
    sealed: Sealed | None
    used: frozenset[str]  # files that a table or a page of the workspace was made from


@index.in_memory()
def look(root: Path, policy: Policy) -> Workspace:
    """Return what the plans of a workspace need. Raises Missing, Invalid for a broken ledger."""
    if package.is_package(root):
        raise Invalid(root, "a workspace", "the package of one run")
    ledger.check(root)
    records.check_ledger(root)
    path = locations.workspace_path(root, records.WORKSPACE)
    record = json_files.try_load(path, records.WORKSPACE).members
    used = frozenset(_inputs(record))
    sealed = seals.newest(root)
    return Workspace(
        root,
        policy,
        sealed,
        used,
    )


def _inputs(record: Json) -> dict[str, str]:
    """Return each file that something was made from, with what was, as a record says."""
    inputs = {}
    for row in record.get("files", ()):
        for source in row["inputs"]:
            path = source["path"]
            inputs[path] = row["path"]
    return inputs


@index.in_memory()
def plan(workspace: Workspace, tag: str | None) -> list[RunPlan]:
    """Return the plan of every run, or of those of a tag, oldest first. Raises AmbiguousRun."""
    root = workspace.root
    known = ledger_rows.read(root)
    runs = which_runs.list_runs(root)
    if tag is not None:
        runs, _ = which_runs.choose(root, tag, runs, known)
    # What another member closed, only that member archives.
    runs = [run for run in runs if not ledger.owner(root, run)]
    results = verification.check_runs(
        root,
        runs,
        known,
        Computations((), ()),
        lambda *_: None,
    )
    lines = known.by_run()
    plans = []
    for result in results:
        of_run = lines.get(result.run, ())
        run = closed_run.look(root, result.run, of_run)
        run_plan = _plan_run(workspace, run, result.findings)
        plans.append(run_plan)
    return plans


def plan_again(workspace: Workspace, run_paths: RunPaths) -> RunPlan:
    """Return the plan of one run, whose lock this process holds. Raises Missing, Invalid."""
    root = workspace.root
    ledger.check(root)
    ledger.check_own(root, run_paths.run)
    rows = ledger.rows_of(root, run_paths.run)
    of_run = tuple(ledger.line_of(row).decode() for row in rows)
    result = one_run.check(
        root,
        (),
        run_paths.run,
        of_run,
    )
    run = closed_run.look(root, run_paths.run, of_run)
    return _plan_run(
        workspace,
        run,
        result.findings,
        is_locked=True,
    )


def _plan_run(
    workspace: Workspace,
    run: ClosedRun,
    findings: Sequence[Finding],
    is_locked: bool = False,
) -> RunPlan:
    """Return what may be archived of a run; `is_locked`: this process holds its lock."""
    run_paths = run.run_paths
    row = archives.row_in_force(run_paths.root, run_paths.run)
    if row is not None:
        return _describe_archived(run_paths, row)
    if not is_locked and _is_at_work(run_paths):
        reason = "another process works on it"
        return RunPlan(run_paths, State.ACTIVE, reason)
    objections = (
        *_why_not_closed(run),
        *_why_edited(findings),
        *_why_not_sealed(workspace, run),
    )
    for state, reason in objections:
        return RunPlan(run_paths, state, reason)
    files, kept = _choose(workspace, run)
    state = State.READY if files else State.NOTHING
    return RunPlan(
        run_paths,
        state,
        files=tuple(files),
        kept=tuple(kept),
    )


def _is_at_work(run_paths: RunPaths) -> bool:
    """Return whether a process holds the lock of a run."""
    tag = run_names.folder_tag(run_paths.name.tag)
    lock = run_paths.root / locations.LOCKS / f"run-{tag}.lock"
    return locks.is_held(lock)


def _why_not_closed(run: ClosedRun) -> Iterator[Objection]:
    record = run.record
    if run.decision is None or run.audit is None or record is None:
        yield State.NOT_CLOSED, _CLOSE
        return
    if record["open"] or record["complete"] is None:
        yield State.INCOMPLETE, f"its closing was interrupted; {_CLOSE}"
    manifest = run.manifest or {"files": []}
    paths = {file["path"] for file in manifest["files"]}
    was_given_up = manifest.get("abandoned") is not None
    if was_given_up and run.path("result") not in paths:
        yield State.ACTIVE, "it was given up without a result, and may have one yet"


def _why_edited(findings: Sequence[Finding]) -> Iterator[Objection]:
    for finding in findings:
        if finding.kind is Kind.BROKEN:
            problem = f"{finding.file}: expected {finding.expected}, found {finding.actual}"
            yield State.EDITED, f"{problem}; {_VERIFY}"


def _why_not_sealed(workspace: Workspace, run: ClosedRun) -> Iterator[Objection]:
    """Yield why no seal holds a run as it is."""
    sealed = workspace.sealed
    if sealed is None:
        yield State.NOT_SEALED, f"the workspace has no good seal; {_SEAL}"
        return
    numbers = [0]
    for row in run.rows:
        # What was archived and restored again is no reason for another seal.
        if closed_run.kind(row) != closed_run.RETENTION:
            numbers.append(row["number"])
    newest = max(numbers)
    if newest > sealed.rows:
        yield State.NOT_SEALED, f"row {newest} of the ledger came after the seal; {_SEAL}"
    if not sealed.holds(workspace.root, run.run_paths):
        yield State.NOT_SEALED, f"its closing record is not the one of the seal; {_SEAL}"


def _choose(workspace: Workspace, run: ClosedRun) -> tuple[list[Json], list[Json]]:
    """Return which files of a run may be archived, and which the policy names but must stay."""
    used = dict.fromkeys(workspace.used, "a page of the workspace")
    used |= _inputs(run.record or {})
    files = []
    kept = []
    recorded = sorted(_recorded(run), key=itemgetter("path"))
    for file in recorded:
        path = file["path"]
        why = workspace.policy.why(run.run_paths, path)
        if not why:
            continue
        if path in used:
            stays = f"{used[path]} was made from it"
            kept.append({"path": path, "why": stays})
        elif not _is_movable(workspace.root, path):
            stays = f"it is on another file system than {ORIGINALS}"
            kept.append({"path": path, "why": stays})
        else:
            files.append({**file, "why": why})
    return files, kept


def _recorded(run: ClosedRun) -> Iterator[Json]:
    """Yield what has a digest: the evidence, and what was kept when other files replaced it."""
    manifest = run.manifest or {"files": []}
    for file in manifest["files"]:
        # Early manifests list what desktops and editors leave, too.
        if evidence.is_evidence(file["path"]):
            yield _file(file["path"], file["size"], file["sha256"])
    record = run.record or {"files": []}
    run_folder, *_ = run.folders
    for row in record["files"]:
        path = row["path"]
        if path.startswith(f"{run_folder}/{locations.SUPERSEDED}/"):
            status = (run.run_paths.root / path).stat()
            yield _file(path, status.st_size, row["sha256"])


def _file(
    path: str,
    size: int,
    sha256: str,
) -> Json:
    return {
        "path": path,
        "size": size,
        "sha256": sha256,
    }


def _is_movable(root: Path, path: str) -> bool:
    """Return whether a file can be renamed into the folder of originals."""
    device = disk.device_of(root / path)
    return device == disk.device_of(root / ORIGINALS)


def _describe_archived(run_paths: RunPaths, row: Json) -> RunPlan:
    """Return how a run stands of which an archive is in force."""
    try:
        files = archives.read_index(run_paths.root, row)
        left = [path for path in files if _is_left(run_paths, path)]
        originals = _originals(run_paths)
    except PostRunError as error:
        problem = run_paths.without_root(error)
        return RunPlan(run_paths, State.EDITED, problem)
    reason = f"row {row['number']} of the ledger"
    state = State.ARCHIVED
    if left:
        number = terminal.counted(len(left), "file")
        reason += f"; {number} of it still in place; {_GO_ON}"
        state = State.UNFINISHED
    elif originals:
        size = sum(path.stat().st_size for path in originals)
        reason += f"; its originals still take {size:,} bytes"
    return RunPlan(
        run_paths,
        state,
        reason,
        free=free_command(run_paths),
    )


def _is_left(run_paths: RunPaths, path: str) -> bool:
    """Return whether an archived file is still in its place, and was not put back by hand."""
    root = run_paths.root
    original = root / ORIGINALS / run_paths.run / path
    return disk.is_present(root / path) and not disk.is_present(original)


def _originals(run_paths: RunPaths) -> list[Path]:
    """Return the files that were moved away. Raises Missing for a folder that cannot be read."""
    # A search by `rglob` would leave out a folder that cannot be listed.
    originals = []
    folders = [run_paths.root / ORIGINALS / run_paths.run]
    while folders:
        folder = folders.pop()
        for name in disk.list_names(folder):
            path = folder / name
            if disk.is_folder(path):
                folders.append(path)
            elif disk.is_file(path):
                originals.append(path)
    return originals


def free_command(run_paths: RunPaths) -> str | None:
    """Return the command that removes the originals of a run, for a person; None without any.

    Raises Missing for a folder that cannot be read.
    """
    if not _originals(run_paths):
        return None
    folder = f"{run_paths.root}/{ORIGINALS}/{run_paths.run}"
    # A line break could not be shown as it is: then the line is for who stands in the workspace.
    if not folder.isprintable():
        folder = f"{ORIGINALS}/{run_paths.run}"
    return shlex.join(["rm", "-r", "--", folder])


def total(plans: Sequence[RunPlan]) -> int:
    """Return the bytes of all files that may go."""
    return sum(run_plan.size for run_plan in plans)
