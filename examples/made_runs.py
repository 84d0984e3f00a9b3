"""Complete, consistent official runs with made numbers, as a workstation leaves them.

    run = made_run("tag1", "2026-01-05_031500", "made_value", good_ics(seed=1)).write(root)

`root` becomes a workstation's root (or a workspace, for --no-sync). Owner, notes, strategy, data
and log say "made numbers", and a factor's name begins with `made_`, so that no page of such a run
is taken for research. Times in names are local at UTC-7; result.json carries the matching
modification time. Every number of a report is computed from the rows beside it.

`build` makes a run of any description: the tests' factory gives it theirs, and spoils them.
"""

import csv
import io
import json
import math
import os
import random
import socket
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

# The sample's own code adjusts the p values.
sys.path.append(str(Path(__file__).resolve().parent / "workstation" / "scripts"))

from production_gates.significance import adjusted

HOST = "bench"
ZONE = timezone(timedelta(hours=-7))
MADE = "made numbers"
OWNER = "made numbers (nobody)"
PREFIX = "made_"
DEVIATION = 0.033  # of a yearly IC
FIRST_TEST_YEAR, TEST_YEARS = 2013, 13
THRESHOLDS: dict[str, Any] = {
    "cost_multipliers": "1.0,1.5,2.0",
    "wf_train_years": 3,
    "wf_test_years": 1,
    "wf_start_year": 2010,
    "wf_end_year": 2025,
    "wf_rebalance_mode": "None",
    "wf_shards": 2,
    "stress_cost_multiplier": 1.5,
    "stress_min_market_cap": 2e9,
    "stress_min_dollar_volume": 5e6,
    "stress_min_price": 5.0,
    "stress_market_cap_dir": "data/mcap",
    "stress_market_cap_strict": False,
    "min_pos_ratio": 0.70,
    "risk_beta_abs_max": 0.50,
    "risk_turnover_overlap_min": 0.20,
    "risk_size_corr_abs_max": 0.30,
    "risk_industry_coverage_min": 0.70,
    "risk_top_pct": 0.20,
    "skip_risk_diagnostics": False,
    "skip_statistical_gates": False,
    "stat_summary_csv": "",
    "stat_alpha": 0.10,
    "stat_min_pos_ratio": 0.60,
    "stat_min_ic_mean": 0.0,
    "out_dir": "gate_results",
    "registry_csv": "audit/registry.csv",
    "no_registry": False,
    "freeze_file": "runs/freeze/base.freeze.json",
    "wf_freeze_file": "",
    "skip_guardrails": False,
    "dry_run": False,
}
CHECKS = (
    "required_columns_present",
    "min_rows",
    "duplicate_ratio",
    "missing_ratio",
    "numeric_integrity",
    "freshness",
)


def moment(stamp: str, **later: float) -> datetime:
    """Read the time in a folder name as the workstation's local time, some time later."""
    return datetime.strptime(stamp, "%Y-%m-%d_%H%M%S").replace(tzinfo=ZONE) + timedelta(**later)


@dataclass
class Documents:
    """Everything one run leaves behind, before it is written.

    Change what a test is about; None leaves a file out.
    """

    tag: str
    stamp: str
    gate_stamp: str
    preflight: Any = None
    context: Any = None
    result: Any = None
    data_quality: Any = None
    report: Any = None
    cost_rows: list[dict[str, Any]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    statistics: Any = None
    significance: list[dict[str, Any]] = field(default_factory=list)  # the statistical table
    dates: list[dict[str, Any]] = field(default_factory=list)  # optional: the IC of each test date
    log: bytes = b""
    result_modified: float = 0.0
    title: str = ""  # goes on the two pages of the workstation's own

    @property
    def run_folder(self) -> str:
        in_folder = self.tag.translate(str.maketrans(" /:", "___"))
        return f"{self.stamp}_production_gates_{in_folder}"

    @property
    def gate_folder(self) -> str:
        return f"production_gates_{self.gate_stamp}"

    def run_dir(self, root: Path) -> Path:
        return root / "audit/workstation_runs" / self.run_folder

    def gate_dir(self, root: Path) -> Path:
        return root / "gate_results" / self.gate_folder

    def write(self, root: Path) -> "Documents":
        run = self.run_dir(root)
        if self.result is None:
            self._begin_on_this_host()
        factor = (self.report or {}).get("inputs", {}).get("factor", "momentum_12_1")
        put(run / "preflight.json", self.preflight)
        folder = run / f"data_quality/data_quality_{self.stamp}"
        put(folder / "data_quality_report.json", self.data_quality)
        if self.data_quality is not None:
            put(folder / "data_quality_report.md", f"# Data quality{self.title}\n")
        put(run / "context.json", self.context)
        if self.context is not None:
            command = (
                f"python run_production_gates.py --factor {factor} --decision-tag {self.tag}\n"
            )
            put(run / "command.sh", command)
            put(run / "run.log", self.log or b"[cost_stress] x1.0 done\n")
        self._write_gate(self.gate_dir(root), factor)
        put(run / "result.json", self.result)
        if self.result is not None:
            os.utime(run / "result.json", (self.result_modified, self.result_modified))
        return self

    def _begin_on_this_host(self) -> None:
        """Name this host in the records: a run that goes on, or died, is looked for here."""
        for record in (self.preflight, self.context):
            if isinstance(record, dict) and record.get("hostname") == HOST:
                record["hostname"] = socket.gethostname()

    def _write_gate(self, gate: Path, factor: str) -> None:
        if self.cost_rows:
            put(gate / "cost_stress_results.csv", table(self.cost_rows))
        if self.windows:
            put(
                gate / f"walk_forward_stress/{factor}/walk_forward_summary.csv", table(self.windows)
            )
            if self.dates:
                put(gate / f"walk_forward_stress/{factor}/ic_by_date.csv", table(self.dates))
            for shard in (0, 1):
                shard_dir = gate / f"walk_forward_stress/shard_{shard:02d}"
                rows = self.windows[shard::2]
                if rows:
                    put(shard_dir / f"{factor}/walk_forward_summary.csv", table(rows))
                    put(shard_dir / "run_meta.json", {"shard": shard})
        if self.statistics is not None:
            folder = gate / f"statistical/statistical_gates_{self.gate_stamp}"
            put(folder / "statistical_gates_report.json", self.statistics)
            if self.significance:
                put(folder / "statistical_gates_table.csv", table(self.significance))
        put(gate / "production_gates_report.json", self.report)
        if self.report is not None:
            put(gate / "production_gates_report.md", f"# Production gates{self.title}\n")


def put(path: Path, content: Any) -> None:
    """Write a document, text or bytes; None writes nothing."""
    if content is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict | list):
        content = json.dumps(content, indent=1)  # NaN is written as real producers do
    path.write_bytes(content if isinstance(content, bytes) else str(content).encode())


def table(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    columns = list(rows[0])
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if row[key] is None else row[key] for key in columns} for row in rows)
    return out.getvalue()


@dataclass(frozen=True)
class Description:
    """What a run is to be. Its test ICs are `level` plus each of `waves`, one a test year."""

    tag: str
    stamp: str
    factor: str
    level: float
    waves: Sequence[float]
    cost_level: float  # the IC of the costs at x2.0
    segments: tuple[float, float, float]  # mean, share of positives, p of the statistical table
    owner: str = OWNER
    notes: str = MADE
    strategy: str = "configs/strategies/made_numbers.yaml"
    data: str = "data/made_numbers.csv"


def build(run: Description) -> Documents:
    """Return a consistent official run."""
    began = moment(run.stamp)
    gate_stamp = (began + timedelta(minutes=2)).strftime("%Y-%m-%d_%H%M%S")
    done = began + timedelta(hours=2)
    made = Documents(run.tag, run.stamp, gate_stamp)
    made.result_modified = (done + timedelta(seconds=30)).timestamp()
    made.preflight = _preflight(began)
    made.data_quality = _data_quality(run, began)
    made.context = _context(run, made)
    made.windows = _windows(run)
    made.cost_rows = _cost_rows(run.cost_level)
    made.significance = _significance(run)
    made.statistics = _statistics(made, run.factor, done)
    made.report = _report(run, made, done)
    made.result = {
        "workflow": "production_gates",
        "decision_tag": run.tag,
        "exit_code": 0,
        "audit_dir": f"audit/workstation_runs/{made.run_folder}",
    }
    return made


def made_run(
    tag: str,
    stamp: str,
    factor: str,
    ics: Sequence[float],
    by_date: bool = False,
) -> Documents:
    """Return a run with these test ICs, one for each test year from 2013 on.

    `by_date` adds monthly ICs, which few programs write. Raises ValueError when the factor does not
    begin with `made_`.
    """
    if not factor.startswith(PREFIX):
        raise ValueError(
            f"factor of a made run: expected it to begin with {PREFIX}, found {factor}"
        )
    mean = statistics.fmean(ics)
    run = Description(tag, stamp, factor, 0.0, ics, mean, _segments(ics))
    made = build(run)
    made.title = f": {factor}, {MADE}"
    made.log = f"[start] {factor} {tag}: {MADE}\n".encode()
    if by_date:
        made.dates = _dates(ics, random.Random(tag))
    return made


def good_ics(seed: int) -> list[float]:
    """Return the yearly ICs of a factor that works: a true IC of 0.048."""
    return _draw(seed, 0.048)


def worthless_ics(seed: int) -> list[float]:
    """Return the yearly ICs of a factor that is worth nothing."""
    return _draw(seed, 0.0)


def _draw(seed: int, true_ic: float) -> list[float]:
    """Return 13 yearly ICs, normal around the true one; every machine draws the same."""
    source = random.Random(seed)
    return [round(source.gauss(true_ic, DEVIATION), 6) for _ in range(TEST_YEARS)]


def _segments(ics: Sequence[float]) -> tuple[float, float, float]:
    """Return mean, share of positives and two-sided normal p of two-year segments."""
    pairs = [ics[start : start + 2] for start in range(0, len(ics), 2)]
    means = [statistics.fmean(pair) for pair in pairs]
    mean, deviation = statistics.fmean(means), statistics.stdev(means)
    z = mean / deviation * math.sqrt(len(means))
    positive = sum(value > 0 for value in means) / len(means)
    return mean, positive, math.erfc(abs(z) / math.sqrt(2))


def _dates(ics: Sequence[float], source: random.Random) -> list[dict[str, Any]]:
    """Return twelve monthly ICs for each test year, whose mean is the year's."""
    rows = []
    for year, ic in enumerate(ics, start=FIRST_TEST_YEAR):
        noise = [source.gauss(0, DEVIATION * math.sqrt(12)) for _ in range(12)]
        middle = statistics.fmean(noise)
        for month, value in enumerate(noise, start=1):
            rows.append({"date": f"{year}-{month:02d}-28", "n": 1000, "ic": ic + value - middle})
    return rows


def _preflight(began: datetime) -> dict[str, Any]:
    return {
        "timestamp": began.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "hostname": HOST,
        "root_dir": "/srv/quant",
        "git_branch": "main",
        "git_commit": "0f" * 20,
        "git_dirty_count": 0,
        "cores": 32,
        "memory_gb": 256,
        "min_cores": 8,
        "min_memory_gb": 60,
        "require_clean": 1,
        "status": "pass",
        "reasons": [],
    }


def _context(run: Description, made: Documents) -> dict[str, Any]:
    folder = f"audit/workstation_runs/{made.run_folder}"
    return {
        "timestamp": made.stamp,
        "hostname": HOST,
        "git_branch": "main",
        "git_commit": "0f" * 20,
        "workflow": "production_gates",
        "decision_tag": made.tag,
        "owner": run.owner,
        "notes": run.notes,
        "threads": 8,
        "skip_data_quality_check": 0,
        "data_quality_input_csv": run.data,
        "data_quality_report_json": (
            f"{folder}/data_quality/data_quality_{made.stamp}/data_quality_report.json"
        ),
    }


def _data_quality(run: Description, began: datetime) -> dict[str, Any]:
    return {
        "generated_at": began.isoformat(),
        "inputs": {
            "input_csv": run.data,
            "required_columns": ["date", "symbol", "close"],
            "numeric_columns": ["close"],
            "key_columns": ["date", "symbol"],
            "date_column": "date",
            "min_rows": 1000,
            "max_missing_ratio": 0.05,
            "max_duplicate_ratio": 0.0,
            "max_staleness_days": 7,
            "out_dir": "data_quality",
        },
        "checks": dict.fromkeys(CHECKS, True),
        "metrics": {
            "row_count": 8000,
            "column_count": 3,
            "input_csv": run.data,
            "freshness_days": 1,
        },
        "overall_pass": True,
        "failures": [],
    }


def _windows(run: Description) -> list[dict[str, Any]]:
    train, level = THRESHOLDS["wf_train_years"], run.level
    rows = []
    for year, wave in enumerate(run.waves, start=FIRST_TEST_YEAR):
        rows.append(
            {
                "factor": run.factor,
                "train_start": f"{year - train}-01-01",
                "train_end": f"{year - 1}-12-31",
                "test_start": f"{year}-01-01",
                "test_end": f"{year}-12-31",
                "train_ic": level * 1.2 + wave,
                "train_ic_overall": level + wave / 2,
                "train_n_dates": 36,
                "train_n_signals": 36000,
                "test_ic": level + wave,
                "test_ic_overall": level * 0.9 + wave,
                "test_n_dates": 12,
                "test_n_signals": 12000,
                "test_year": year,
            }
        )
    return rows


def _cost_rows(level: float) -> list[dict[str, Any]]:
    return [
        {
            "cost_multiplier": multiplier,
            "return_code": 0,
            "test_ic": level * (1.4 - multiplier / 5),
            "train_ic": level * (1.6 - multiplier / 5),
            "run_json": f"/srv/quant/runs/cost_{multiplier}.json",
        }
        for multiplier in (1.0, 1.5, 2.0)
    ]


def judged(
    factor: str, ic_mean: float, pos_ratio: float, p_value: float, q_value: float
) -> dict[str, Any]:
    """Return one factor's row of the statistical table as the reference program writes it: p is
    two-sided and normal, here from eight segments.
    """
    z = math.copysign(-statistics.NormalDist().inv_cdf(p_value / 2), ic_mean)
    row = {
        "factor": factor,
        "ic_mean": ic_mean,
        "ic_std": ic_mean * math.sqrt(8) / z,
        "n": 8,
        "pos_ratio": pos_ratio,
        "z_stat": z,
        "p_value": p_value,
        "q_value_bh": q_value,
        "gate_qvalue": q_value <= 0.10,
        "gate_pos_ratio": pos_ratio >= 0.60,
        "gate_ic_mean": ic_mean > 0,
    }
    passed = row["gate_qvalue"] and row["gate_pos_ratio"] and row["gate_ic_mean"]
    return {**row, "gate_pass": passed}


def _significance(run: Description) -> list[dict[str, Any]]:
    """Return twelve factors, the run's first; three of the others work."""
    factors: list[tuple[str, float, float, float]] = [
        (run.factor, *run.segments),
        ("other_2", 0.019, 0.75, 0.005),
        ("other_3", 0.018, 0.75, 0.02),
        ("other_4", 0.017, 0.625, 0.03),
    ]
    p_values = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.96)
    for number, p_value in enumerate(p_values, start=5):
        factors.append((f"other_{number}", 0.0115 - 0.001 * number, 0.5, p_value))
    q_values = adjusted([factor[-1] for factor in factors])
    return [judged(*factor, q) for factor, q in zip(factors, q_values, strict=True)]


def _statistics(made: Documents, factor: str, done: datetime) -> dict[str, Any]:
    folder = f"gate_results/{made.gate_folder}/statistical/statistical_gates_{made.gate_stamp}"
    (row,) = [row for row in made.significance if row["factor"] == factor]
    measured = ("ic_mean", "pos_ratio", "p_value", "q_value_bh", "gate_pass")
    return {
        "generated_at": done.strftime("%Y-%m-%dT%H:%M:%S"),
        "inputs": {"alpha": 0.10},
        "summary_csv": "/srv/quant/summary.csv",
        "table_csv": f"/srv/quant/{folder}/statistical_gates_table.csv",
        "n_factors": len(made.significance),
        "n_pass": sum(row["gate_pass"] for row in made.significance),
        "focus": {"factor": factor, "found": True, **{name: row[name] for name in measured}},
    }


def summarise(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Compute the report's walk-forward statistics from the rows: mean, sample deviation, share of
    positives, count.
    """
    found: dict[str, Any] = {}
    for column in ("test_ic", "test_ic_overall"):
        values = [row[column] for row in windows if row[column] is not None]
        found[f"{column}_mean"] = statistics.fmean(values)
        found[f"{column}_std"] = statistics.stdev(values)
        found[f"{column}_pos_ratio"] = sum(value > 0 for value in values) / len(values)
        found[f"{column}_n"] = len(values)
    return found


def _report(run: Description, made: Documents, done: datetime) -> dict[str, Any]:
    gate = f"/srv/quant/gate_results/{made.gate_folder}"
    summary_csv = f"{gate}/walk_forward_stress/{run.factor}/walk_forward_summary.csv"
    walk_forward = {
        "ok": True,
        "rows": len(made.windows),
        **summarise(made.windows),
        "return_code": 0,
    }
    inputs = {
        **THRESHOLDS,
        "strategy": run.strategy,
        "protocol": "configs/protocol.yaml",
        "factor": run.factor,
        "decision_tag": made.tag,
        "owner": run.owner,
        "notes": run.notes,
    }
    focus = made.statistics["focus"]
    costs = {row["cost_multiplier"]: row["test_ic"] for row in made.cost_rows}
    gates = {
        "cost_gate_x1_5_positive": costs[1.5] > 0,
        "cost_gate_x2_0_positive": costs[2.0] > 0,
        "wf_gate_positive_mean": walk_forward["test_ic_mean"] > 0,
        "wf_gate_pos_ratio": walk_forward["test_ic_pos_ratio"] >= THRESHOLDS["min_pos_ratio"],
        "risk_gate_beta_abs": True,
        "risk_gate_turnover_overlap": True,
        "risk_gate_size_corr_abs": True,
        "risk_gate_industry_coverage": True,
        "stat_gate_factor_pass": focus["gate_pass"],
    }
    return {
        "generated_at": done.strftime("%Y-%m-%dT%H:%M:%S"),
        "inputs": inputs,
        "outputs": {
            "out_root": gate,
            "cost_csv": f"{gate}/cost_stress_results.csv",
            "wf_summary_csv": summary_csv,
        },
        "cost_stress": [dict(row) for row in made.cost_rows],
        "wf_stress": {**walk_forward, "summary_csv": summary_csv},
        "risk_diagnostics": {
            "ok": True,
            "return_code": 0,
            "diagnostics_json": f"{gate}/risk.json",
            "beta_vs_spy": 0.12,
            "turnover_top_pct_overlap": 0.61,
            "size_signal_corr_log_mcap": -0.08,
            "industry_coverage": 0.97,
        },
        "statistical_gates": {
            "ok": True,
            "return_code": 0,
            "report_json": (
                f"{gate}/statistical/statistical_gates_{made.gate_stamp}/"
                f"statistical_gates_report.json"
            ),
            "factor_found": True,
            "factor_gate_pass": focus["gate_pass"],
            "q_value_bh": focus["q_value_bh"],
            "n_factors": made.statistics["n_factors"],
            "n_pass": made.statistics["n_pass"],
        },
        "gates": {**gates, "overall_pass": all(gates.values())},
    }
