"""Files that only grow: journals and approvals, on their own and as they were at the closing."""

from collections.abc import Iterator

from postrun.core.errors import PostRunError
from postrun.store import journals
from postrun.verify import files
from postrun.verify.closed_run import ClosedRun
from postrun.verify.findings import Finding, broken

_JOURNALS = ("monitor_events", "notifications")
_RESTORE = "restore it from a backup"


def check(run: ClosedRun) -> Iterator[Finding]:
    """Yield each journal that is damaged, and what is shorter, other or gone since the closing."""
    root = run.run_paths.root
    damaged = set()
    for artifact in _JOURNALS:
        path = run.path(artifact)
        if path not in run.present:
            continue
        for fault in _faults(run, path):
            damaged.add(path)
            yield broken(path, "a journal that only grows", fault, _RESTORE)
    record = run.record or {"complete": None}
    complete = record["complete"] or {"journals": []}
    for state in complete["journals"]:
        path = state["path"]
        if path in damaged:
            continue
        fault = files.digest(root / path).problem
        if not fault:
            change = journals.changed_since(root, state)
            fault = run.run_paths.without_root(change)
        if fault:
            yield broken(path, "all that was in it when the run was closed", fault, _RESTORE)


def _faults(run: ClosedRun, path: str) -> list[str]:
    """Return what is wrong with a journal on its own."""
    file = run.run_paths.root / path
    digest = files.digest(file)
    # Nothing waits for a FIFO.
    if digest.problem:
        return [digest.problem]
    try:
        faults = journals.faults(file)
    except PostRunError as error:
        faults = [str(error)]
    return list(map(run.run_paths.without_root, faults))
