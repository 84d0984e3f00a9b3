"""A whole workspace, on one core and on several; what hangs on what is broken."""

import os

import pytest

from harness.verified import ClosedRuns
from postrun.core import locations
from postrun.verify.findings import Kind


def test_a_closed_workspace_is_whole(closed: ClosedRuns) -> None:
    assert closed.findings() == ()


@pytest.mark.parametrize("cores", [1, 4])
def test_all_that_is_broken_is_named_on_any_number_of_cores(
    closed: ClosedRuns, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    paths = {closed.path("run_log"), closed.path("run_log", 2)}
    for path in paths:
        closed.edit(path, lambda content: content + b"more")
    assert closed.broken() == paths


def test_what_hangs_on_a_broken_file(closed: ClosedRuns) -> None:
    path = closed.path("context")
    closed.edit(path, lambda content: content + b" ")
    [finding] = [finding for finding in closed.findings() if finding.kind is Kind.BROKEN]
    assert closed.path("governance_audit_check") in finding.affects
    assert closed.path("governance_remediation_plan") in finding.affects
    assert closed.path("governance_audit_check", 1) not in finding.affects


def test_one_tag_alone(closed: ClosedRuns) -> None:
    closed.edit(closed.path("run_log", 1), lambda content: content + b"more")
    assert closed.findings("run0") == ()
    broken = [finding for finding in closed.findings("run1") if finding.kind is Kind.BROKEN]
    assert [finding.file for finding in broken] == [closed.path("run_log", 1)]


def test_a_workspace_without_runs(closed: ClosedRuns) -> None:
    for path in (closed.root / locations.RUNS).iterdir():
        path.rename(closed.root / path.name)
    folders = {f"{locations.RUNS}/{made.run_folder}" for made in closed.made}
    assert folders <= closed.broken()
