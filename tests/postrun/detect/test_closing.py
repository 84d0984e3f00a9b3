"""Whether a run may be closed, for each exit code, report and reason to give it up."""

from typing import Any

import pytest

from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.run_names import RunName
from postrun.detect.closing import reason_to_give_up
from postrun.detect.runs import ChosenRun, RunResult

NAME = RunName("2026-02-21_031500_production_gates_run1", "2026-02-21_031500", "run1")
OWN = {"report": "own", "belongs": True, "unusable": False, "objection": None}
CUT = {"report": "cut", "belongs": False, "unusable": True, "objection": "half a file"}
OTHER = {"report": "other", "belongs": False, "unusable": False, "objection": "another tag"}


def ask(
    code: int | None,
    *rows: dict[str, Any],
    given: str | None = None,
    has_report: bool | None = None,
    **earlier: Any,
) -> str | None:
    result = None if code is None else RunResult(0.0, code)
    has_own = OWN in rows if has_report is None else has_report
    run = ChosenRun(NAME, "run1", [NAME.folder])
    return reason_to_give_up(run, result, ["out", "gate_results"], rows, has_own, given, earlier)


@pytest.mark.parametrize("code", [0, 1])
def test_a_report_of_the_run_closes_it(code: int) -> None:
    assert ask(code, OWN, OTHER, CUT) is None
    assert ask(code, OWN, abandoned="earlier", exit_code=code) is None
    with pytest.raises(Usage, match=r"both in .*: nothing to abandon"):
        ask(code, OWN, given="why")


@pytest.mark.parametrize("rows", [(), (OTHER,)])
def test_exit_code_zero_without_a_report_is_refused_with_what_was_looked_at(rows: Any) -> None:
    with pytest.raises(Missing) as caught:
        ask(0, *rows)
    assert "none of this run in out, gate_results" in str(caught.value)
    for row in rows:
        assert f"{row['report']}: {row['objection']}" in str(caught.value)
    assert ask(0, *rows, given="why") == "why"
    assert ask(0, *rows, abandoned="earlier", exit_code=0) == "earlier"


@pytest.mark.parametrize("code", [0, 1])
def test_a_report_that_cannot_be_used_is_refused_by_name(code: int) -> None:
    with pytest.raises(Invalid, match="cut: half a file"):
        ask(code, OTHER, CUT)
    assert ask(code, OTHER, CUT, given="why") == "why"
    assert ask(code, OTHER, CUT, abandoned="earlier", exit_code=None) == "earlier"


def test_a_run_that_failed_without_a_report_is_closed_by_its_result() -> None:
    assert ask(1, OTHER) is None
    assert ask(1, OTHER, given="why") == "why"
    assert ask(1, abandoned="before there was a result", exit_code=None) is None
    assert ask(1, abandoned="with this result", exit_code=1) == "with this result"


def test_a_run_without_a_result_is_given_up_whatever_its_report() -> None:
    for rows in ((), (OWN,), (CUT,)):
        assert ask(None, *rows, given="why", abandoned="earlier") == "why"
        assert ask(None, *rows, abandoned="earlier") == "earlier"


def test_another_runs_report_that_is_asked_for_does_not_forbid_to_give_up() -> None:
    assert ask(0, OTHER, given="why", has_report=True) == "why"
    assert ask(0, OTHER, has_report=True) is None
