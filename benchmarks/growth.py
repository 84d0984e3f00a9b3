"""How the cost of closing one run grows with the runs that are closed already.

A workspace of closed runs grows from size to size: families of sixteen runs, and one that has a
fifth of all, at most 2,000. At each size three new runs are closed one after another, each by a
whole process; the table has the medians, and the peak memory of the largest. The largest family
gets the second of the three, so the medians are of a closing in a small family as well as in it.
Each new run is the newest of all; to close an older one costs more (see CONTRIBUTING.md).

    make bench SIZES="1 100 1000 10000"
    .venv/bin/python benchmarks/growth.py --sizes 100 10000 --json growth.json

With --all, which `make bench` gives, what concerns all runs is measured, too: rebuilds of the
registry and of the failure patterns, next to reading and parsing the files of the first and nothing
more; the schema check of every file; `make verify`. At 10,000 runs that takes half an hour.

--json FILE writes {"closing": [{"runs", "seconds", "cpu_seconds", "peak_mb"}], "rest": [{"runs",
"what", "seconds", "cpu_seconds", "peak_mb"}]} after each size. Among the rest is each step of one
more closing; its memory is the peak of the process so far. A hundred runs take 30 MB of disk;
100,000 runs take 30 GB and some hours.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import seeded_workspace
from seeded_workspace import PROJECT

SCRIPTS = PROJECT / "scripts"
CLOSING = "closing one more"
SIZES = (1, 100, 1_000, 10_000)
MEGABYTES_A_RUN = 0.3
REBUILT = ("update_factor_experiment_registry.py", "update_failure_pattern_db.py")
READ = """
import csv, json, sys
from pathlib import Path
root = Path(sys.argv[1])
for pattern in sys.argv[2:]:
    for path in root.glob(pattern):
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            with path.open(newline="") as table:
                list(csv.reader(table))
"""
# Closes one run, and prints what each step took of processor time, and the peak of memory then.
STEPS = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import post_run_sync_and_finalize as conductor
attempt = conductor.Closing._attempt
def timed(closing, step):
    began, at = time.process_time(), time.perf_counter()
    report = attempt(closing, step)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = [step.name, time.perf_counter() - at, time.process_time() - began, used]
    print("STEP", json.dumps(row), file=sys.stderr)
    return report
conductor.Closing._attempt = timed
raise SystemExit(conductor.main(sys.argv[2:]))
"""
# What a rebuild of the registry opens of each run.
READ_BY_REBUILD = (
    "audit/workstation_runs/*/closing_record.json",
    "audit/workstation_runs/*/run_detection.json",
    "audit/workstation_runs/*/evidence_manifest.json",
    "audit/workstation_runs/*/governance_audit_check.json",
    "audit/workstation_runs/*/governance_remediation_plan.json",
    "gate_results/*/production_gates_report.json",
    "gate_results/*/walk_forward_stress/*/walk_forward_summary.csv",
    "gate_results/*/statistical/*/statistical_gates_report.json",
    "gate_results/*/statistical/*/statistical_gates_table.csv",
)


@dataclass(frozen=True)
class Cost:
    """What one whole process took with those it started; memory is the peak of the largest."""

    runs: int
    what: str
    seconds: float
    cpu_seconds: float
    peak_mb: float

    def __str__(self) -> str:
        """Return a line of the table."""
        numbers = f"{self.seconds:8.2f} s {self.cpu_seconds:8.2f} s {self.peak_mb:6.0f} MB"
        return f"{self.runs:>8,}  {self.what:<34} {numbers}"


def measure(runs: int, what: str, command: Sequence[str], codes: Sequence[int] = (0, 1)) -> Cost:
    """Run a program to its end. Raises RuntimeError when it ends with another code."""
    cost, _ = run(runs, what, command, codes)
    return cost


def run(runs: int, what: str, command: Sequence[str], codes: Sequence[int]) -> tuple[Cost, str]:
    """Run a program to its end; return what it took and what it said. Raises RuntimeError."""
    # Compiled modules and templates are kept, as for a user.
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = said.read().decode()
    if process.returncode not in codes:
        raise RuntimeError(f"{what}: {process.returncode}, {words[-2000:]}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Cost(runs, what, seconds, cpu_seconds, usage.ru_maxrss / 1024), words


@dataclass(frozen=True)
class Bench:
    """A workstation's folder and a workspace."""

    remote: Path
    local: Path

    def script(self, runs: int, what: str, script: str, *flags: str) -> Cost:
        """Measure one script on the workspace."""
        command = [sys.executable, str(SCRIPTS / script), "--local-root", str(self.local), "-q"]
        return measure(runs, what, [*command, *flags])

    def close(self, runs: int, number: int) -> Cost:
        """Close a new run of a family; return what it took."""
        place = self._new_run(runs, number)
        return self.script(runs, CLOSING, "post_run_sync_and_finalize.py", *place)

    def close_by_steps(self, runs: int, number: int) -> list[Cost]:
        """Close a new run of a family; return what each step took."""
        place = self._new_run(runs, number)
        command = [sys.executable, "-c", STEPS, str(SCRIPTS), "-q", "--local-root", str(self.local)]
        _, words = run(runs, CLOSING, [*command, *place], (0, 1))
        steps = []
        for line in words.splitlines():
            if line.startswith("STEP "):
                name, *numbers = json.loads(line.removeprefix("STEP "))
                steps.append(Cost(runs, f"  step {name}", *numbers))
        return steps

    def _new_run(self, runs: int, number: int) -> tuple[str, ...]:
        """Make a run on the workstation; return the flags that name it."""
        tag = f"new_{runs}_{number}"
        # Later than the copies, and than every run that was closed at a smaller size: one that is
        # not the newest works out the rows of all runs.
        later = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=runs, hours=number)
        stamp = later.strftime("%Y-%m-%d_%H%M%S")
        factor = "made_0000" if number == 1 else "made_0001"
        seeded_workspace.make_run(tag, stamp, factor, runs + number).write(self.remote)
        return "--tag", tag, "--host", "local", "--remote-root", str(self.remote)


def measure_closings(bench: Bench, runs: int) -> list[Cost]:
    """Return what a closing costs at this size, and each of its steps."""
    # The tables of the runs that were put there; the first closing makes the pages.
    for script in REBUILT:
        bench.script(runs, "rebuild", script, "--rebuild")
    bench.close(runs, 0)
    closings = [bench.close(runs, number) for number in (1, 2, 3)]
    seconds = [cost.seconds for cost in closings]
    cpu_seconds = [cost.cpu_seconds for cost in closings]
    peaks = [cost.peak_mb for cost in closings]
    middle = statistics.median(seconds), statistics.median(cpu_seconds)
    closing = Cost(runs, CLOSING, *middle, max(peaks))
    return [closing, *bench.close_by_steps(runs, 4)]


def measure_all_runs(bench: Bench, runs: int) -> list[Cost]:
    """Return what costs something for every run: to make it again, or to check it."""
    reading = [sys.executable, "-c", READ, str(bench.local), *READ_BY_REBUILD]
    checked = [sys.executable, str(SCRIPTS / "validate_artifacts.py"), str(bench.local)]
    return [
        measure(runs, "reading what a rebuild reads", reading),
        bench.script(runs, "rebuild of the registry", REBUILT[0], "--rebuild"),
        bench.script(runs, "rebuild of the failure patterns", REBUILT[1], "--rebuild"),
        measure(runs, "validate", checked),
        bench.script(runs, "verify", "verify_workspace.py"),
    ]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="RUNS")
    parser.add_argument("--all", action="store_true", help="measure rebuild and verify, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Let the workspace grow, measure and print."""
    args = parse(argv)
    sizes = sorted({*args.sizes})
    need = sizes[-1] * MEGABYTES_A_RUN
    print(f"{sizes[-1]:,} runs: about {need:,.0f} MB below {tempfile.gettempdir()}", flush=True)
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        bench = Bench(Path(folder, "remote"), Path(folder, "local"))
        # The index is of this workspace alone, and goes with it.
        os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        number = seeded_workspace.models_for(sizes[-1])
        models = seeded_workspace.close_models(Path(folder), number)
        made = 0
        for runs in sizes:
            seeded_workspace.grow(bench.local, models, made, runs)
            made = runs
            measured = measure_closings(bench, runs)
            if args.all:
                measured += measure_all_runs(bench, runs)
            for cost in measured:
                print(cost, flush=True)
            costs += measured
            if args.json is not None:
                write(args.json, costs)
    closings = [cost for cost in costs if cost.what == CLOSING]
    few, many = closings[0], closings[-1]
    print(f"{many.runs / few.runs:,.0f} times the runs: {many.seconds / few.seconds:.2f} times")
    return 0


def write(path: Path, costs: Sequence[Cost]) -> None:
    """Write the costs as JSON."""
    parts: dict[str, list[dict[str, object]]] = {"closing": [], "rest": []}
    for cost in costs:
        row = asdict(cost)
        if cost.what == CLOSING:
            del row["what"]
            parts["closing"].append(row)
        else:
            parts["rest"].append(row)
    path.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
