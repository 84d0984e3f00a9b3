"""Runtime: did the run go through the way an official run must?"""

from postrun.audit.answers import Answer, by_faults, join, shown, texts
from postrun.audit.facts import Facts
from postrun.core import values
from postrun.core.values import Json
from postrun.decide import gates

# Each stage with the option that skips it; the walk-forward cannot be skipped.
_STAGES = {
    "wf_stress": "",
    "risk_diagnostics": "skip_risk_diagnostics",
    "statistical_gates": "skip_statistical_gates",
}


def preflight_passed(facts: Facts) -> Answer:
    """Return whether machine and checkout were fit for the run."""
    expected = "status pass"
    preflight = facts.preflight.required()
    status = preflight.get("status")
    if status == "pass":
        return Answer(True, expected, expected, facts.preflight.path)
    reasons = texts(preflight.get("reasons")) or ["no reason given"]
    observed = f"status {shown(status)}: {join(reasons)}"
    return Answer(False, expected, observed, facts.preflight.path)


def exit_code_zero(facts: Facts) -> Answer:
    """Return whether the gate program came to its end."""
    code = gates.exit_code(facts.result.required())
    observed = f"exit code {shown(code)}"
    return Answer(code == 0, "exit code 0", observed, facts.result.path)


def no_stage_skipped(facts: Facts) -> Answer:
    """Return whether no skip option was used; one that is neither true nor false counts as used."""
    options = facts.unofficial_options - {"dry_run"}
    return _unused(facts, "no skip option", options)


def not_a_dry_run(facts: Facts) -> Answer:
    """Return whether the gates were really measured."""
    options = facts.unofficial_options & {"dry_run"}
    return _unused(facts, "no dry run", options)


def _unused(
    facts: Facts,
    expected: str,
    options: set[str],
) -> Answer:
    inputs = facts.inputs
    faults = [f"{option} is {shown(inputs[option])}" for option in sorted(options)]
    return by_faults(expected, faults, expected, facts.report)


def stages_succeeded(facts: Facts) -> Answer:
    """Return whether every stage that was not skipped is ok and ended with return code 0."""
    faults = _cost_faults(facts)
    for stage, skip_option in _STAGES.items():
        skipped = facts.is_skipped(skip_option) or facts.is_skipped("dry_run")
        if not skipped:
            faults += _stage_faults(stage, facts.stage(stage))
    expected = "every stage ok, return codes 0"
    return by_faults(expected, faults, "as expected", facts.report)


def _cost_faults(facts: Facts) -> list[str]:
    # Without rows a stage was lost, unless an option left it out.
    rows = gates.cost_rows(facts.report.value)
    if not rows and not facts.unofficial_options:
        return ["no cost stress"]
    faults = []
    for row in rows:
        code = row.get("return_code")
        if values.count(code) != 0:
            multiplier = row.get("cost_multiplier")
            faults.append(f"cost stress x{shown(multiplier)} ended with {shown(code)}")
    return faults


def _stage_faults(stage: str, members: Json) -> list[str]:
    if members.get("ok") is not True:
        return [f"{stage} is not ok: {members.get('reason') or 'no reason given'}"]
    code = members.get("return_code")
    if values.count(code) == 0:
        return []
    return [f"{stage} ended with {shown(code)}"]


CHECKS = (
    preflight_passed,
    exit_code_zero,
    no_stage_skipped,
    not_a_dry_run,
    stages_succeeded,
)
