"""Ledger: each check passes for a clean run, and fails for one reason."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from postrun.audit import ledger_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


def test_a_broken_chain_is_named(clean_facts: Facts) -> None:
    ledger = replace(clean_facts.ledger, problem="row 2 does not follow row 1")
    answer = checks.ledger_chain_intact(replace(clean_facts, ledger=ledger))
    assert (answer.passed, answer.observed) == (False, "row 2 does not follow row 1")


def test_a_run_needs_a_row_about_this_evidence(clean_facts: Facts) -> None:
    nothing = replace(clean_facts, ledger=replace(clean_facts.ledger, value=[]))
    assert checks.ledger_row_present(nothing).observed == "no row"
    other = replace(clean_facts, evidence=replace(clean_facts.evidence, digest="0" * 64))
    assert "other evidence" in checks.ledger_row_present(other).observed


@pytest.mark.parametrize("result", [Document({"exit_code": 1}), Document()])
def test_a_pass_that_the_evidence_denies_is_found(clean_facts: Facts, result: Document) -> None:
    answer = checks.ledger_row_present(replace(clean_facts, result=result))
    assert not answer.passed
    assert "do not support" in answer.observed
