"""Consistency: do the files of the run agree, and does every number follow from the tables?"""

from postrun.audit import recompute
from postrun.audit.answers import Answer, by_faults, shown
from postrun.audit.facts import Facts
from postrun.core import run_names, values
from postrun.core.values import Json
from postrun.decide import gates, report_window, window_years
from postrun.decide.gates import Reading
from postrun.decide.report_window import Window

# What the gate report says about significance, and where the statistical report has it.
_STATISTICS = {
    "factor_found": ("focus", "found"),
    "factor_gate_pass": ("focus", "gate_pass"),
    "q_value_bh": ("focus", "q_value_bh"),
    "n_factors": ("n_factors",),
    "n_pass": ("n_pass",),
}


def tags_agree(facts: Facts) -> Answer:
    """Return whether every readable file carries the run's tag, which the folder has, too."""
    run_tag = facts.tag
    # A file that cannot be read fails a check of its own.
    tags: Json = {
        "context": facts.context.members.get("decision_tag", run_tag),
        "result": facts.result.members.get("decision_tag", run_tag),
    }
    if facts.report.value is not None:
        tags["gate report"] = facts.inputs.get("decision_tag")
    # There the tag may be as in the folder's name.
    if facts.requested_tag and facts.requested_tag != facts.name.tag:
        tags["command line"] = facts.requested_tag
    faults = []
    for source, tag in tags.items():
        if tag != run_tag:
            faults.append(f"{source} says {shown(tag)}")
    expected = f"{run_tag} everywhere"
    return by_faults(expected, faults, run_tag, facts.context)


def tag_used_once(facts: Facts) -> Answer:
    """Return whether no other run folder ends in this tag."""
    expected = "this run only"
    others = facts.other_runs_of_tag
    return by_faults(expected, others, expected, facts.detection)


def report_belongs_to_run(facts: Facts) -> Answer:
    """Return whether the report was written after the run began and before its result was."""
    expected = "written between the start and the end of this run, in the workstation's own time"
    window = _window(facts)
    generated_at = facts.report.members.get("generated_at")
    folder_made = run_names.gate_started(facts.run_paths.gate or "")
    fault = report_window.why_not_this_run(
        window,
        generated_at,
        folder_made,
        facts.report_written,
    )
    if fault:
        return by_faults(expected, [fault], "", facts.report)
    observed = f"made at {generated_at}"
    if window.ended is None:
        observed += "; when the run ended is not known in its own time"
    return by_faults(expected, [], observed, facts.report)


def _window(facts: Facts) -> Window:
    started = facts.name.started
    # Reports carry local times, so the bounds must be in the workstation's own time.
    preflight_time = facts.preflight.members.get("timestamp")
    at_start = report_window.offset_at_start(started, preflight_time)
    other_runs = facts.other_runs_of_tag
    if facts.result.value is None:
        return report_window.open_window(started, at_start, other_runs)
    written_at = facts.result_written
    if report_window.is_older_than_said(facts.preflight_written, preflight_time):
        written_at = None
    at_end = facts.utc_offset_at_end
    return report_window.window(started, at_start, at_end, written_at, other_runs)


def overall_pass_boolean(facts: Facts) -> Answer:
    """Return whether the report's overall verdict is true or false and nothing else."""
    verdict = gates.overall(facts.report.value)
    observed = shown(verdict)
    is_boolean = isinstance(verdict, bool)
    return Answer(is_boolean, "true or false", observed, facts.report.path)


def gates_recomputed(facts: Facts) -> Answer:
    """Return whether each verdict follows from its metric and threshold, the overall
    one from all.
    """
    disagreements = gates.disagreements(facts.report.value)
    faults = [_gate_fault(facts, gate) for gate in disagreements]
    expected = "every gate as recomputed"
    return by_faults(expected, faults, "as recomputed", facts.report)


def _gate_fault(facts: Facts, gate: Reading) -> str:
    reported = shown(gate.reported)
    recomputed = shown(gate.recomputed)
    fault = f"{gate.gate}: reported {reported}, recomputed {recomputed}"
    # The overall verdict follows from the other gates, not from a number.
    if gate.gate != gates.OVERALL:
        measured = _measured(facts, gate)
        fault += f" from {measured} and threshold {shown(gate.threshold)}"
    return fault


def _measured(facts: Facts, gate: Reading) -> str:
    """Return the metric of a gate as text; a number that is not finite was not measured."""
    number = facts.not_finite_metrics.get(gate.metric)
    if number is None:
        return shown(gate.observed)
    return f"{number} (not measured)"


def walk_forward_recomputed(facts: Facts) -> Answer:
    """Return whether mean, deviation, share of positives and counts follow from the windows."""
    expected = "the statistics of the summary table, to a relative 1e-9"
    recomputed = recompute.walk_forward(facts.windows.required())
    reported = facts.stage("wf_stress")
    not_finite = facts.not_finite("wf_stress")
    faults = recompute.differences(reported, recomputed, not_finite)
    return by_faults(expected, faults, "as recomputed", facts.windows)


def walk_forward_windows_complete(facts: Facts) -> Answer:
    """Return whether no shard was lost and none was merged twice."""
    expected = "one row for each test window"
    rows = facts.windows.required()
    width = window_years.years_each(facts.inputs, rows)
    years = window_years.asked(facts.inputs, width)
    if years is None:
        observed = "inputs do not say which windows there must be"
        return Answer(False, expected, observed, facts.report.path)
    faults = window_years.faults(rows, years)
    expected = f"{expected}: {len(years)}"
    return by_faults(expected, faults, "all there", facts.windows)


def cost_rows_recomputed(facts: Facts) -> Answer:
    """Return whether the report's cost rows are those of the table, one for each multiplier."""
    expected = "the rows of the cost table, to a relative 1e-9, one for each multiplier asked for"
    rows = facts.costs.required()
    multipliers = gates.multipliers(facts.inputs)
    if multipliers is None:
        observed = "inputs do not say which multipliers there must be"
        return Answer(False, expected, observed, facts.report.path)
    reported = gates.cost_rows(facts.report.value)
    faults = recompute.cost_faults(reported, rows, multipliers)
    return by_faults(expected, faults, "as in the table", facts.costs)


def statistics_recomputed(facts: Facts) -> Answer:
    """Return whether the report says of significance what the statistical report says."""
    expected = "the values of the statistical report, for this factor"
    statistics = facts.statistics.required()
    measured = {}
    for name, path in _STATISTICS.items():
        measured[name] = values.member(statistics, *path)
    reported = facts.stage("statistical_gates")
    not_finite = facts.not_finite("statistical_gates")
    faults = recompute.differences(reported, measured, not_finite)
    # The right numbers of another factor would pass the comparison above.
    factor = facts.inputs.get("factor")
    focus = values.member(statistics, "focus", "factor")
    if factor != focus:
        faults.append(f"factor: reported {shown(factor)}, found {shown(focus)}")
    return by_faults(expected, faults, "as found", facts.statistics)


CHECKS = (
    tags_agree,
    tag_used_once,
    report_belongs_to_run,
    overall_pass_boolean,
    gates_recomputed,
    walk_forward_recomputed,
    walk_forward_windows_complete,
    cost_rows_recomputed,
    statistics_recomputed,
)
