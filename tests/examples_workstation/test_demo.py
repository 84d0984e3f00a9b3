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
    assert set(demo.FACTORS) <= set(FACTORS)


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


def test_only_pages_that_exist_are_named(
    sides: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sides / "home" / demo.RUNS / f"2026-02-21_010101_production_gates_demo_{TODAY}_run1"

    def close(_: str) -> int:
        run.mkdir(parents=True)
        (run / "governance_audit_check.md").write_text("x")
        (run / "run_detection.json").write_text(
            '{"gate_folder": "production_gates_2026-02-21_010102"}'
        )
        gate = sides / "home/gate_results/production_gates_2026-02-21_010102"
        gate.mkdir(parents=True)
        (gate / "production_gates_final_summary.md").write_text("x")
        return 1

    monkeypatch.setattr(demo, "start", lambda *_: 0)
    monkeypatch.setattr(demo, "close", close)
    demo.demo(["momentum_12_1"])
    named = capsys.readouterr().out.partition("Where to look")[2].split()
    assert [Path(line).name for line in named] == [
        "production_gates_final_summary.md",
        "governance_audit_check.md",
    ]
