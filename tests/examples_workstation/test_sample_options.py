"""What the gate program is asked: defaults, strategy files, freeze files."""

import hashlib
import json
from pathlib import Path

import pytest
from make_workstation import lay_out

import run_production_gates
from harness.sample import PROJECT, gate_words, options
from production_gates.options import inputs, multipliers, read_strategy
from production_gates.panel import FACTORS

TREE = PROJECT / "examples" / "workstation"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_empty_parts_of_the_multipliers_ask_for_nothing() -> None:
    assert multipliers(options("--cost-multipliers", "1.5, 2.0,")) == [1.5, 2.0]


def test_defaults_are_the_documented_ones() -> None:
    found = inputs(options())
    documented = {
        "wf_train_years": 3,
        "wf_test_years": 1,
        "wf_start_year": 2010,
        "wf_end_year": 2025,
        "stress_cost_multiplier": 1.5,
        "stress_min_market_cap": 2e9,
        "stress_min_dollar_volume": 5e6,
        "stress_min_price": 5.0,
        "min_pos_ratio": 0.70,
        "risk_beta_abs_max": 0.50,
        "risk_turnover_overlap_min": 0.20,
        "risk_size_corr_abs_max": 0.30,
        "risk_industry_coverage_min": 0.70,
        "risk_top_pct": 0.20,
        "stat_alpha": 0.10,
        "stat_min_pos_ratio": 0.60,
        "stat_min_ic_mean": 0.0,
        "dry_run": False,
    }
    assert {key: found[key] for key in documented} == documented
    assert "shard" not in found


@pytest.mark.parametrize("factor", list(FACTORS))
def test_every_factor_has_a_strategy_and_an_unbroken_freeze(factor: str) -> None:
    strategy = TREE / "configs" / "strategies" / f"{factor}.yaml"
    frozen = json.loads((TREE / "runs" / "freeze" / f"{factor}.freeze.json").read_text())
    assert read_strategy(strategy)["factor"] == factor == frozen["run_scope"]["factor"]
    assert hashlib.sha256(strategy.read_bytes()).hexdigest() == frozen["config_hash"], (
        "freeze it anew"
    )


def error(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        run_production_gates.main(words)
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--stress-min-market-cap", "2e9"], "--stress-min-market-cap: no capitalisations"),
        (["--stress-market-cap-dir", "caps"], "--stress-market-cap-dir: no capitalisations"),
        (["--wf-shards", "0"], "expected 1 or more"),
        (["--wf-end-year", "2021"], "wf_end_year is frozen at 2022, not 2021"),
        (["--factor", "reversal_1"], "the strategy is for momentum_12_1"),
        (["--freeze-file", "runs/freeze/none.freeze.json"], "found nothing there"),
        (["--strategy", "configs/strategies/none.yaml"], "found none at"),
        (["--notes", "x", "--surprise"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_done_is_refused(
    root: Path, more: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line in error([*gate_words("momentum_12_1"), *more], capsys)
    assert not (root / "gate_results").exists()


def test_a_strategy_that_changed_after_the_freeze_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (root / "configs/strategies/reversal_1.yaml").open("a") as strategy:
        strategy.write("cost_bps: 1\n")
    assert "changed after it was frozen" in error(gate_words("reversal_1"), capsys)


def test_guardrails_can_be_skipped_and_that_is_recorded(root: Path) -> None:
    more = ["--skip-guardrails", "--dry-run", "--wf-end-year", "2021"]
    assert run_production_gates.main([*gate_words("momentum_12_1"), *more]) == 0
    [path] = root.glob("gate_results/*/production_gates_report.json")
    report = json.loads(path.read_text())
    assert report["inputs"]["skip_guardrails"] is True
    assert report["inputs"]["wf_end_year"] == 2021
    assert set(report["gates"].values()) == {None}
    assert report["cost_stress"] == []
    assert report["outputs"]["wf_summary_csv"] is None
