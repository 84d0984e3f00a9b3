"""What the run folders and policies give again: the tables and pages of the workspace."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from postrun.core.artifacts import SITE
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.core.values import Json
from postrun.verify import recompute
from postrun.verify.findings import Finding, broken_files, listed
from postrun.verify.recompute import GIVEN_AGAIN, Computation

_HANDOFF = "audit/session_handoff/"


def check(
    computations: Sequence[Computation],
    root: Path,
    record: Json,
) -> Iterator[Finding]:
    """Yield the tables and pages that are not what they are made from."""
    request = RunRequest(root)
    workspace = RunPaths.of_workspace(root)
    again = recompute.compute(request, workspace, computations)
    differences = recompute.compare(root, record, again)
    findings = list(differences)
    has_errors = bool(again.errors)
    yield from without_consequences(findings, has_errors)
    named_pages = False
    for row in record["files"]:
        error = again.errors.get(row["step"])
        is_page = row["path"].startswith(f"{SITE}/")
        if error and not (is_page and named_pages):
            # One line for all pages of the site.
            named_pages = named_pages or is_page
            yield listed(
                row["path"],
                GIVEN_AGAIN,
                f"not recomputed: {error}",
            )


def without_consequences(findings: Sequence[Finding], is_broken: bool = False) -> list[Finding]:
    """Return the findings without those of the handoff's page, which follow from others.

    It says what is wrong with all the rest: where anything is, it would be another one today.
    """
    others = [finding for finding in findings if not _is_of_handoff(finding)]
    if is_broken or broken_files(others):
        return others
    return list(findings)


def _is_of_handoff(finding: Finding) -> bool:
    return finding.file.startswith(_HANDOFF) and finding.expected == GIVEN_AGAIN
