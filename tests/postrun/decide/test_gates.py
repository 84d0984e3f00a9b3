"""The gate rules: every edge of every rule, and reports of every broken shape."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import factory
from postrun.decide import gates

REPORT: dict[str, Any] = factory.documents().report
GATES = [rule.gate for rule in gates.RULES]


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    report = copy.deepcopy(REPORT)
    change(report)
    return report


def put(stage: str, **values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda report: report[stage].update(values)


def cost(index: int, **values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda report: report["cost_stress"][index].update(values)


def recomputed(report: Any) -> dict[str, bool | None]:
    return {reading.gate: reading.recomputed for reading in gates.readings(report)}


def test_the_rules_name_every_gate_of_a_report() -> None:
    assert [*GATES, gates.OVERALL] == list(REPORT["gates"])


def test_an_untouched_report_recomputes() -> None:
    assert recomputed(REPORT) == REPORT["gates"]
    assert gates.disagreements(REPORT) == []
    assert gates.unofficial(REPORT) == []


@pytest.mark.parametrize(
    ("gate", "change", "verdict"),
    [
        ("cost_gate_x1_5_positive", cost(1, test_ic=0.0), False),
        ("cost_gate_x1_5_positive", cost(1, test_ic=1e-12), True),
        ("cost_gate_x1_5_positive", cost(1, test_ic=None), False),
        ("cost_gate_x1_5_positive", cost(0, test_ic=-1.0), True),  # the row of x1.0 decides nothing
        ("cost_gate_x2_0_positive", cost(2, cost_multiplier=2), True),
        ("cost_gate_x2_0_positive", cost(2, cost_multiplier=2.5), False),
        ("cost_gate_x2_0_positive", cost(1, cost_multiplier=2.0), False),  # two rows claim x2.0
        ("wf_gate_positive_mean", put("wf_stress", test_ic_mean=0), False),
        ("wf_gate_positive_mean", put("wf_stress", test_ic_mean=True), False),
        ("wf_gate_pos_ratio", put("wf_stress", test_ic_pos_ratio=0.70), True),
        ("wf_gate_pos_ratio", put("wf_stress", test_ic_pos_ratio=0.6999), False),
        ("wf_gate_pos_ratio", put("inputs", min_pos_ratio=None), False),
        ("wf_gate_pos_ratio", put("inputs", min_pos_ratio="0.7"), False),
        ("risk_gate_beta_abs", put("risk_diagnostics", beta_vs_spy=-0.5), True),
        ("risk_gate_beta_abs", put("risk_diagnostics", beta_vs_spy=-0.51), False),
        ("risk_gate_beta_abs", put("risk_diagnostics", beta_vs_spy=math.nan), False),
        ("risk_gate_beta_abs", put("risk_diagnostics", beta_vs_spy="0.1"), False),
        ("risk_gate_turnover_overlap", put("risk_diagnostics", turnover_top_pct_overlap=0.2), True),
        (
            "risk_gate_turnover_overlap",
            put("risk_diagnostics", turnover_top_pct_overlap=0.1),
            False,
        ),
        ("risk_gate_size_corr_abs", put("risk_diagnostics", size_signal_corr_log_mcap=0.31), False),
        ("risk_gate_industry_coverage", put("risk_diagnostics", industry_coverage=10**400), False),
        ("stat_gate_factor_pass", put("statistical_gates", factor_gate_pass="true"), False),
        ("stat_gate_factor_pass", put("statistical_gates", factor_gate_pass=1), False),
        ("stat_gate_factor_pass", put("statistical_gates", factor_gate_pass=False), False),
    ],
)
def test_each_rule_at_its_edge(
    gate: str, change: Callable[[dict[str, Any]], object], verdict: bool
) -> None:
    found = recomputed(changed(change))
    assert found[gate] is verdict
    assert found[gates.OVERALL] is all(found[name] for name in GATES)


@pytest.mark.parametrize(
    ("option", "stage"), [("skip_risk_diagnostics", "risk_"), ("skip_statistical_gates", "stat_")]
)
def test_a_skipped_stage_has_no_verdict_and_does_not_fail_the_whole(
    option: str, stage: str
) -> None:
    report = changed(put("inputs", **{option: True}))
    found = recomputed(report)
    assert {gate for gate in GATES if found[gate] is None} == {
        gate for gate in GATES if gate.startswith(stage)
    }
    assert found[gates.OVERALL] is True
    assert {wrong.gate for wrong in gates.disagreements(report)} == {
        g for g in GATES if g.startswith(stage)
    }
    assert gates.unofficial(report) == [option]


@pytest.mark.parametrize("value", ["true", "false", 1, "", "no"])
def test_only_a_real_true_skips_a_stage_but_any_odd_value_is_unofficial(value: Any) -> None:
    report = changed(put("inputs", skip_risk_diagnostics=value))
    assert recomputed(report)["risk_gate_beta_abs"] is True
    assert gates.unofficial(report) == ["skip_risk_diagnostics"]


def test_a_dry_run_that_measured_nothing_has_no_verdicts() -> None:
    dry = {"inputs": {**REPORT["inputs"], "dry_run": True}, "cost_stress": [], "gates": {}}
    assert set(recomputed(dry).values()) == {None}
    assert recomputed(changed(put("inputs", dry_run=True))) == REPORT["gates"]  # it did measure


def test_dry_runs_and_skip_options_nobody_has_heard_of_are_unofficial() -> None:
    report = changed(put("inputs", dry_run=True, skip_new_stage=True, skip_guardrails=None))
    assert gates.unofficial(report) == ["dry_run", "skip_new_stage"]


@pytest.mark.parametrize("gate", [*GATES, gates.OVERALL])
@pytest.mark.parametrize("claim", [False, None, "true", 1])
def test_an_edited_verdict_is_caught_by_name(gate: str, claim: Any) -> None:
    (wrong,) = gates.disagreements(changed(put("gates", **{gate: claim})))
    assert (wrong.gate, wrong.reported, wrong.recomputed) == (gate, claim, True)


def test_a_disagreement_carries_the_number_and_its_threshold() -> None:
    report = changed(put("risk_diagnostics", beta_vs_spy=0.9))
    beta, whole = gates.disagreements(report)
    assert (beta.gate, beta.observed, beta.threshold) == ("risk_gate_beta_abs", 0.9, 0.5)
    assert whole.gate == gates.OVERALL


def test_a_failed_gate_without_a_rule_fails_the_whole() -> None:
    report = changed(put("gates", wf_gate_new=False))
    assert [wrong.gate for wrong in gates.disagreements(report)] == [gates.OVERALL]
    assert gates.disagreements(changed(put("gates", wf_gate_new=None))) == []


def test_older_spellings_are_read() -> None:
    report = copy.deepcopy(REPORT)
    report["args"], report["gate"] = report.pop("inputs"), report.pop("gates")
    assert gates.inputs(report)["min_pos_ratio"] == 0.7
    assert gates.disagreements(report) == []


def test_margins_are_positive_on_the_passing_side() -> None:
    margins = {found.gate: found.margin for found in gates.readings(REPORT)}
    assert margins["risk_gate_beta_abs"] == pytest.approx(0.38)
    assert margins["risk_gate_size_corr_abs"] == pytest.approx(0.22)
    assert margins["wf_gate_pos_ratio"] == pytest.approx(0.3)
    assert margins["stat_gate_factor_pass"] is None
    named = {found.gate: found.metric for found in gates.readings(REPORT)}
    assert named["cost_gate_x1_5_positive"] == "cost_stress[x1.5].test_ic"


@pytest.mark.parametrize(
    "report", [None, [], "x", 3, {}, {"inputs": [], "gates": 3, "cost_stress": {"a": 1}}]
)
def test_what_is_no_report_passes_nothing(report: Any) -> None:
    assert not any(recomputed(report).values())
    assert {wrong.gate for wrong in gates.disagreements(report)} == {*GATES, gates.OVERALL}


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(REPORT)), ANY), st.sampled_from(GATES), ANY)
@settings(max_examples=150, deadline=None)
def test_no_report_crashes_the_rules(parts: dict[str, Any], gate: str, value: Any) -> None:
    report = {**REPORT, **parts}
    assert set(recomputed(report)) == {*GATES, gates.OVERALL}
    rule = next(rule for rule in gates.RULES if rule.gate == gate)
    one = {
        **REPORT,
        rule.stage: {rule.metric: value} if rule.multiplier is None else [{"test_ic": value}],
    }
    margins = [found.margin for found in gates.readings(one)]
    json.dumps(margins, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.0,1.5, 2", [1.0, 1.5, 2.0]),
        ("1.5", [1.5]),
        ("", None),
        ("cheap", None),
        ("1.5,2.0,", [1.5, 2.0]),
        (" ,1.5,, 2.0 ", [1.5, 2.0]),
        (",", None),
        (None, None),
        (2, None),
    ],
)
def test_multipliers(text: Any, found: list[float] | None) -> None:
    assert gates.multipliers({"cost_multipliers": text}) == found


@pytest.mark.parametrize(
    ("code", "read"),
    [(0, 0), (0.0, 0), (-0.0, 0), (1.0, 1), (143, 143), (0.5, None), ("0", None)],
)
def test_exit_codes_are_whole_numbers(code: Any, read: int | None) -> None:
    assert gates.exit_code({"exit_code": code}) == read


@pytest.mark.parametrize("result", [None, {}, {"exit_code": None}, {"exit_code": True}])
def test_anything_else_is_no_exit_code(result: Any) -> None:
    assert gates.exit_code(result) is None
