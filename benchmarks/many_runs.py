"""What ten thousand closed runs cost: closing one more, and making registry and patterns anew.

Closing one more is measured as whole processes at two sizes of the registry, so that the growth shows. A rebuild is
held against one process that merely reads and parses the same JSON files.

    make bench            or: .venv/bin/python benchmarks/many_runs.py [--runs 10000]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

import factory  # noqa: E402
from postrun.core import locations  # noqa: E402
from postrun.store import json_files  # noqa: E402

ARTIFACTS = ("run_detection", "governance_audit_check", "governance_remediation_plan")
SCRIPTS = {
    "registry": "update_factor_experiment_registry.py",
    "patterns": "update_failure_pattern_db.py",
}


def main() -> int:
    """Make the runs, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        remote, local = Path(folder, "far"), Path(folder, "near")
        grow(remote, local, 0, args.runs // 10)
        small = closing(remote, local, args.runs // 10)
        grow(remote, local, args.runs // 10, args.runs)
        large = closing(remote, local, args.runs)
        print(f"closing one more, {args.runs // 10:>6} runs  {small:6.2f} s")
        print(
            f"closing one more, {args.runs:>6} runs  {large:6.2f} s   ratio {large / small:.2f} for ten times the runs"
        )
        bare = reading(local)
        for name, script in SCRIPTS.items():
            seconds = timed(script, local, "--rebuild")
            print(
                f"rebuild of the {name}, {args.runs} runs  {seconds:6.2f} s   ratio to reading {seconds / bare:.2f}"
            )
        print(f"reading and parsing their JSON files       {bare:6.2f} s")
    return 0


def grow(remote: Path, local: Path, first: int, last: int) -> None:
    """Close three real runs, and copy what the tables read of them under other names; then make the tables."""
    kinds: list[dict[str, Any]] = [
        {},
        {"passing": False},
        {"change": lambda made: made.result.update(exit_code=1)},
    ]
    names: list[dict[str, Any]] = [
        {"tag": f"model{number}", "stamp": f"2023-01-0{number + 1}_010101"} for number in range(3)
    ]
    models = [factory.documents(**name) for name in names]
    for name, options in zip(names, kinds, strict=True) if not first else ():
        made = factory.make_run(remote, **name, **options)
        close(remote, local, made.tag)
    for number in range(first, last):
        copy(local, models[number % 3], number)
    for script in SCRIPTS.values():
        timed(script, local, "--rebuild")


def copy(local: Path, model: factory.Documents, number: int) -> None:
    """Give a closed run another name and another factor."""
    day = f"2024-{1 + number % 12:02d}-{1 + number // 12 % 28:02d}"
    stamp = f"{day}_{number // 336 % 24:02d}{number // 8064 % 60:02d}{number % 60:02d}"
    run, gate = (
        f"{stamp}_production_gates_many{number}",
        f"production_gates_{day}_{number % 240000:06d}",
    )
    source = local / locations.RUNS / model.run_folder
    target = local / locations.RUNS / run
    target.mkdir(parents=True)
    for artifact in ARTIFACTS:
        document = json.loads((source / f"{artifact}.json").read_text())
        document.update(run_folder=run, decision_tag=f"many{number}", gate_folder=gate)
        if artifact == "governance_audit_check":
            document.update(factor=f"factor{number % 300}")
        (target / f"{artifact}.json").write_bytes(json_files.encode(document))
    folder = local / locations.GATES / gate
    folder.mkdir()
    report = (
        local / locations.GATES / model.gate_folder / "production_gates_report.json"
    ).read_bytes()
    (folder / "production_gates_report.json").write_bytes(report)


def closing(remote: Path, local: Path, count: int) -> float:
    """Give the median time of closing a new run, three times."""
    times = []
    for number in range(3):
        made = factory.make_run(
            remote,
            tag=f"one_more_{count}_{number}",
            stamp=f"2025-01-0{number + 1}_{count:06d}"[:17],
        )
        times.append(close(remote, local, made.tag))
    return statistics.median(times)


def close(remote: Path, local: Path, tag: str) -> float:
    """Close one run; give the seconds."""
    began = time.perf_counter()
    command = [
        sys.executable,
        str(PROJECT / "scripts/post_run_sync_and_finalize.py"),
        "--tag",
        tag,
        "--host",
        "local",
    ]
    done = subprocess.run(
        [*command, "--remote-root", str(remote), "--local-root", str(local)], capture_output=True
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return time.perf_counter() - began


def timed(script: str, local: Path, *flags: str) -> float:
    """Run one script on the workspace; give the seconds."""
    began = time.perf_counter()
    command = [
        sys.executable,
        str(PROJECT / "scripts" / script),
        *flags,
        "--local-root",
        str(local),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def reading(local: Path) -> float:
    """Read and parse what a rebuild reads, in one process and nothing more."""
    began = time.perf_counter()
    for artifact in ARTIFACTS:
        for path in (local / locations.RUNS).glob(f"*/{artifact}.json"):
            json.loads(path.read_bytes())
    for path in (local / locations.GATES).glob("*/production_gates_report.json"):
        json.loads(path.read_bytes())
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
