"""The gate rules, and the report that is written last."""

import argparse
from collections.abc import Mapping
from typing import Any

Gates = dict[str, bool | None]


def evaluate(options: argparse.Namespace, stages: Mapping[str, Any]) -> Gates:
    """Answer each gate: None when its stage was skipped; a value that is missing fails."""
    wf, risk, stat = (
        stages[name] for name in ("wf_stress", "risk_diagnostics", "statistical_gates")
    )
    ics = {row["cost_multiplier"]: row["test_ic"] for row in stages["cost_stress"]}
    size = risk.get("size_signal_corr_log_mcap")
    gates: Gates = {
        "cost_gate_x1_5_positive": above(ics.get(1.5), 0),
        "cost_gate_x2_0_positive": above(ics.get(2.0), 0),
        "wf_gate_positive_mean": above(wf.get("test_ic_mean"), 0),
        "wf_gate_pos_ratio": at_least(wf.get("test_ic_pos_ratio"), options.min_pos_ratio),
        "risk_gate_beta_abs": within(risk.get("beta_vs_spy"), options.risk_beta_abs_max),
        "risk_gate_turnover_overlap": at_least(
            risk.get("turnover_top_pct_overlap"), options.risk_turnover_overlap_min
        ),
        "risk_gate_size_corr_abs": within(size, options.risk_size_corr_abs_max),
        "risk_gate_industry_coverage": at_least(
            risk.get("industry_coverage"), options.risk_industry_coverage_min
        ),
        "stat_gate_factor_pass": stat.get("factor_gate_pass") is True,
    }
    for gate in gates:
        if skipped(gate, options):
            gates[gate] = None
    asked = [answer for answer in gates.values() if answer is not None]
    gates["overall_pass"] = all(asked) if asked else None
    return gates


def skipped(gate: str, options: argparse.Namespace) -> bool:
    switches = {"risk": options.skip_risk_diagnostics, "stat": options.skip_statistical_gates}
    return bool(options.dry_run or switches.get(gate.split("_")[0], False))


def above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def at_least(value: float | None, limit: float) -> bool:
    return value is not None and value >= limit


def within(value: float | None, limit: float) -> bool:
    return value is not None and abs(value) <= limit


def page(report: Mapping[str, Any]) -> str:
    """Write the report's short Markdown face."""
    inputs, answers = report["inputs"], {True: "pass", False: "fail", None: "not evaluated"}
    lines = [f"# Production gates: {inputs['factor']}", ""]
    lines += [f"- Decision tag: {inputs['decision_tag']}", f"- Generated: {report['generated_at']}"]
    lines += [f"- Strategy: {inputs['strategy']}", "", "| gate | answer |", "|---|---|"]
    lines += [f"| {gate} | {answers[answer]} |" for gate, answer in report["gates"].items()]
    return "\n".join(lines) + "\n"
