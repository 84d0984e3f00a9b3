"""Were the input data fit for the run?"""

from postrun.audit.facts import Answer, Facts, several, texts, unread
from postrun.audit.recompute import shown


def data_quality_ran(facts: Facts) -> Answer:
    """The data-quality gate was not switched off."""
    option = facts.context.members.get("skip_data_quality_check")
    ran = isinstance(option, int) and option == 0
    return Answer(
        ran,
        "skip_data_quality_check 0",
        f"skip_data_quality_check {shown(option)}",
        facts.context.path,
    )


def data_quality_report_found(facts: Facts) -> Answer:
    """The report that the context names came home with the run folder."""
    expected = "the data-quality report named in the context, readable, below the run folder"
    if facts.data_quality.value is None:
        return unread(facts.data_quality, expected)
    return Answer(True, expected, "there", facts.data_quality.path)


def data_quality_passed(facts: Facts) -> Answer:
    """The report says so, and each of its checks does too."""
    report = facts.data_quality.members
    checks = report.get("checks")
    named = checks if isinstance(checks, dict) else {}
    faults = [
        f"{name} is {shown(value)}" for name, value in sorted(named.items()) if value is not True
    ]
    faults += [] if named else ["no checks"]
    faults += texts(report.get("failures"))
    verdict = report.get("overall_pass")
    faults = [f"overall_pass is {shown(verdict)}", *faults] if faults or verdict is not True else []
    return Answer(
        not faults,
        "overall_pass and every check true",
        several(faults, "as expected"),
        facts.data_quality.path,
    )


CHECKS = (
    data_quality_ran,
    data_quality_report_found,
    data_quality_passed,
)
