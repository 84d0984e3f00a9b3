"""Consistency: each check passes for a clean run, and fails for one reason."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.clean_run import with_report
from postrun.audit import consistency_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts, Unreadable


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


def test_every_file_with_another_tag_is_named(clean_facts: Facts) -> None:
    facts = replace(clean_facts, result=Document({"decision_tag": "run2"}), requested_tag="run3")
    assert checks.tags_agree(facts).observed == "result says 'run2'; command line says 'run3'"


def test_another_run_of_the_tag_is_named(clean_facts: Facts) -> None:
    facts = replace(clean_facts, other_runs_of_tag=("an_older_folder",))
    assert checks.tag_used_once(facts).observed == "an_older_folder"


@pytest.mark.parametrize("written", ["2026-02-21T01:00:00", "2026-02-22T09:00:00", "someday", None])
def test_a_report_of_another_time_is_none_of_this_run(
    clean_facts: Facts, written: str | None
) -> None:
    report = Document({**clean_facts.report.value, "generated_at": written})
    assert not checks.report_belongs_to_run(replace(clean_facts, report=report)).passed


@pytest.mark.parametrize("verdict", ["true", 1, None])
def test_a_verdict_is_true_or_false(clean_facts: Facts, verdict: object) -> None:
    facts = with_report(clean_facts, "gates", overall_pass=verdict)
    assert not checks.overall_pass_boolean(facts).passed


def test_a_gate_that_its_number_denies_is_named(clean_facts: Facts) -> None:
    facts = with_report(clean_facts, "risk_diagnostics", beta_vs_spy=0.9)
    assert "risk_gate_beta_abs: reported true" in checks.gates_recomputed(facts).observed


def test_numbers_that_the_tables_deny_are_named(clean_facts: Facts) -> None:
    facts = with_report(clean_facts, "wf_stress", test_ic_mean=0.5)
    assert "test_ic_mean" in checks.walk_forward_recomputed(facts).observed
    facts = with_report(clean_facts, "statistical_gates", q_value_bh=0.5)
    assert "q_value_bh" in checks.statistics_recomputed(facts).observed


def test_lost_rows_are_found(clean_facts: Facts) -> None:
    assert clean_facts.windows.value
    windows = replace(clean_facts.windows, value=clean_facts.windows.value[1:])
    assert not checks.walk_forward_windows_complete(replace(clean_facts, windows=windows)).passed


def test_windows_of_one_year_are_complete_whatever_wf_test_years_says(clean_facts: Facts) -> None:
    """The reference makes a window for every test year; half of them may be a lost shard."""
    inputs = {**clean_facts.inputs, "wf_test_years": 2}
    report = {**clean_facts.report.members, "inputs": inputs}
    facts = replace(clean_facts, report=Document(report))
    assert checks.walk_forward_windows_complete(facts).passed
    half = replace(clean_facts.windows, value=clean_facts.windows.value[::2])
    answer = checks.walk_forward_windows_complete(replace(facts, windows=half))
    assert (answer.passed, answer.observed) == (
        False,
        "2014 missing; 2016 missing; 2018 missing; 2020 missing; 2022 missing; 2024 missing",
    )
    assert clean_facts.costs.value
    costs = replace(clean_facts.costs, value=clean_facts.costs.value[1:])
    assert not checks.cost_rows_recomputed(replace(clean_facts, costs=costs)).passed


def test_tables_that_cannot_be_read_fail_with_their_problem(clean_facts: Facts) -> None:
    lost = replace(clean_facts.windows, value=None, problem="cut in the middle")
    facts = replace(clean_facts, windows=lost, costs=lost, statistics=Document(problem="cut off"))
    for check in (checks.walk_forward_recomputed, checks.cost_rows_recomputed):
        with pytest.raises(Unreadable, match=r"^cut in the middle$"):
            check(facts)
    with pytest.raises(Unreadable, match=r"^cut off$"):
        checks.statistics_recomputed(facts)
