"""The demo's own decisions; the whole of it is what `make demo` shows."""

from datetime import datetime
from pathlib import Path

import demo
import pytest

from production_gates.panel import FACTORS

TODAY = datetime.now().astimezone().date()


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, folder in (
        ("PROJECT", ""),
        ("WORKSTATION", ".demo/workstation"),
        ("WORKSPACE", ".demo/home"),
    ):
        monkeypatch.setattr(demo, name, tmp_path / folder)
    return tmp_path / ".demo"


@pytest.mark.usefixtures("sides")
def test_the_first_tag() -> None:
    assert demo.free_tag() == f"demo_{TODAY}_run1"


def test_a_tag_of_either_side_is_not_taken_again(sides: Path) -> None:
    for side, run in (("workstation", 1), ("home", 2), ("home", 11)):
        (
            sides / side / f"{demo.RUNS}/2026-02-21_010101_production_gates_demo_{TODAY}_run{run}"
        ).mkdir(parents=True)
    assert demo.free_tag() == f"demo_{TODAY}_run3"


def test_the_demo_runs_factors_that_exist() -> None:
    assert demo.FACTORS.keys() <= set(FACTORS)


@pytest.mark.usefixtures("sides")
@pytest.mark.parametrize(
    ("started", "closed", "code"), [(0, 0, 0), (0, 1, 1), (3, 0, 3), (0, 7, 7)]
)
def test_the_exit_code_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, started: int, closed: int, code: int
) -> None:
    monkeypatch.setattr(demo, "start", lambda *_: started)
    monkeypatch.setattr(demo, "close", lambda _: closed)
    assert demo.demo(["momentum_12_1"]) == code


def test_what_came_of_a_run_is_read_from_the_tables(
    sides: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = f"demo_{TODAY}_run1"
    registry = (
        "run,decision_tag,factor,wf_mean,wf_n,failed_gates\n"
        f"r1,{tag},low_volatility,-0.0386842,10,risk_gate_size_corr_abs;stat_gate_factor_pass\n"
        "r0,another,reversal_1,0.5,10,stat_gate_factor_pass\n"
    )

    def close(_: str) -> int:
        folder = sides / "home/audit/factor_registry"
        folder.mkdir(parents=True)
        (sides / "home" / demo.REGISTRY).write_text(registry)
        (sides / "home" / demo.TRIALS).write_text("run,p_family\nr1,0.9079\nr0,0.5\n")
        return 0

    monkeypatch.setattr(demo, "start", lambda *_: 0)
    monkeypatch.setattr(demo, "close", close)
    demo.demo(["low_volatility"])
    told = capsys.readouterr().out.partition("== What came of it\n")[2]
    assert told.splitlines()[:3] == [
        "low_volatility: mean test IC -0.039 in 10 yearly windows;",
        "   a worthless factor looks as good in 91% of cases",
        "   failed, besides those two: stat_gate_factor_pass",
    ]
    assert "make verify LOCAL_ROOT=.demo/home" in told
    assert told.splitlines()[-1] == "Open .demo/home/audit/site/index.html"


@pytest.mark.usefixtures("sides")
def test_a_run_that_left_nothing_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "start", lambda *_: 3)
    assert demo.demo(["low_volatility"]) == 3
    told = capsys.readouterr().out
    assert "mean test IC" not in told
    assert "Each audit passed" not in told
