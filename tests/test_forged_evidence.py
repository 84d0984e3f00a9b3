"""Worthless or forged evidence fails the check that names it; every producer's own form passes.

Each of these runs passes its gates: what is wrong is what the gates were given.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import finalize_gate_run
import governance_audit_checker
from harness import arrival, factory
from harness.factory import Documents
from postrun.decide.intervals import student_cdf
from postrun.decide.multiple_testing import benjamini_hochberg

Change = Callable[[Documents], object]
Answers = dict[str, dict[str, Any]]


@pytest.fixture
def audit(tmp_path: Path) -> Callable[[Change], Answers]:
    """Return a function that makes a run with a change, closes it up to the audit, and returns the
    answers by check.
    """

    def answers(change: Change) -> Answers:
        made = factory.make_run(tmp_path, change=change, tag="forged_run1")
        arrival.arrive(tmp_path, made)
        flags = ["--tag", made.tag, "--local-root", str(tmp_path)]
        assert finalize_gate_run.main(flags) == 0
        governance_audit_checker.main(flags)
        path = made.run_dir(tmp_path) / "governance_audit_check.json"
        document = json.loads(path.read_text())
        assert document["overall_pass"] is True
        return {row["id"]: row for row in document["checks"]}

    return answers


def not_passed(answers: Answers) -> set[str]:
    return {name for name, row in answers.items() if row["answer"] != "pass"}


def measure_again(made: Documents) -> None:
    """Let the report say what the windows give."""
    stage = made.report["wf_stress"]
    stage.update(factory.summarise(made.windows), rows=len(made.windows))


def adjust(made: Documents) -> None:
    """Work q out from the p values, and let both reports say it."""
    known = [row for row in made.significance if row["p_value"] is not None]
    q_values = benjamini_hochberg([row["p_value"] for row in known])
    for row in made.significance:
        row["q_value_bh"] = None
    for row, q in zip(known, q_values, strict=True):
        row["q_value_bh"] = q
    first = made.significance[0]
    for name in ("ic_mean", "p_value", "q_value_bh"):
        made.statistics["focus"][name] = first[name]
    made.report["statistical_gates"]["q_value_bh"] = first["q_value_bh"]


def empty_all_but_one(made: Documents) -> None:
    for row in made.windows[1:]:
        row.update(test_ic=None, test_ic_overall=None)
    first = made.windows[0]
    for name in ("test_ic", "test_ic_overall"):
        made.report["wf_stress"].update(
            {f"{name}_mean": first[name], f"{name}_std": None, f"{name}_pos_ratio": 1.0}
        )
        made.report["wf_stress"][f"{name}_n"] = 1


def loosen_thresholds(made: Documents) -> None:
    made.report["inputs"].update(min_pos_ratio=0.5, stat_alpha=0.25)


def table_denies_report(made: Documents) -> None:
    made.significance[0].update(q_value_bh=0.9, gate_qvalue=False, gate_pass=False)
    made.statistics["focus"].update(q_value_bh=0.003, gate_pass=True)
    made.report["statistical_gates"].update(q_value_bh=0.003, factor_gate_pass=True)


def lose_the_table(made: Documents) -> None:
    made.significance.clear()


def name_no_table(made: Documents) -> None:
    made.statistics["table_csv"] = None


def impossible_ic(made: Documents) -> None:
    made.windows[0]["test_ic"] = 1.7
    measure_again(made)


def impossible_q(made: Documents) -> None:
    made.significance[0].update(q_value_bh=-0.5)
    made.statistics["focus"].update(q_value_bh=-0.5)
    made.report["statistical_gates"].update(q_value_bh=-0.5)


def impossible_risk(made: Documents) -> None:
    made.report["risk_diagnostics"].update(industry_coverage=42, turnover_top_pct_overlap=3)


def no_dates_behind_an_ic(made: Documents) -> None:
    made.windows[4].update(test_n_dates=0)


def repeat_one_window(made: Documents) -> None:
    for row in made.windows:
        row.update(test_ic=0.001)
    measure_again(made)


def dates_of_another_run(made: Documents) -> None:
    made.dates = factory.dates(made.windows)
    made.windows[2]["test_ic"] += 0.01
    measure_again(made)


def p_of_another_table(made: Documents) -> None:
    """The p of the best factor is a tenth of what its mean and deviation give, and q follows it."""
    made.significance[0]["p_value"] /= 10
    adjust(made)


FORGED: list[tuple[Change, set[str], str]] = [
    (empty_all_but_one, {"windows_measured"}, "1 of 13 windows, none in 2014-01-01"),
    (loosen_thresholds, {"thresholds_not_weakened"}, "stat_alpha is 0.25, the baseline is at most"),
    (table_denies_report, {"statistics_table_recomputed"}, "0.003 in the report, 0.9 in the table"),
    (lose_the_table, {"statistics_table_recomputed"}, "not among the evidence"),
    (name_no_table, {"statistics_table_recomputed"}, "it names None, which is not below"),
    (p_of_another_table, {"statistics_table_recomputed"}, "p of momentum_12_1: 0.0004"),
    (impossible_ic, {"values_plausible"}, "window 2013-01-01: test_ic is 1.7"),
    (impossible_risk, {"values_plausible"}, "industry_coverage is 42"),
    (
        impossible_q,
        {"values_plausible", "statistics_table_recomputed"},
        "statistical_gates: q_value_bh is -0.5",
    ),
    (no_dates_behind_an_ic, {"values_plausible"}, "test_n_dates is 0 beside a measured test_ic"),
    (repeat_one_window, {"windows_vary"}, "1 different test ICs in 13 windows"),
    (dates_of_another_run, {"ic_by_date_agrees"}, "window 2015-01-01: test_ic"),
]


@pytest.mark.parametrize(
    ("forge", "checks", "words"), FORGED, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_forgery_fails_the_check_that_names_it(
    audit: Callable[[Change], Answers], forge: Change, checks: set[str], words: str
) -> None:
    answers = audit(forge)
    assert not_passed(answers) == checks
    observed = [answers[check]["observed"] for check in checks]
    assert any(words in text for text in observed)


def as_the_sample(made: Documents) -> None:
    """The sample workstation's table has no deviations, and its ICs come with dates."""
    for row in made.significance:
        row["n_windows"] = row.pop("n")
        for name in ("ic_std", "z_stat", "gate_qvalue", "gate_pos_ratio", "gate_ic_mean"):
            del row[name]
    made.dates = factory.dates(made.windows)


def by_student(made: Documents) -> None:
    """One-sided p values, of thirteen windows, and no p for a factor with one window."""
    for index, row in enumerate(made.significance):
        mean, deviation = 0.02 - 0.003 * index, 0.025
        p = student_cdf(-mean / deviation * math.sqrt(13), 12)
        row.update(ic_mean=mean, ic_std=deviation, n=13, p_value=p)
    made.significance[-1].update(ic_std=None, n=1, p_value=1.0)
    adjust(made)


def with_a_factor_of_one_segment(made: Documents) -> None:
    """The reference leaves p and q of such a factor empty, and does not count it."""
    made.significance[-1].update(ic_std=None, n=1, z_stat=None, p_value=None)
    adjust(made)


def rounded_to_four_decimals(made: Documents) -> None:
    """Another program rounds its table, and its report not."""
    for row in made.significance:
        for name, value in row.items():
            if isinstance(value, float):
                row[name] = round(value, 4)


def one_window(made: Documents) -> None:
    """Nothing is wrong with the record of a run over one year; it is no ground for a decision."""
    keep_windows(made, 1)


def three_years(made: Documents) -> None:
    keep_windows(made, 3)


def keep_windows(made: Documents, count: int) -> None:
    made.windows = made.windows[:count]
    made.report["inputs"]["wf_end_year"] = 2012 + count
    if count > 1:
        measure_again(made)
        return
    empty_all_but_one(made)
    made.report["wf_stress"]["rows"] = 1


def stricter(made: Documents) -> None:
    made.report["inputs"].update(min_pos_ratio=0.75, stat_alpha=0.05, wf_train_years=3)


GENUINE = [
    bool,
    as_the_sample,
    by_student,
    with_a_factor_of_one_segment,
    rounded_to_four_decimals,
    one_window,
    three_years,
    stricter,
]


@pytest.mark.parametrize("form", GENUINE, ids=lambda form: form.__name__)
def test_the_form_of_a_producer_is_no_fault(
    audit: Callable[[Change], Answers], form: Change
) -> None:
    answers = audit(form)
    assert not_passed(answers) == set()
    dates = answers["ic_by_date_agrees"]["observed"]
    assert dates == ("as expected" if form is as_the_sample else "not written")
    table = answers["statistics_table_recomputed"]["observed"]
    assert table == ("not recomputed: no std" if form is as_the_sample else "as recomputed")
