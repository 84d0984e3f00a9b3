"""Close a real run from end to end: start it on the sample workstation, wait for it, finalize it.

reads   examples/workstation/
writes  .demo/workstation (the workstation) and .demo/home (the workspace), both below the project's
        root and never among your own artifacts. Run again, it takes a new tag and adds to both.
prints  what the launcher, the monitor and the steps print, and at the end where to look
exit    the highest of scripts/monitor_then_finalize.py: 0 every audit passed, 1 an audit did not

    python examples/demo.py
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from make_workstation import PROJECT, SHIM, lay_out

DEMO = PROJECT / ".demo"
WORKSTATION, WORKSPACE = DEMO / "workstation", DEMO / "home"
MONITOR = PROJECT / "scripts" / "monitor_then_finalize.py"
FACTORS = ("momentum_12_1", "reversal_1", "low_volatility")
BUSY = 8  # seconds that the gate program fills, so that there is something to watch
RUNS = "audit/workstation_runs"

IN_RUN = ("governance_audit_check.md", "governance_remediation_plan.md")
IN_GATE = (
    "production_gates_final_summary.md",
    "production_gates_run_review.md",
    "production_gates_run_review.html",
)
IN_WORKSPACE = (
    "docs/production_research/STAGE_AUDIT_LOG.md",
    "audit/factor_registry/factor_experiment_leaderboard.md",
    "audit/factor_registry/factor_candidate_queue.md",
    "audit/factor_registry/next_run_plan.md",
    "audit/failure_patterns/failure_pattern_summary.md",
    "audit/session_handoff/handoff_readiness.md",
)


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


def pages_of(tags: list[str]) -> Iterator[Path]:
    """Yield the pages and logs of these runs, then those of the workspace; some may not exist."""
    for tag in tags:
        for run in WORKSPACE.glob(f"{RUNS}/*_{tag}"):
            gate = gate_folder(run)
            yield from (gate / name for name in IN_GATE)
            yield from (run / name for name in IN_RUN)
        yield from (run / "run.log" for run in WORKSTATION.glob(f"{RUNS}/*_{tag}"))
    yield from (WORKSPACE / name for name in IN_WORKSPACE)


def gate_folder(run: Path) -> Path:
    """Return a run's gate folder; without one its pages are in the run folder."""
    detection = run / "run_detection.json"
    name = None
    if detection.is_file():
        name = json.loads(detection.read_text(encoding="utf-8")).get("gate_folder")
    if name is None:
        return run
    return WORKSPACE / "gate_results" / str(name)


def demo(factors: list[str]) -> int:
    """Run the factors one after the other; return the highest exit code."""
    codes, tags = [0], []
    for factor in factors:
        tag = free_tag()
        tags.append(tag)
        folder = WORKSTATION.relative_to(PROJECT)
        print(f"\n== {factor}: official run {tag} on {folder}", flush=True)
        codes.append(start(tag, factor) or close(tag))
    print("\n== Where to look", flush=True)
    for path in pages_of(tags):
        if path.is_file():
            print(f"   {path.relative_to(PROJECT)}")
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
