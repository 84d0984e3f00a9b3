"""The readable view of the ledger: its block is what the ledger gives, to the byte."""

from collections.abc import Iterator
from pathlib import Path

from postrun.core import disk, locations, version
from postrun.core.errors import PostRunError
from postrun.store import ledger, ledger_view
from postrun.verify import files
from postrun.verify.findings import Finding, broken, listed, of_error
from postrun.verify.ledger_rows import LedgerLines

VIEW = "docs/production_research/STAGE_AUDIT_LOG.md"
_GIVEN = "what the ledger gives"
_HINT = "close a run again: make finalize TAG=..."


def check(root: Path, known: LedgerLines) -> Iterator[Finding]:
    """Yield a view that is not what the ledger gives. The user's own text does not matter."""
    path = locations.workspace_path(root, "stage_audit_log")
    digest = files.digest(path)
    if digest.problem not in ("", files.NOTHING):
        yield broken(VIEW, "a page that can be read", digest.problem, _HINT)
        return
    try:
        last_row = ledger.last_row_in_view(root)
    except PostRunError as error:
        yield of_error(VIEW, error)
        return
    # A ledger that lacks what the view shows is named itself.
    if not known.lines or ledger.faults(root):
        return
    expected = f"the digest of row {len(known.lines)} of the ledger"
    if last_row != known.digests[-1]:
        actual = digest.problem or "another, or none"
        yield broken(VIEW, expected, actual, _HINT)
        return
    if _given_again(root, path) == files.read(path):
        return
    *_, row = known.rows
    writer = row.get("program_version", "an earlier release")
    if writer == version.program_version():
        actual = "something else between the marks"
        yield broken(VIEW, _GIVEN, actual, _HINT)
    else:
        yield listed(VIEW, _GIVEN, f"not recomputed: written by {writer}")


def _given_again(root: Path, path: Path) -> bytes | None:
    """Return the document as a closing would write it."""
    with disk.captured() as contents:
        ledger.publish(root, ledger_view.render(root))
    return contents.get(path)
