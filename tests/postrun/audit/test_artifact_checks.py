"""Artifacts: each check passes for a clean run, and fails for one reason."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from postrun.audit import artifact_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts, Unreadable

UNREADABLE = Document(problem="half of a file", path="x.json")


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


def test_changed_evidence_is_listed(clean_facts: Facts) -> None:
    evidence = replace(clean_facts.evidence, changed=("a.json has changed",))
    answer = checks.evidence_unchanged(replace(clean_facts, evidence=evidence))
    assert (answer.passed, answer.observed) == (False, "a.json has changed")


def test_a_copy_that_was_never_compared_is_not_verified(clean_facts: Facts) -> None:
    evidence = replace(clean_facts.evidence, manifest=Document({"verified": False}))
    answer = checks.evidence_verified(replace(clean_facts, evidence=evidence))
    assert not answer.passed
    assert "--no-sync" in answer.observed


def test_files_that_are_missing_are_named(clean_facts: Facts) -> None:
    log = clean_facts.run_paths.relative(clean_facts.run_paths.path("run_log"))
    present = clean_facts.evidence.present - {log}
    facts = replace(clean_facts, evidence=replace(clean_facts.evidence, present=present))
    answer = checks.run_files_present(facts)
    assert (answer.passed, answer.evidence) == (False, log)
    assert checks.report_files_present(facts).passed


def test_without_a_report_of_its_own_it_fails(clean_facts: Facts) -> None:
    facts = replace(clean_facts, run_paths=replace(clean_facts.run_paths, gate=None))
    assert checks.report_files_present(facts).observed == "no gate report belongs to this run"


def test_what_cannot_be_read_fails_with_its_problem(clean_facts: Facts) -> None:
    facts = replace(clean_facts, context=UNREADABLE, report=UNREADABLE, has_summary=False)
    for check in (checks.context_readable, checks.report_readable):
        with pytest.raises(Unreadable, match=r"^half of a file$"):
            check(facts)
    assert not checks.final_summary_present(facts).passed
