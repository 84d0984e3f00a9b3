"""Approvals and seals: whose signatures they are, and whether what they sign is as it was."""

from collections.abc import Iterator
from pathlib import Path

from postrun.core.artifacts import SEALS
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import approvals, seals, signed_files
from postrun.verify import files
from postrun.verify.findings import Finding, broken, listed

_SIGNED = "a good signature, and what it signs as it was"
_CHECKABLE = "signatures that can be checked"


def check_seals(root: Path) -> Iterator[Finding]:
    """Yield what there is to say of every seal, and of what was sealed."""
    findings = seals.verify(root)
    yield from _read(root, SEALS, findings)


def check_approvals(run_paths: RunPaths) -> Iterator[Finding]:
    """Yield what there is to say of every approval of a run."""
    folder = approvals.folder_of(run_paths)
    findings = approvals.verify(run_paths)
    name = run_paths.relative(folder)
    yield from _read(run_paths.root, name, findings)


def _read(
    root: Path,
    folder: str,
    findings: Iterator[signed_files.Finding],
) -> Iterator[Finding]:
    """Yield each finding in the words of a verification."""
    try:
        for finding in findings:
            make = listed
            if finding.is_broken:
                make = broken
            yield make(
                finding.path,
                _SIGNED,
                finding.summary,
            )
    except Missing as error:
        # Without ssh-keygen nothing is proven, and nothing is disproven.
        yield listed(folder, _CHECKABLE, str(error))
    except PostRunError as error:
        # It is the ledger that cannot be read, which is named by itself.
        if files.is_there(root / folder):
            yield broken(folder, _CHECKABLE, str(error))
