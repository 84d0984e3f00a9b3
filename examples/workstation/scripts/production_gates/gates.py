"""The gate rules, and the Markdown page of the report."""

import argparse
from collections.abc import Mapping
from typing import Any

Gates = dict[str, bool | None]


def evaluate(options: argparse.Namespace, stages: Mapping[str, Any]) -> Gates:
    """Return each gate's answer: None when its stage was skipped; a missing value fails."""
    walk_forward = stages["wf_stress"]
    risk = stages["risk_diagnostics"]
    statistics = stages["statistical_gates"]
    ics = {row["cost_multiplier"]: row["test_ic"] for row in stages["cost_stress"]}

    positive_ratio = walk_forward.get("test_ic_pos_ratio")
    overlap = risk.get("turnover_top_pct_overlap")
    size = risk.get("size_signal_corr_log_mcap")
    coverage = risk.get("industry_coverage")
    gates: Gates = {
        "cost_gate_x1_5_positive": above(ics.get(1.5), 0),
        "cost_gate_x2_0_positive": above(ics.get(2.0), 0),
        "wf_gate_positive_mean": above(walk_forward.get("test_ic_mean"), 0),
        "wf_gate_pos_ratio": at_least(positive_ratio, options.min_pos_ratio),
        "risk_gate_beta_abs": within(risk.get("beta_vs_spy"), options.risk_beta_abs_max),
        "risk_gate_turnover_overlap": at_least(overlap, options.risk_turnover_overlap_min),
        "risk_gate_size_corr_abs": within(size, options.risk_size_corr_abs_max),
        "risk_gate_industry_coverage": at_least(coverage, options.risk_industry_coverage_min),
        "stat_gate_factor_pass": statistics.get("factor_gate_pass") is True,
    }
    for gate in gates:
        if is_skipped(gate, options):
            gates[gate] = None
    answers = [answer for answer in gates.values() if answer is not None]
    gates["overall_pass"] = all(answers) if answers else None
    return gates


def is_skipped(gate: str, options: argparse.Namespace) -> bool:
    if options.dry_run:
        return True
    if gate.startswith("risk_"):
        return bool(options.skip_risk_diagnostics)
    return gate.startswith("stat_") and bool(options.skip_statistical_gates)


def above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def at_least(value: float | None, limit: float) -> bool:
    return value is not None and value >= limit


def within(value: float | None, limit: float) -> bool:
    return value is not None and abs(value) <= limit


def page(report: Mapping[str, Any]) -> str:
    """Return the report as a short Markdown page."""
    inputs = report["inputs"]
    answers = {True: "pass", False: "fail", None: "not evaluated"}
    lines = [
        f"# Production gates: {inputs['factor']}",
        "",
        f"- Decision tag: {inputs['decision_tag']}",
        f"- Generated: {report['generated_at']}",
        f"- Strategy: {inputs['strategy']}",
        "",
        "| gate | answer |",
        "|---|---|",
    ]
    lines += [f"| {gate} | {answers[answer]} |" for gate, answer in report["gates"].items()]
    return "\n".join(lines) + "\n"
