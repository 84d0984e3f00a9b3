"""What the run folders and policies give again: the tables and pages of the workspace."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from postrun.core.artifacts import SITE
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.core.values import Json
from postrun.verify import recompute
from postrun.verify.findings import Finding, Kind, broken, broken_files
from postrun.verify.recompute import GIVEN_AGAIN, Computation

_HANDOFF = "audit/session_handoff/"
_REFUSED = "its step was refused: "


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
            yield broken(
                row["path"],
                GIVEN_AGAIN,
                f"{_REFUSED}{error}",
            )


def without_consequences(findings: Sequence[Finding], is_broken: bool = False) -> list[Finding]:
    """Return the findings without those that follow from others.

    The handoff's page says what is wrong with all the rest: where anything is, it would be another
    one today. A step that was refused is only listed where something broken explains it.
    """
    others = []
    for finding in findings:
        if not (_is_of_handoff(finding) or _is_refused(finding)):
            others.append(finding)
    if not (is_broken or broken_files(others)):
        return list(findings)
    kept = []
    for finding in findings:
        if _is_of_handoff(finding):
            continue
        if _is_refused(finding):
            finding = replace(finding, kind=Kind.LISTED)
        kept.append(finding)
    return kept


def _is_of_handoff(finding: Finding) -> bool:
    return finding.file.startswith(_HANDOFF) and finding.expected == GIVEN_AGAIN


def _is_refused(finding: Finding) -> bool:
    return finding.expected == GIVEN_AGAIN and finding.actual.startswith(_REFUSED)
