"""A real official run of the sample workstation: every file, every number that can be worked out
again.
"""

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make_workstation import lay_out

from harness.programs import wait_for
from harness.sample import SampleRun, gate_words
from postrun.store import json_files


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


@pytest.fixture(scope="module")
def report(sample: SampleRun) -> Any:
    return read(sample.gate / "production_gates_report.json")


@pytest.mark.parametrize(
    ("stem", "home", "pattern"),
    [
        ("preflight", "run", "preflight.json"),
        ("context", "run", "context.json"),
        ("result", "run", "result.json"),
        ("run_pid", "run", "run.pid"),
        ("data_quality_report", "run", "data_quality/*/data_quality_report.json"),
        ("production_gates_report", "gate", "production_gates_report.json"),
        ("statistical_gates_report", "gate", "statistical/*/statistical_gates_report.json"),
        ("freeze", "root", "runs/freeze/momentum_12_1.freeze.json"),
        ("launcher_policy", "root", "configs/launcher_policy.json"),
    ],
)
def test_every_json_keeps_its_schema(sample: SampleRun, stem: str, home: str, pattern: str) -> None:
    [path] = getattr(sample, home).glob(pattern)
    assert json_files.findings(read(path), stem, False) == []


def test_every_file_is_there(sample: SampleRun) -> None:
    for name in ("command.sh", "run.log", "data_quality.log", "data_quality_command.sh"):
        assert (sample.run / name).stat().st_size
    shards = [f"walk_forward_stress/shard_{number:02d}" for number in (1, 2)]
    wanted = ["production_gates_report.md", "cost_stress_results.csv", "risk/risk_diagnostics.json"]
    wanted += [
        f"{home}/{name}"
        for home in shards
        for name in ("run_meta.json", "momentum_12_1/walk_forward_summary.csv")
    ]
    merged = "walk_forward_stress/momentum_12_1"
    wanted += [f"{merged}/walk_forward_summary.csv", f"{merged}/ic_by_date.csv"]
    wanted += [f"cost_stress/x{multiplier}/run.json" for multiplier in ("1.0", "1.5", "2.0")]
    assert [name for name in wanted if not (sample.gate / name).is_file()] == []
    assert list(sample.gate.glob("statistical/*/statistical_gates_table.csv"))


def test_the_report_is_the_last_file_and_the_result_comes_after_it(sample: SampleRun) -> None:
    files = sorted(
        (path for path in sample.gate.rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_mtime_ns,
    )
    assert files[-1].name == "production_gates_report.json"
    assert (sample.run / "result.json").stat().st_mtime_ns >= files[-1].stat().st_mtime_ns


def test_names_and_times_agree(sample: SampleRun, report: Any) -> None:
    assert (
        read(sample.run / "context.json")["decision_tag"]
        == report["inputs"]["decision_tag"]
        == "sample_run1"
    )
    assert sample.run.name[:17] <= sample.gate.name.removeprefix("production_gates_")
    assert report["outputs"]["out_root"] == str(sample.gate)
    assert Path(report["wf_stress"]["summary_csv"]).is_file()
    assert report["inputs"]["notes"] == "momentum_12_1 in a test"


def test_walk_forward_statistics_come_from_the_summary(sample: SampleRun, report: Any) -> None:
    windows = rows(sample.gate / "walk_forward_stress/momentum_12_1/walk_forward_summary.csv")
    assert [row["test_start"][:4] for row in windows] == [str(year) for year in range(2013, 2023)]
    for column in ("test_ic", "test_ic_overall"):
        ics = [float(row[column]) for row in windows]
        found = {
            part: report["wf_stress"][f"{column}_{part}"]
            for part in ("mean", "std", "pos_ratio", "n")
        }
        assert found["mean"] == pytest.approx(statistics.fmean(ics), rel=1e-9)
        assert found["std"] == pytest.approx(statistics.stdev(ics), rel=1e-9)
        assert found["pos_ratio"] == sum(ic > 0 for ic in ics) / len(ics)
        assert found["n"] == len(ics) == report["wf_stress"]["rows"]


def test_the_merged_summary_is_what_the_shards_wrote(sample: SampleRun) -> None:
    merged = rows(sample.gate / "walk_forward_stress/momentum_12_1/walk_forward_summary.csv")
    copies = sorted(
        sample.gate.glob("walk_forward_stress/shard_*/momentum_12_1/walk_forward_summary.csv")
    )
    assert merged == [row for copy in copies for row in rows(copy)]
    years = [
        year
        for meta in sorted(sample.gate.glob("*/shard_*/run_meta.json"))
        for year in read(meta)["test_years"]
    ]
    assert years == list(range(2013, 2023))


def test_each_window_is_the_mean_of_its_months(sample: SampleRun) -> None:
    folder = sample.gate / "walk_forward_stress/momentum_12_1"
    dates = rows(folder / "ic_by_date.csv")
    assert list(dates[0]) == ["date", "n", "ic"]
    assert {row["n"] for row in dates} == {"20"}
    days = [row["date"] for row in dates]
    assert days == sorted(set(days))
    for window in rows(folder / "walk_forward_summary.csv"):
        first, last = window["test_start"], window["test_end"]
        ics = [float(row["ic"]) for row in dates if first <= row["date"] <= last]
        assert len(ics) == int(window["test_n_dates"]) == 12
        assert statistics.fmean(ics) == pytest.approx(float(window["test_ic"]), abs=1e-12)
    assert len(days) == 120


def test_cost_rows_are_in_the_csv_and_cost_lowers_the_ic(sample: SampleRun, report: Any) -> None:
    table = rows(sample.gate / "cost_stress_results.csv")
    assert [float(row["test_ic"]) for row in table] == [
        row["test_ic"] for row in report["cost_stress"]
    ]
    tests = [row["test_ic"] for row in report["cost_stress"]]
    assert tests == sorted(tests, reverse=True)
    for row in report["cost_stress"]:
        assert read(Path(row["run_json"]))["test_ic"] == row["test_ic"]


def test_the_family_has_the_same_windows_for_the_focus(sample: SampleRun, report: Any) -> None:
    [path] = sample.gate.glob("statistical/*/statistical_gates_report.json")
    stat = read(path)
    merged = rows(sample.gate / "walk_forward_stress/momentum_12_1/walk_forward_summary.csv")
    assert [
        row for row in rows(Path(stat["summary_csv"])) if row["factor"] == "momentum_12_1"
    ] == merged
    assert stat["n_factors"] == report["statistical_gates"]["n_factors"] == 3
    assert stat["focus"]["q_value_bh"] == report["statistical_gates"]["q_value_bh"]


def test_what_the_data_cannot_give_is_null_and_fails(report: Any) -> None:
    assert report["risk_diagnostics"]["size_signal_corr_log_mcap"] is None
    assert report["risk_diagnostics"]["industry_coverage"] is None
    assert report["gates"]["risk_gate_size_corr_abs"] is False
    assert report["gates"]["overall_pass"] is False


def test_momentum_is_what_the_readme_says(report: Any) -> None:
    """The numbers are those of the committed prices: a change in them is a change of a formula."""
    assert report["wf_stress"]["test_ic_mean"] == pytest.approx(0.006491228070175441, rel=1e-9)
    assert report["wf_stress"]["test_ic_pos_ratio"] == 0.6
    assert report["risk_diagnostics"]["beta_vs_spy"] == pytest.approx(-0.0273229, rel=1e-5)


def test_progress_can_be_followed(sample: SampleRun) -> None:
    log = (sample.run / "run.log").read_text()
    assert "[cost_stress] x1.5 test_ic=0.0064" in log
    assert "[walk_forward] shard 2/2 window 2018 done 1/5" in log
    assert log.index("[cost_stress]") < log.index("[walk_forward]") < log.index("[report]")


def test_the_registry_of_the_workstation_grew(sample: SampleRun) -> None:
    assert (
        (sample.root / "gate_results/gate_registry.csv")
        .read_text()
        .endswith(",sample_run1,momentum_12_1,False\n")
    )


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a gate program with two shards; return it while both work through their windows."""
    lay_out(tmp_path)
    command = [sys.executable, "scripts/run_production_gates.py", *gate_words("reversal_1")]
    command += ["--min-seconds", "3", "--skip-statistical-gates"]
    null = subprocess.DEVNULL
    program = subprocess.Popen(command, cwd=tmp_path, stdout=null, stderr=null)
    wait_for(lambda: len(shards(program.pid)) == 2, 15)
    yield program
    program.kill()
    program.wait()


def living() -> dict[int, int]:
    """Return every process that is no zombie, with its parent."""
    command = ["ps", "-A", "-o", "pid=,ppid=,stat="]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if state[0] != "Z"}


def shards(program: int) -> list[int]:
    return [pid for pid, parent in living().items() if parent == program]


def test_a_killed_shard_fails_the_stage_but_not_the_program(
    busy: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    os.kill(shards(busy.pid)[0], signal.SIGKILL)
    assert busy.wait(timeout=30) == 0
    [path] = tmp_path.glob("gate_results/*/production_gates_report.json")
    report = read(path)
    assert report["wf_stress"]["ok"] is False
    assert report["wf_stress"]["return_code"] == -signal.SIGKILL
    assert report["gates"]["wf_gate_positive_mean"] is False
    assert json_files.findings(report, "production_gates_report", False) == []


def test_shards_do_not_outlive_the_program(busy: subprocess.Popen[bytes]) -> None:
    children = shards(busy.pid)
    busy.kill()
    busy.wait()
    wait_for(lambda: living().keys().isdisjoint(children), 15)
