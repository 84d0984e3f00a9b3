"""Whether a run may be closed, and by what: its result, or a person who gives it up."""

from collections.abc import Sequence

from postrun.core import values
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.values import Json
from postrun.detect import reports
from postrun.detect.reports import ReportRow
from postrun.detect.runs import ChosenRun, RunResult

_GIVE_UP = '--abandoned "reason" closes the run as a fail'


def reason_to_give_up(
    chosen: ChosenRun,
    result: RunResult | None,
    searched: Sequence[str],
    rows: Sequence[ReportRow],
    has_report: bool,
    given: str | None,
    earlier: Json,
) -> str | None:
    """Return why the run is given up; None for one that its result and its report close.

    `searched` are the folders where reports were looked for, and `rows` are those found there.
    `given` is the reason of --abandoned. The one that an earlier detection recorded holds until
    the run can be closed without it. Raises Usage, Missing, Invalid.
    """
    recorded = values.text(earlier.get("abandoned"))
    if result is None:
        return given or recorded
    if has_report:
        if given is not None and any(row["belongs"] for row in rows):
            raise Usage(
                "--abandoned",
                "a run without a valid result.json or without a report that can be read",
                f"both in {chosen.folder}: nothing to abandon",
                "close it without this flag",
            )
        return given
    unusable = [row for row in rows if row["unusable"]]
    had_result = earlier.get("exit_code") is not None
    if result.exit_code != 0 and not unusable and not had_result:
        return given
    reason = given or recorded
    if reason is None:
        _refuse(chosen, result, searched, rows, unusable)
    return reason


def _refuse(
    chosen: ChosenRun,
    result: RunResult,
    searched: Sequence[str],
    rows: Sequence[ReportRow],
    unusable: Sequence[ReportRow],
) -> None:
    """Raise Invalid for a report that cannot be used, Missing for none where one must be."""
    thing = f"gate report of {chosen.folder}"
    if unusable:
        problems = "; ".join(reports.reasons_against(unusable))
        hint = f"mend it and close again; {_GIVE_UP}"
        raise Invalid(thing, "reports that can be read", problems, hint)
    if result.exit_code == 0:
        folders = ", ".join(searched)
        looked_at = "; ".join([f"none of this run in {folders}", *reports.reasons_against(rows)])
        expected = "one, as its exit code is 0"
        hint = f"name it with --report-json-remote; {_GIVE_UP}"
        raise Missing(thing, expected, looked_at, hint)
