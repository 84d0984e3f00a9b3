"""Close a real run from end to end: start it on the sample workstation, wait for it, finalize it.

reads   examples/workstation/
writes  .demo/workstation (the workstation) and .demo/home (the workspace), both below the project's
        root and never among your own artifacts. Run again, it takes a new tag and adds to both.
prints  what the launcher, the monitor and the steps print, then what came of it and a page to open
exit    the highest of scripts/monitor_then_finalize.py: 0 every audit passed, 1 an audit did not

    python examples/demo.py
"""

import argparse
import csv
import subprocess
import sys
from datetime import date

from make_workstation import PROJECT, SHIM, lay_out

DEMO = PROJECT / ".demo"
WORKSTATION, WORKSPACE = DEMO / "workstation", DEMO / "home"
MONITOR = PROJECT / "scripts" / "monitor_then_finalize.py"
# Factor -> what it claims.
FACTORS = {
    "momentum_12_1": "stocks that rose for a year, its latest month left out, go on rising",
    "reversal_1": "stocks that fell last month recover",
    "low_volatility": "calm stocks earn more than their risk deserves",
}
BUSY = 8  # seconds that the gate program fills, so that there is something to watch
RUNS = "audit/workstation_runs"

REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"
TRIALS = "audit/factor_registry/trial_statistics.csv"
START_PAGE = "audit/site/index.html"
# The sample has neither capitalisations nor industries.
NOT_MEASURED = ("risk_gate_size_corr_abs", "risk_gate_industry_coverage")

STORY = """\
Three factors, each with a claim on real month-end prices of 20 stocks. For each, an official run is
started on a sample workstation, waited for, copied and closed. None can pass every gate: the prices
come without capitalisations and industries, so two risk gates are not measured, and what was not
measured is not passed. What is said of the other gates is what these prices say."""

ENDING = """\
Each run failed its gates: that is the verdict on the factor. Each audit passed: that is the verdict
on the record, which is complete and true. It is proven again by
   make verify LOCAL_ROOT={workspace}
What many tries do to a good result is shown by
   make demo-trials"""


def free_tag() -> str:
    """Return the first tag of today that neither workstation nor workspace has."""
    names = [run.name for root in (WORKSTATION, WORKSPACE) for run in root.glob(f"{RUNS}/*")]
    number = 1
    while True:
        tag = f"demo_{date.today()}_run{number}"
        if not any(name.endswith(f"_{tag}") for name in names):
            return tag
        number += 1


def start(tag: str, factor: str) -> int:
    """Start an official run in the background, as documented; return the launcher's exit code."""
    command = ["bash", SHIM, "--workflow", "production_gates", "--tag", tag, "--owner", "demo"]
    command += ["--notes", f"{factor} on the sample workstation", "--threads", "1"]
    command += ["--dq-input-csv", "data/sp500_month_end.csv", "--"]
    command += ["--strategy", f"configs/strategies/{factor}.yaml", "--factor", factor]
    command += ["--wf-shards", "4", "--cost-multipliers", "1.0,1.5,2.0"]
    command += ["--freeze-file", f"runs/freeze/{factor}.freeze.json"]
    command += ["--out-dir", "gate_results", "--min-seconds", str(BUSY)]
    return subprocess.run(command, cwd=WORKSTATION, check=False).returncode


def close(tag: str) -> int:
    """Wait for the run and finalize it; return the exit code."""
    command = [sys.executable, str(MONITOR), "--host", "local", "--tag", tag, "--interval", "1"]
    command += ["--remote-root", str(WORKSTATION.relative_to(PROJECT))]
    command += ["--local-root", str(WORKSPACE.relative_to(PROJECT))]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


def read_rows(name: str) -> dict[str, dict[str, str]]:
    """Return a table of the workspace as text, by run folder; empty when there is none."""
    path = WORKSPACE / name
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as source:
        return {row["run"]: row for row in csv.DictReader(source)}


def tell(tags: list[str]) -> None:
    """Print what came of the runs with these tags, as the workspace's tables have them."""
    trials = read_rows(TRIALS)
    for run, row in read_rows(REGISTRY).items():
        # A run that died has no windows to speak of.
        if row["decision_tag"] not in tags or not row["wf_mean"]:
            continue
        failed = row["failed_gates"].split(";")
        measured = [gate for gate in failed if gate not in NOT_MEASURED]
        mean, chance = float(row["wf_mean"]), float(trials[run]["p_family"])
        print(f"{row['factor']}: mean test IC {mean:.3f} in {row['wf_n']} yearly windows;")
        print(f"   a worthless factor looks as good in {chance:.0%} of cases")
        print(f"   failed, besides those two: {', '.join(measured)}")


def demo(factors: list[str]) -> int:
    """Run the factors one after the other; return the highest exit code."""
    codes, tags = [0], []
    print(STORY)
    for factor in factors:
        tag = free_tag()
        tags.append(tag)
        claim = FACTORS.get(factor, "a factor of your own")
        print(f"\n== {factor}: {claim}? Official run {tag}", flush=True)
        codes.append(start(tag, factor) or close(tag))
    print("\n== What came of it", flush=True)
    tell(tags)
    workspace = WORKSPACE.relative_to(PROJECT)
    # What it says of the audits is true of these alone.
    if max(codes) == 0:
        print(ENDING.format(workspace=workspace))
    print(f"Open {workspace / START_PAGE}")
    return max(codes)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--factors", default=",".join(FACTORS), help="comma-separated (default: %(default)s)"
    )
    factors: list[str] = parser.parse_args(argv).factors.split(",")
    WORKSTATION.mkdir(parents=True, exist_ok=True)
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    for name in lay_out(WORKSTATION):
        print(f"demo.py: {name} was changed in {WORKSTATION}, it stays as it is", file=sys.stderr)
    return demo(factors)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
