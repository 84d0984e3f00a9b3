"""What may be archived of each run, and why a run is left out. Writes nothing.

A run is asked everything that `make verify` asks of it, but for what its steps give again: a run of
which anything is broken is left out.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
    findings,
    ledger_rows,
    one_run,
    package,
    verification,
    which_runs,
)
from postrun.verify.closed_run import ClosedRun
from postrun.verify.one_run import RunResult
from postrun.verify.verification import Computations

_SEAL = "seal the workspace: make seal"
_CLOSE = "close the run: make finalize TAG=..."


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
    path = RunPaths.of_workspace(root).path(records.WORKSPACE)
    document = json_files.try_load(path, records.WORKSPACE).members
    used = frozenset(_inputs(document))
    return Workspace(root, policy, seals.newest(root), used)


def _inputs(record: Json) -> Iterator[str]:
    """Yield each file that something was made from, as a record says."""
    for row in record.get("files", ()):
        for source in row["inputs"]:
            yield source["path"]


@index.in_memory()
def plan(workspace: Workspace, tag: str | None) -> list[RunPlan]:
    """Return the plan of every run, or of those of a tag, oldest first. Raises AmbiguousRun."""
    root = workspace.root
    known = ledger_rows.read(root)
    runs = which_runs.list_runs(root)
    if tag is not None:
        runs, _ = which_runs.choose(root, tag, runs, known)
    nothing = Computations((), ())
    results = verification.check_runs(root, runs, known, nothing, lambda *_: None)
    lines = known.by_run()
    plans = []
    for result in results:
        run = closed_run.look(root, result.run, lines.get(result.run, ()))
        plans.append(_plan_run(workspace, run, result))
    return plans


def plan_again(workspace: Workspace, run_paths: RunPaths) -> RunPlan:
    """Return the plan of one run whose lock the caller holds."""
    root = workspace.root
    ledger.check(root)
    lines = []
    for row in ledger.rows_of(root, run_paths.run):
        line = json_files.encode_line(row).decode()
        lines.append(line.removesuffix("\n"))
    result = one_run.check(root, (), run_paths.run, tuple(lines))
    run = closed_run.look(root, run_paths.run, tuple(lines))
    return _plan_run(workspace, run, result, is_ours=True)


def _plan_run(
    workspace: Workspace,
    run: ClosedRun,
    result: RunResult,
    is_ours: bool = False,
) -> RunPlan:
    """Return what may be archived of a run; `is_ours`: this process holds its lock."""
    run_paths = run.run_paths
    row = archives.row_in_force(run_paths.root, run_paths.run)
    if row is not None:
        return _describe_archived(run_paths, row)
    for state, reason in _objections(workspace, run, result, is_ours):
        return RunPlan(run_paths, state, reason)
    files, kept = _choose(workspace, run)
    state = State.READY if files else State.NOTHING
    return RunPlan(run_paths, state, "", tuple(files), tuple(kept))


def _objections(
    workspace: Workspace,
    run: ClosedRun,
    result: RunResult,
    is_ours: bool,
) -> Iterator[tuple[State, str]]:
    """Yield each reason to leave a run alone, the plainest first."""
    lock = run.run_paths.root / locations.LOCKS / _lock_name(run.run_paths)
    if not is_ours and locks.is_held(lock):
        yield State.ACTIVE, "another process works on it"
    record = run.record
    if run.decision is None or run.audit is None or record is None:
        yield State.NOT_CLOSED, _CLOSE
        return
    if record["open"] or record["complete"] is None:
        yield State.INCOMPLETE, f"its closing was interrupted; {_CLOSE}"
    manifest = run.manifest or {}
    has_result = run.path("result") in {file["path"] for file in manifest.get("files", ())}
    if manifest.get("abandoned") is not None and not has_result:
        yield State.ACTIVE, "it was given up without a result, and may have one yet"
    broken = [finding for finding in result.findings if finding.kind is findings.Kind.BROKEN]
    if broken:
        first, *_ = broken
        problem = f"{first.file}: expected {first.expected}, found {first.actual}"
        yield State.EDITED, f"{problem}; see everything: make verify TAG=..."
    yield from _unsealed(workspace, run)


def _lock_name(run_paths: RunPaths) -> str:
    return f"run-{run_names.folder_tag(run_paths.name.tag)}.lock"


def _unsealed(workspace: Workspace, run: ClosedRun) -> Iterator[tuple[State, str]]:
    """Yield why a seal does not hold a run as it is."""
    sealed = workspace.sealed
    if sealed is None:
        yield State.NOT_SEALED, f"the workspace has no good seal; {_SEAL}"
        return
    # What was archived and restored again is no reason for another seal.
    numbers = [row["number"] for row in run.rows if closed_run.kind(row) != ledger.RETENTION]
    if max(numbers) > sealed.rows:
        yield State.NOT_SEALED, f"row {max(numbers)} of the ledger came after the seal; {_SEAL}"
    if not sealed.holds(workspace.root, run.run_paths):
        yield State.NOT_SEALED, f"its closing record is not the one of the seal; {_SEAL}"


def _choose(workspace: Workspace, run: ClosedRun) -> tuple[list[Json], list[Json]]:
    """Return which files of a run may be archived, and which the policy names but must stay."""
    used: dict[str, str] = dict.fromkeys(workspace.used, "a page of the workspace")
    for row in (run.record or {})["files"]:
        for source in row["inputs"]:
            used[source["path"]] = row["path"]
    files = []
    kept = []
    for file in sorted(_recorded(run), key=lambda recorded: recorded["path"]):
        path = file["path"]
        why = workspace.policy.why(run.run_paths, path)
        if not why:
            continue
        problem = ""
        if path in used:
            problem = f"{used[path]} was made from it"
        elif not _is_movable(workspace.root, path):
            problem = f"it is on another file system than {ORIGINALS}"
        if problem:
            kept.append({"path": path, "why": problem})
        else:
            files.append({**file, "why": why})
    return files, kept


def _recorded(run: ClosedRun) -> Iterator[Json]:
    """Yield what has a digest: the evidence, and what the record says was kept of earlier."""
    for file in (run.manifest or {})["files"]:
        # Early manifests list what desktops and editors leave, too.
        if evidence.is_evidence(file["path"]):
            yield {name: file[name] for name in ("path", "size", "sha256")}
    folder = f"{run.folders[0]}/{locations.SUPERSEDED}/"
    for row in (run.record or {})["files"]:
        if row["path"].startswith(folder):
            size = (run.run_paths.root / row["path"]).stat().st_size
            yield {"path": row["path"], "size": size, "sha256": row["sha256"]}


def _is_movable(root: Path, path: str) -> bool:
    """Return whether a file can be renamed into the folder of originals."""
    return disk.device_of(root / path) == disk.device_of(root / ORIGINALS)


def _describe_archived(run_paths: RunPaths, row: Json) -> RunPlan:
    """Return how a run stands of which an archive is in force."""
    reason = f"row {row['number']} of the ledger"
    try:
        archived = archives.read_index(run_paths.root, row)
    except PostRunError as error:
        return RunPlan(run_paths, State.EDITED, run_paths.without_root(error))
    left = [path for path in archived if _is_left(run_paths, path)]
    free = free_command(run_paths)
    if left:
        files = terminal.counted(len(left), "file")
        reason += f"; {files} of it still in place: make retention-archive TAG=..."
        return RunPlan(run_paths, State.UNFINISHED, reason, free=free)
    if free is not None:
        size = terminal.counted(_size_of_originals(run_paths), "byte")
        reason += f"; its originals still take {size}"
    return RunPlan(run_paths, State.ARCHIVED, reason, free=free)


def _is_left(run_paths: RunPaths, path: str) -> bool:
    """Return whether an archived file is still in its place, and was not put back by hand."""
    original = run_paths.root / ORIGINALS / run_paths.run / path
    return disk.is_present(run_paths.root / path) and not disk.is_present(original)


def _originals(run_paths: RunPaths) -> Iterator[Path]:
    folder = run_paths.root / ORIGINALS / run_paths.run
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path


def _size_of_originals(run_paths: RunPaths) -> int:
    return sum(path.stat().st_size for path in _originals(run_paths))


def free_command(run_paths: RunPaths) -> str | None:
    """Return the command that removes the originals of a run, for a person; None without any."""
    if not any(_originals(run_paths)):
        return None
    folder = run_paths.root / ORIGINALS / run_paths.run
    return shlex.join(["rm", "-r", "--", str(folder)])


def total(plans: Sequence[RunPlan]) -> int:
    """Return the bytes of all files that may go."""
    return sum(plan_of_run.size for plan_of_run in plans)
