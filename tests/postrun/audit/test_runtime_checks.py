"""Runtime: each check passes for a clean run, and fails for one reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.clean_run import with_report
from postrun.audit import runtime_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


def test_a_preflight_that_failed_gives_its_reasons(clean_facts: Facts) -> None:
    preflight = Document({"status": "fail", "reasons": ["too few cores"]})
    answer = checks.preflight_passed(replace(clean_facts, preflight=preflight))
    assert (answer.passed, answer.observed) == (False, "status 'fail': too few cores")


def test_a_program_that_writes_0_as_0_0_has_ended_well(clean_facts: Facts) -> None:
    facts = replace(clean_facts, result=Document({"exit_code": 0.0}))
    answer = checks.exit_code_zero(facts)
    assert (answer.passed, answer.observed) == (True, "exit code 0")


@pytest.mark.parametrize("code", [1, 1.0, 0.5, -9, None, False, "0"])
def test_only_the_number_0_is_exit_code_0(clean_facts: Facts, code: object) -> None:
    facts = replace(clean_facts, result=Document({"exit_code": code}))
    assert not checks.exit_code_zero(facts).passed


def test_an_option_that_skips_is_named(clean_facts: Facts) -> None:
    facts = with_report(clean_facts, "inputs", skip_guardrails="maybe")
    assert checks.no_stage_skipped(facts).observed == "skip_guardrails is 'maybe'"
    assert checks.not_a_dry_run(facts).passed


def test_a_dry_run_is_no_skipped_stage(clean_facts: Facts) -> None:
    facts = with_report(clean_facts, "inputs", dry_run=True)
    assert checks.not_a_dry_run(facts).observed == "dry_run is true"
    assert checks.no_stage_skipped(facts).passed


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"ok": False, "reason": "no data"}, "risk_diagnostics is not ok: no data"),
        ({"return_code": 3}, "risk_diagnostics ended with 3"),
    ],
)
def test_a_stage_that_failed_is_named(
    clean_facts: Facts, members: dict[str, Any], fault: str
) -> None:
    facts = with_report(clean_facts, "risk_diagnostics", **members)
    assert checks.stages_succeeded(facts).observed == fault
    skipped = with_report(facts, "inputs", skip_risk_diagnostics=True)
    assert checks.stages_succeeded(skipped).passed
