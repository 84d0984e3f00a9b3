"""Schemas of our files, and links in our pages."""

import pytest

from harness.verified import ClosedRuns
from postrun.core.artifacts import Home
from postrun.verify import documents
from postrun.verify.findings import Finding


def found(closed: ClosedRuns) -> list[Finding]:
    run_paths = closed.run_paths()
    return [
        *documents.check(run_paths, Home.RUN, Home.GATE),
        *documents.check(run_paths, Home.WORKSPACE),
    ]


def test_what_was_written_fits(closed: ClosedRuns) -> None:
    assert found(closed) == []


@pytest.mark.parametrize(
    "artifact",
    ["governance_audit_check", "factor_experiment_registry", "stage_ledger", "next_run_plan"],
)
def test_a_document_that_does_not_fit_is_named(closed: ClosedRuns, artifact: str) -> None:
    path = closed.path(artifact)
    closed.edit(path, lambda content: content.replace(b"production_gates", b"\xff", 1))
    assert [finding.file for finding in found(closed)] == [path]


def test_a_link_that_leads_nowhere_is_named(closed: ClosedRuns) -> None:
    page = closed.path("governance_audit_check", suffix=".md")
    links = "[a](governance_audit_check.json) [b](#x) [c](https://x.org) [d](gone%20file.md#part)"
    closed.edit(page, lambda content: content + links.encode())
    [finding] = found(closed)
    assert (finding.file, finding.expected) == (page, "a link to a file: gone%20file.md#part")


def test_the_users_own_links_do_not_matter(closed: ClosedRuns) -> None:
    closed.edit(closed.path("stage_audit_log"), lambda content: content + b"[x](gone.md)\n")
    assert found(closed) == []
