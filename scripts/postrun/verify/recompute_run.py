"""What the steps of one run give again from its evidence."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from postrun.core.artifacts import Home
from postrun.core.request import RunRequest
from postrun.store import evidence
from postrun.verify import files, recompute
from postrun.verify.closed_run import RECORD, ClosedRun
from postrun.verify.findings import Finding, broken, listed
from postrun.verify.recompute import GIVEN_AGAIN, Again, Computation

_AUDIT_STEP = "governance-audit"
# The audit compares times of these files with the times that they name.
_TIMED = ("preflight", "result", "production_gates_report")


def check(
    computations: Sequence[Computation],
    run: ClosedRun,
    broken_files: Collection[str],
) -> Iterator[Finding]:
    """Yield what the steps of a run do not give again; some files are known to be broken."""
    record = run.record
    # Nothing is computed again in a package: the workspace's tables are elsewhere.
    if not computations:
        return
    if record is None or run.decision is None:
        return
    others = recompute.other_versions(record)
    if others:
        yield listed(run.path(RECORD), GIVEN_AGAIN, f"not recomputed: written by {others}")
        return
    chosen = dict(computations)
    why = _why_no_audit(run, broken_files)
    if why:
        del chosen[_AUDIT_STEP]
        path = run.path("governance_audit_check")
        yield listed(path, GIVEN_AGAIN, f"not recomputed: {why}")
    root = run.run_paths.root
    run_folder = run.run_paths.folder(Home.RUN)
    request = RunRequest(root, run_dir=run_folder)
    again = recompute.compute(request, run.run_paths, chosen.items())
    yield from recompute.compare(root, record, again)
    yield from _check_decision(run, again)
    # What is broken already keeps the steps from computing anything.
    if not broken_files:
        for step, error in again.errors.items():
            yield broken(run.folders[0], f"a run for which {step} can work", error)


def _check_decision(run: ClosedRun, again: Again) -> Iterator[Finding]:
    """Yield a decision other than the evidence gives: a closing would add another row."""
    path = run.path("stage_ledger")
    if path in again.written and run.decision is not None:
        row = run.decision["number"]
        expected = f"row {row} as the evidence of {run.run_paths.run} gives it again"
        yield broken(path, expected, "another decision", run.close_again())


def _why_no_audit(run: ClosedRun, broken_files: Collection[str]) -> str:
    """Return why the audit cannot be computed again: it compares all evidence with the manifest."""
    for path in broken_files:
        is_below = path.startswith(run.folders)
        if is_below and evidence.is_evidence(path):
            return f"{path} is broken"
    if _times_changed(run):
        return "times of files are later than the closing"
    return ""


def _times_changed(run: ClosedRun) -> bool:
    """Return whether files were written after the manifest: copied without their times, say."""
    manifest = run.manifest
    if manifest is None:
        return True
    generated_at = datetime.fromisoformat(manifest["generated_at"])
    written = generated_at.timestamp()
    for artifact in _TIMED:
        path = run.run_paths.path(artifact)
        if files.is_file(path) and path.stat().st_mtime > written + 1:
            return True
    return False
