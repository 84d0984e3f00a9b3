"""Did the run go through the way an official run must?"""

from typing import Any

from postrun.audit.facts import Answer, Facts, several, texts, unread
from postrun.audit.recompute import shown
from postrun.decide import gates

_STAGES = {
    "wf_stress": "",
    "risk_diagnostics": "skip_risk_diagnostics",
    "statistical_gates": "skip_statistical_gates",
}


def preflight_passed(facts: Facts) -> Answer:
    """Machine and checkout were fit for the run."""
    expected = "status pass"
    if facts.preflight.value is None:
        return unread(facts.preflight, expected)
    status, reasons = (facts.preflight.members.get(name) for name in ("status", "reasons"))
    observed = f"status {shown(status)}: {several(texts(reasons), 'no reason given')}"
    return Answer(
        status == "pass", expected, expected if status == "pass" else observed, facts.preflight.path
    )


def exit_code_zero(facts: Facts) -> Answer:
    """The gate program came to its end."""
    expected = "exit code 0"
    if facts.result.value is None:
        return unread(facts.result, expected)
    code = facts.result.members.get("exit_code")
    return Answer(_is_zero(code), expected, f"exit code {shown(code)}", facts.result.path)


def no_stage_skipped(facts: Facts) -> Answer:
    """Nothing was left out; an option that is neither true nor false counts as used."""
    return _unused(
        facts,
        [name for name in gates.unofficial(facts.report.value) if name != "dry_run"],
        "no skip option",
    )


def not_a_dry_run(facts: Facts) -> Answer:
    """The gates were measured, not rehearsed."""
    return _unused(
        facts,
        [name for name in gates.unofficial(facts.report.value) if name == "dry_run"],
        "no dry run",
    )


def _unused(facts: Facts, used: list[str], expected: str) -> Answer:
    observed = several([f"{name} is {shown(facts.inputs[name])}" for name in used], expected)
    return Answer(not used, expected, observed, facts.report.path)


def stages_succeeded(facts: Facts) -> Answer:
    """Every stage says that it is sound and that its processes ended with 0; skipped ones are not asked."""
    rows = gates.cost_rows(facts.report.value)
    faults = [
        f"cost stress x{shown(row.get('cost_multiplier'))} ended with {shown(row.get('return_code'))}"
        for row in rows
        if not _is_zero(row.get("return_code"))
    ]
    faults += [] if rows or gates.unofficial(facts.report.value) else ["no cost stress"]
    for stage, option in _STAGES.items():
        if not facts.is_skipped(option) and not facts.is_skipped("dry_run"):
            faults += _stage_faults(stage, gates.section(facts.report.value, stage))
    return Answer(
        not faults,
        "every stage ok, return codes 0",
        several(faults, "as expected"),
        facts.report.path,
    )


def _stage_faults(stage: str, found: dict[str, Any]) -> list[str]:
    if found.get("ok") is not True:
        return [f"{stage} is not ok: {found.get('reason') or 'no reason given'}"]
    code = found.get("return_code")
    return [] if _is_zero(code) else [f"{stage} ended with {shown(code)}"]


def _is_zero(code: Any) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and code == 0


CHECKS = (
    preflight_passed,
    exit_code_zero,
    no_stage_skipped,
    not_a_dry_run,
    stages_succeeded,
)
