"""Do the parts of the record agree with each other, and does every number follow from what lies beside it?"""

from typing import Any

from postrun.audit import recompute
from postrun.audit.facts import Answer, Facts, several, unread
from postrun.audit.recompute import shown
from postrun.core import run_names, values
from postrun.decide import gates, report_window
from postrun.decide.report_window import Window

_STATISTICS = {
    "factor_found": ("focus", "found"),
    "factor_gate_pass": ("focus", "gate_pass"),
    "q_value_bh": ("focus", "q_value_bh"),
    "n_factors": ("n_factors",),
    "n_pass": ("n_pass",),
}


def tags_agree(facts: Facts) -> Answer:
    """Every file that can be read carries one tag, the one in the folder's name; unreadable files fail elsewhere."""
    sources = {"context": facts.context, "result": facts.result, "gate report": facts.report}
    tags: dict[str, Any] = {
        source: (facts.inputs if document is facts.report else document.members).get("decision_tag")
        for source, document in sources.items()
        if document.value is not None
    }
    if facts.asked is not None:
        tags["command line"] = facts.asked
    odd = [f"{source} says {shown(tag)}" for source, tag in tags.items() if tag != facts.name.tag]
    return Answer(
        not odd, f"{facts.name.tag} everywhere", several(odd, facts.name.tag), facts.context.path
    )


def tag_used_once(facts: Facts) -> Answer:
    """No other run folder ends in this tag."""
    others = several(facts.namesakes, "this run only")
    return Answer(not facts.namesakes, "this run only", others, facts.detection.path)


def report_belongs_to_run(facts: Facts) -> Answer:
    """The report was written after the run began and before its result was."""
    expected = "written between the start and the end of this run, in the workstation's own time"
    span = _span(facts)
    written = facts.report.members.get("generated_at")
    wrong = report_window.why_not_this_run(span, written)
    begun = run_names.gate_started(facts.run_paths.gate or "")
    if wrong is None and begun is not None and begun < span.began - span.slack:
        wrong = f"its folder was made at {begun.isoformat()}, before the run began ({span.began.isoformat()})"
    fits = f"made at {written}" + (
        "" if span.ended else "; when the run ended is not known in its own time"
    )
    return Answer(not wrong, expected, wrong or fits, facts.report.path)


def _span(facts: Facts) -> Window:
    began = facts.name.started
    at_start = report_window.offset(facts.preflight.members.get("timestamp"))
    if facts.result.value is None or facts.result_modified is None:
        return report_window.open_window(began, at_start, facts.namesakes)
    return report_window.window(began, at_start, facts.offset_at_end, facts.result_modified)


def overall_pass_boolean(facts: Facts) -> Answer:
    """The report commits itself."""
    verdict = gates.gates(facts.report.value).get(gates.OVERALL)
    return Answer(isinstance(verdict, bool), "true or false", shown(verdict), facts.report.path)


def gates_recomputed(facts: Facts) -> Answer:
    """Each verdict follows from its metric and its threshold, the overall verdict from all of them."""
    wrong = [
        f"{found.gate}: reported {shown(found.reported)}, recomputed {shown(found.recomputed)}"
        + (
            ""
            if found.gate == gates.OVERALL
            else f" from {shown(found.observed)} and threshold {shown(found.threshold)}"
        )
        for found in gates.disagreements(facts.report.value)
    ]
    return Answer(
        not wrong, "every gate as recomputed", several(wrong, "as recomputed"), facts.report.path
    )


def walk_forward_recomputed(facts: Facts) -> Answer:
    """Mean, deviation, share of positives and counts follow from the windows."""
    expected = "the statistics of the summary table, to a relative 1e-9"
    if facts.windows.rows is None:
        return unread(facts.windows, expected)
    reported = gates.section(facts.report.value, "wf_stress")
    wrong = recompute.differences(reported, recompute.walk_forward(facts.windows.rows))
    return Answer(not wrong, expected, several(wrong, "as recomputed"), facts.windows.path)


def walk_forward_windows_complete(facts: Facts) -> Answer:
    """No shard was lost and none was merged twice."""
    expected = "one row for each test window"
    if facts.windows.rows is None:
        return unread(facts.windows, expected)
    years = recompute.window_years(facts.inputs)
    if years is None:
        return Answer(
            False, expected, "inputs do not say which windows there must be", facts.report.path
        )
    faults = recompute.window_faults(facts.windows.rows, years)
    return Answer(
        not faults, f"{expected}: {len(years)}", several(faults, "all there"), facts.windows.path
    )


def cost_rows_recomputed(facts: Facts) -> Answer:
    """The cost rows are those of the table, one for each multiplier asked for."""
    expected = "the rows of the cost table, to a relative 1e-9, one for each multiplier asked for"
    if facts.costs.rows is None:
        return unread(facts.costs, expected)
    wanted = recompute.multipliers(facts.inputs)
    if wanted is None:
        return Answer(
            False, expected, "inputs do not say which multipliers there must be", facts.report.path
        )
    faults = recompute.cost_faults(gates.cost_rows(facts.report.value), facts.costs.rows, wanted)
    return Answer(not faults, expected, several(faults, "as in the table"), facts.costs.path)


def statistics_recomputed(facts: Facts) -> Answer:
    """What the report says about significance is what the statistical report says about this factor."""
    expected = "the values of the statistical report, for this factor"
    if facts.statistics.value is None:
        return unread(facts.statistics, expected)
    found = facts.statistics.members
    measured = {name: values.member(found, *path) for name, path in _STATISTICS.items()}
    wrong = recompute.differences(gates.section(facts.report.value, "statistical_gates"), measured)
    factor, focus = facts.inputs.get("factor"), values.member(found, "focus", "factor")
    wrong += [] if factor == focus else [f"factor: reported {shown(factor)}, found {shown(focus)}"]
    return Answer(not wrong, expected, several(wrong, "as found"), facts.statistics.path)


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
