"""Data quality: each check passes for a clean run, and fails for one reason."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from postrun.audit import data_quality_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts, Unreadable


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


@pytest.mark.parametrize(
    ("option", "passed"), [(0, True), (False, True), (1, False), (None, False)]
)
def test_the_gate_ran_when_it_was_not_skipped(
    clean_facts: Facts, option: object, passed: bool
) -> None:
    facts = replace(clean_facts, context=Document({"skip_data_quality_check": option}))
    assert checks.data_quality_ran(facts).passed is passed


def test_without_a_context_the_report_shows_that_the_gate_ran(clean_facts: Facts) -> None:
    facts = replace(clean_facts, context=Document(problem="broken"))
    answer = checks.data_quality_ran(facts)
    assert answer.passed
    assert answer.observed == "no context can be read; the report of the gate is there"
    facts = replace(facts, data_quality=Document(problem="none among the evidence"))
    answer = checks.data_quality_ran(facts)
    assert (answer.passed, answer.observed) == (
        False,
        "no context can be read; none among the evidence",
    )


def test_a_report_that_is_elsewhere_is_not_found(clean_facts: Facts) -> None:
    facts = replace(clean_facts, data_quality=Document(problem="not among the evidence"))
    with pytest.raises(Unreadable, match=r"^not among the evidence$"):
        checks.data_quality_report_found(facts)


def test_a_pass_that_its_own_checks_deny_is_none(clean_facts: Facts) -> None:
    report = {"overall_pass": True, "checks": {"freshness": False}, "failures": []}
    answer = checks.data_quality_passed(replace(clean_facts, data_quality=Document(report)))
    assert answer.observed == "overall_pass is true; freshness is false"


def test_a_report_without_checks_passes_nothing(clean_facts: Facts) -> None:
    facts = replace(clean_facts, data_quality=Document({"overall_pass": True}))
    assert checks.data_quality_passed(facts).observed == "overall_pass is true; no checks"
