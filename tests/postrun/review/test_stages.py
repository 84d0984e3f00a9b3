"""What the stages say, as plain values: what has another type was not measured."""

import pytest

from harness import factory
from postrun.review import stages

REPORT = factory.documents().report


@pytest.mark.parametrize("report", [None, {}, {"gates": []}, {"wf_stress": "lost"}])
def test_a_report_without_stages_has_none(report: object) -> None:
    assert stages.cost_rows(report) == []
    for name in ("wf_stress", "risk_diagnostics", "statistical_gates"):
        assert stages.stage(report, name) is None


def test_every_gate_is_there_and_the_overall_one_comes_last() -> None:
    rows = stages.gate_rows(REPORT)
    assert {row["gate"] for row in rows} == set(REPORT["gates"])
    assert rows[-1]["gate"] == "overall_pass"
    assert stages.gate_rows(None) == []


def test_a_verdict_that_is_none_is_shown_as_it_is() -> None:
    report = {**REPORT, "gates": {**REPORT["gates"], "overall_pass": "yes"}}
    assert stages.gate_rows(report)[-1]["reported"] == '"yes"'


def test_stages_have_their_numbers_and_how_they_ended() -> None:
    walk_forward = stages.stage(REPORT, "wf_stress")
    assert walk_forward is not None
    assert walk_forward["rows"] == REPORT["wf_stress"]["rows"]
    assert walk_forward["test_ic_mean"] == REPORT["wf_stress"]["test_ic_mean"]
    risk = stages.stage(
        {"risk_diagnostics": {"ok": True, "beta_vs_spy": "0.1", "return_code": 0}},
        "risk_diagnostics",
    )
    assert risk is not None
    assert (risk["ok"], risk["beta_vs_spy"], risk["return_code"]) == (True, None, 0)


def test_windows_come_oldest_test_first() -> None:
    rows = [{"test_start": "2014", "test_ic": "0.5"}, {"test_start": "2013", "test_n_dates": "12"}]
    first, second = stages.windows(rows)
    assert (first["test_start"], first["test_n_dates"], first["test_ic"]) == ("2013", 12, None)
    assert (second["test_start"], second["test_ic"]) == ("2014", 0.5)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1.0, 0.03), (1.5, 0.01), (2.0, -0.01)], ("between", 1.75)),
        ([(2.0, -0.01), (1.0, 0.03), (1.5, 0.01)], ("between", 1.75)),
        ([(1.0, 0.03), (2.0, 0.0)], ("between", 2.0)),
        ([(1.0, 0.03), (1.5, 0.02), (2.0, 0.01)], ("above", 2.5)),
        ([(1.0, 0.01), (2.0, 0.02)], ("above", None)),
        ([(1.0, 0.01), (2.0, 0.01)], ("above", None)),
        ([(1.0, -0.01), (2.0, 0.02)], ("below", None)),
        ([(1.0, 0.01), (None, 0.5), (2.0, None)], None),
        ([], None),
    ],
)
def test_where_costs_use_up_the_ic(
    points: list[tuple[float | None, float | None]], expected: tuple[str, float | None] | None
) -> None:
    rows = [{"cost_multiplier": multiplier, "test_ic": ic} for multiplier, ic in points]
    found = stages.break_even(rows)
    if expected is None:
        assert found is None
        return
    place, multiplier = expected
    assert found == {"place": place, "multiplier": pytest.approx(multiplier)}
