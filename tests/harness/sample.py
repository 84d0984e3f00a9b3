"""A real official run of the sample workstation, made once for all tests that only read it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = [str(PROJECT / "examples"), str(PROJECT / "examples" / "workstation" / "scripts")]
sys.path[:0] = [folder for folder in EXAMPLES if folder not in sys.path]

import make_workstation  # noqa: E402

import workstation_official_run  # noqa: E402

DATA = "data/sp500_month_end.csv"


@dataclass(frozen=True)
class SampleRun:
    """Where a sample run left its files: the workstation's root, the run folder, the
    gate folder.
    """

    root: Path
    run: Path
    gate: Path


def gate_words(factor: str) -> list[str]:
    """Give the gate program's words for one factor, as the demo has them but without waiting."""
    words = [
        "--strategy",
        f"configs/strategies/{factor}.yaml",
        "--factor",
        factor,
        "--out-dir",
        "gate_results",
    ]
    words += ["--cost-multipliers", "1.0,1.5,2.0", "--wf-shards", "2"]
    return [*words, "--freeze-file", f"runs/freeze/{factor}.freeze.json"]


def make_sample_run(root: Path, tag: str, factor: str) -> SampleRun:
    """Lay out the sample workstation at `root` if need be, and run one factor to its end (about two
    seconds).
    """
    root.mkdir(parents=True, exist_ok=True)
    make_workstation.lay_out(root)
    before = set(root.glob("gate_results/production_gates_*"))
    words = [
        "--root",
        str(root),
        "--tag",
        tag,
        "--owner",
        "tests",
        "--notes",
        f"{factor} in a test",
        "--threads",
        "1",
    ]
    code = workstation_official_run.main(
        [*words, "--dq-input-csv", DATA, "--foreground", "--", *gate_words(factor)]
    )
    assert code == 0, f"the sample run of {factor} ended with {code}"
    [gate] = set(root.glob("gate_results/production_gates_*")) - before
    [run] = root.glob(f"audit/workstation_runs/*_production_gates_{tag}")
    return SampleRun(root, run, gate)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """Give one finished run of momentum_12_1. Only read it."""
    return make_sample_run(
        tmp_path_factory.mktemp("sample") / "workstation", "sample_run1", "momentum_12_1"
    )


def options(*words: str) -> Any:
    """Parse a gate program's command line without touching files."""
    from production_gates.options import build_parser
    from production_gates.panel import FACTORS

    return build_parser("", list(FACTORS)).parse_args(
        ["--strategy", "a.yaml", "--factor", "reversal_1", *words]
    )
