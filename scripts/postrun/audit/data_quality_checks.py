"""Data quality: were the input data fit for the run?"""

from postrun.audit.answers import Answer, by_faults, shown, texts
from postrun.audit.facts import Facts
from postrun.core import values


def data_quality_ran(facts: Facts) -> Answer:
    """Return whether the data-quality gate was left switched on."""
    expected = "skip_data_quality_check 0"
    if facts.context.value is None:
        report = facts.data_quality
        ran = report.value is not None
        observed = f"no context can be read; {report.problem or 'the report of the gate is there'}"
        return Answer(ran, expected, observed, report.path)
    option = facts.context.members.get("skip_data_quality_check")
    # The launcher writes 0 or 1; false counts as 0, and what is not recorded is not known.
    ran = isinstance(option, int) and option == 0
    observed = f"skip_data_quality_check {shown(option)}"
    return Answer(ran, expected, observed, facts.context.path)


def data_quality_report_found(facts: Facts) -> Answer:
    """Return whether the report that the context names came with the run folder."""
    expected = "the data-quality report named in the context, readable, below the run folder"
    facts.data_quality.required()
    return Answer(True, expected, "there", facts.data_quality.path)


def data_quality_passed(facts: Facts) -> Answer:
    """Return whether the report says pass, and each of its checks does too."""
    report = facts.data_quality.members
    checks = values.mapping(report.get("checks"))
    faults = [
        f"{name} is {shown(checks[name])}" for name in sorted(checks) if checks[name] is not True
    ]
    if not checks:
        faults.append("no checks")
    faults += texts(report.get("failures"))
    # A pass that its own checks or failures deny is none.
    verdict = report.get("overall_pass")
    if faults or verdict is not True:
        faults.insert(0, f"overall_pass is {shown(verdict)}")
    expected = "overall_pass and every check true"
    return by_faults(expected, faults, "as expected", facts.data_quality)


CHECKS = (
    data_quality_ran,
    data_quality_report_found,
    data_quality_passed,
)
