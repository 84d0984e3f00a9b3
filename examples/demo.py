"""Close a real run from end to end: start it on the sample workstation, wait for it, finalize it.

reads   examples/workstation/
writes  .demo/workstation (the far side) and .demo/home (the workspace), both below the project's root; never
        among your own artifacts. Run again, it takes a new tag and adds to both.
prints  what the launcher, the monitor and the steps print, and at the end where to look
exit    that of scripts/monitor_then_finalize.py, the highest of several: 0 the audit passed, 1 it did not

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
FAR, NEAR = DEMO / "workstation", DEMO / "home"
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
    """Give the first tag of today that neither side has."""
    names = [run.name for root in (FAR, NEAR) for run in root.glob(f"{RUNS}/*")]
    today, number = date.today(), 1
    while any(name.endswith(f"_demo_{today}_run{number}") for name in names):
        number += 1
    return f"demo_{today}_run{number}"


def start(tag: str, factor: str) -> int:
    """Start an official run in the background, the documented way. Gives the launcher's exit code."""
    launcher = ["bash", SHIM, "--workflow", "production_gates", "--tag", tag, "--owner", "demo"]
    launcher += ["--notes", f"{factor} on the sample workstation", "--threads", "1"]
    launcher += ["--dq-input-csv", "data/sp500_month_end.csv", "--"]
    gates = [
        "--strategy",
        f"configs/strategies/{factor}.yaml",
        "--factor",
        factor,
        "--wf-shards",
        "4",
    ]
    gates += [
        "--cost-multipliers",
        "1.0,1.5,2.0",
        "--freeze-file",
        f"runs/freeze/{factor}.freeze.json",
    ]
    gates += ["--out-dir", "gate_results", "--min-seconds", str(BUSY)]
    return subprocess.run([*launcher, *gates], cwd=FAR, check=False).returncode


def close(tag: str) -> int:
    """Wait for the run and finalize it; gives the exit code."""
    command = [sys.executable, str(MONITOR), "--host", "local", "--tag", tag, "--interval", "1"]
    command += [
        "--remote-root",
        str(FAR.relative_to(PROJECT)),
        "--local-root",
        str(NEAR.relative_to(PROJECT)),
    ]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


def worth_a_look(tags: list[str]) -> Iterator[Path]:
    """Give the pages and logs of these runs, then those of the workspace; not all of them need be there."""
    for tag in tags:
        for run in NEAR.glob(f"{RUNS}/*_{tag}"):
            found = run / "run_detection.json"
            gate = (
                json.loads(found.read_text(encoding="utf-8")).get("gate_folder")
                if found.is_file()
                else None
            )
            yield from ((NEAR / "gate_results" / gate if gate else run) / name for name in IN_GATE)
            yield from (run / name for name in IN_RUN)
        yield from (run / "run.log" for run in FAR.glob(f"{RUNS}/*_{tag}"))
    yield from (NEAR / name for name in IN_WORKSPACE)


def demo(factors: list[str]) -> int:
    """Run the factors one after the other; give the highest exit code."""
    codes, tags = [0], []
    for factor in factors:
        tag = free_tag()
        tags.append(tag)
        print(f"\n== {factor}: official run {tag} on {FAR.relative_to(PROJECT)}", flush=True)
        codes.append(start(tag, factor) or close(tag))
    pages = [path for path in worth_a_look(tags) if path.is_file()]
    print("\n== Where to look", flush=True)
    for path in pages:
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
    FAR.mkdir(parents=True, exist_ok=True)
    NEAR.mkdir(parents=True, exist_ok=True)
    for name in lay_out(FAR):
        print(f"demo.py: {name} was changed in {FAR}, it stays as it is", file=sys.stderr)
    return demo(factors)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
