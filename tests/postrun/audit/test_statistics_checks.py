"""What a decision about luck rests on: each check passes for a clean run, and fails for one
reason.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness import factory
from harness.clean_run import with_report
from postrun.audit import statistics_checks as checks
from postrun.audit.answers import Answer
from postrun.audit.facts import Document, Facts, Unreadable, unread


def with_windows(facts: Facts, *test_ics: float | None) -> Facts:
    """Return the facts with these test ICs in the first windows, and no more windows."""
    rows = [{**row, "test_ic": ic} for row, ic in zip(facts.windows.value, test_ics, strict=False)]
    return replace(facts, windows=Document(rows, path=facts.windows.path))


@pytest.mark.parametrize("check", checks.CHECKS)
def test_a_clean_run_passes(clean_facts: Facts, check: Callable[[Facts], Answer]) -> None:
    assert check(clean_facts).passed


@pytest.mark.parametrize(("empty", "passed"), [(0, True), (1, True), (2, False), (12, False)])
def test_nine_of_ten_windows_must_be_measured(clean_facts: Facts, empty: int, passed: bool) -> None:
    facts = with_windows(clean_facts, *[None] * empty, *[0.02] * (13 - empty))
    answer = checks.windows_measured(facts)
    assert answer.passed is passed
    assert answer.expected == "a test IC in at least 90% of the 13 windows asked for"
    assert answer.observed.startswith(f"{13 - empty} of 13 windows")
    assert ("none in 2013-01-01" in answer.observed) is (empty > 0)


def test_exactly_nine_of_ten_are_enough(clean_facts: Facts) -> None:
    facts = with_report(clean_facts, "inputs", wf_end_year=2022)
    assert checks.windows_measured(with_windows(facts, None, *[0.02] * 9)).passed


def test_the_answer_names_policy_and_digest(clean_facts: Facts) -> None:
    answer = checks.thresholds_not_weakened(clean_facts)
    version, digest = clean_facts.policy["policy_version"], clean_facts.policy_digest
    assert f"statistics policy {version} ({digest[:12]})" in answer.expected
    weaker = with_report(clean_facts, "inputs", min_pos_ratio=0.5, stat_alpha=0.25)
    answer = checks.thresholds_not_weakened(weaker)
    assert answer.observed == (
        "min_pos_ratio is 0.5, the baseline is at least 0.7; "
        "stat_alpha is 0.25, the baseline is at most 0.1"
    )


@pytest.mark.parametrize(
    ("section", "values", "fault"),
    [
        ("wf_stress", {"test_ic_mean": 1.7}, "wf_stress: test_ic_mean is 1.7"),
        ("risk_diagnostics", {"industry_coverage": 42}, "risk_diagnostics: industry_coverage"),
        ("statistical_gates", {"q_value_bh": -0.5}, "statistical_gates: q_value_bh is -0.5"),
    ],
)
def test_an_impossible_value_is_named_with_its_place(
    clean_facts: Facts, section: str, values: dict[str, Any], fault: str
) -> None:
    answer = checks.values_plausible(with_report(clean_facts, section, **values))
    assert not answer.passed
    assert answer.observed.startswith(fault)


def test_every_table_is_looked_through(clean_facts: Facts) -> None:
    report = {**clean_facts.report.value, "cost_stress": [{"cost_multiplier": 1.0, "test_ic": 9}]}
    facts = replace(
        clean_facts,
        report=Document(report),
        statistics=Document({"focus": {"p_value": 2.0}}),
        windows=Document([{"test_start": "2013-01-01", "train_ic": "-3"}]),
        significance=Document([{"factor": "a", "ic_std": "-1"}]),
        ics_by_date=Document([{"date": "2013-01-31", "ic": 0.1, "n": "0"}]),
    )
    answer = checks.values_plausible(facts)
    places = [fault.split(":")[0] for fault in answer.observed.split("; ")]
    assert places == [
        *("cost stress x1.0", "statistical report", "window 2013-01-01", "factor a"),
        "date 2013-01-31",
    ]


def test_what_cannot_be_read_is_no_value(clean_facts: Facts) -> None:
    gone = unread("nothing there")
    facts = replace(clean_facts, windows=gone, significance=gone, ics_by_date=gone)
    assert checks.values_plausible(facts).passed


def test_a_table_without_deviations_passes(clean_facts: Facts) -> None:
    rows = [{**row} for row in clean_facts.significance.value]
    for row in rows:
        del row["ic_std"]
    answer = checks.statistics_table_recomputed(replace(clean_facts, significance=Document(rows)))
    assert (answer.passed, answer.observed) == (True, "not recomputed: no std")


def test_the_report_must_say_what_the_table_says(clean_facts: Facts) -> None:
    rows = [{**row} for row in clean_facts.significance.value]
    rows[0].update(q_value_bh=0.9, gate_pass="False")
    answer = checks.statistics_table_recomputed(replace(clean_facts, significance=Document(rows)))
    assert not answer.passed
    assert "q_value_bh: 0.03 in the report, 0.9 in the table" in answer.observed
    assert "gate_pass: true in the report, False in the table" in answer.observed


def test_a_table_that_is_not_there_fails_by_name(clean_facts: Facts) -> None:
    facts = replace(clean_facts, significance=unread("not among the evidence", "a/table.csv"))
    with pytest.raises(Unreadable, match="not among the evidence") as caught:
        checks.statistics_table_recomputed(facts)
    assert caught.value.path == "a/table.csv"


@pytest.mark.parametrize(
    ("ics", "passed"),
    [
        ((), True),
        ((0.001,), True),
        ((0.001, None, None), True),
        ((0.001, 0.001), False),
        ((0.001, None, 0.001), False),
        ((0.001, 0.001000000000000001), False),
        ((0.001, 0.002), True),
        ((0.0, -0.0), False),
    ],
)
def test_windows_must_differ(
    clean_facts: Facts, ics: tuple[float | None, ...], passed: bool
) -> None:
    assert checks.windows_vary(with_windows(clean_facts, *ics)).passed is passed


def test_dates_that_were_not_written_pass(clean_facts: Facts) -> None:
    answer = checks.ic_by_date_agrees(clean_facts)
    assert (answer.passed, answer.observed) == (True, "not written")


def test_dates_are_compared_with_their_windows(clean_facts: Facts) -> None:
    rows = factory.dates(clean_facts.windows.value)
    facts = replace(clean_facts, ics_by_date=Document(rows, path="ic_by_date.csv"))
    assert checks.ic_by_date_agrees(facts).passed
    rows[0]["ic"] += 0.01
    answer = checks.ic_by_date_agrees(facts)
    assert (answer.passed, answer.evidence) == (False, "ic_by_date.csv")
    with pytest.raises(Unreadable):
        checks.ic_by_date_agrees(replace(clean_facts, ics_by_date=unread("not UTF-8")))
