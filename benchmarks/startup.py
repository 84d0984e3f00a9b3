"""What it takes to start: `--help` of every script, and the schema hook on one file.

Whole processes, one of each in every round, next to `python -c pass`; the table has medians, and
how many times the bare one's they are. At most 4 is meant for --help, 8 for the hook.

    make bench            or: .venv/bin/python benchmarks/startup.py [--rounds 9]

--json FILE writes {"startup": [{"what", "seconds", "cpu_seconds", "ratio", "cpu_ratio", "limit"}]}.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
SCRIPTS = PROJECT / "scripts"
sys.path[:0] = [str(PROJECT / "tests"), str(SCRIPTS)]

from harness import factory  # noqa: E402

BARE = "python -c pass"
HOOK = "validate_artifacts.py <a gate report>"
HELP_LIMIT, HOOK_LIMIT = 4, 8
Cost = tuple[float, float]  # seconds, and those of the processor


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(Path(folder))
        costs = _measure(commands, args.rounds)
    rows = [_row(what, costs) for what in commands]
    print(f"{'':40} {'ms':>7} {'CPU ms':>7} {'times':>6} {'CPU':>6} {'limit':>6}")
    for row in rows:
        milliseconds = f"{row['seconds'] * 1000:7.0f} {row['cpu_seconds'] * 1000:7.0f}"
        times = f"{row['ratio']:6.2f} {row['cpu_ratio']:6.2f} {row['limit']:6}"
        print(f"{row['what']:40} {milliseconds} {times}")
    if args.json:
        args.json.write_text(json.dumps({"startup": rows}))
    return 0


def _commands(folder: Path) -> dict[str, list[str]]:
    """Return what is measured, by name; the hook checks a report in this folder."""
    made = factory.documents()
    made.write(folder)
    report = made.gate_dir(folder) / "production_gates_report.json"
    commands = {BARE: [sys.executable, "-c", "pass"]}
    for script in sorted(SCRIPTS.glob("*.py")):
        if "__main__" not in script.read_text():
            continue  # the table of steps
        commands[f"{script.name} --help"] = [sys.executable, str(script), "--help"]
    commands[HOOK] = [sys.executable, str(SCRIPTS / "validate_artifacts.py"), str(report)]
    return commands


def _measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {what: [] for what in commands}
    for number in range(rounds + 1):
        for what, command in commands.items():
            cost = _run(command)
            if number:  # the first round writes compiled modules
                costs[what].append(cost)
    return costs


def _run(command: list[str]) -> Cost:
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def _row(what: str, costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Return the medians of one command, and how many times those of the bare process they are."""
    seconds, cpu_seconds = map(statistics.median, zip(*costs[what], strict=True))
    bare_seconds, bare_cpu = map(statistics.median, zip(*costs[BARE], strict=True))
    return {
        "what": what,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "ratio": seconds / bare_seconds,
        "cpu_ratio": cpu_seconds / bare_cpu,
        "limit": HOOK_LIMIT if what == HOOK else HELP_LIMIT,
    }


if __name__ == "__main__":
    raise SystemExit(main())
