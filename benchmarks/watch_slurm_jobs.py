"""What one poll of a thousand runs costs whose jobs are in Slurm's queue.

Slurm is a real one on this machine, of one node; it needs root and Debian's packages (`sh .ci/setup
slurm`). Every run has a folder, a run.pid that names its job, and a job of its own that is held.
Three ways to ask are measured in turn, round by round:

    queue     one poll of all runs, with the queue
    files     the same poll without it, as for a workstation that has no scheduler
    each      `squeue --jobs <number>` for each job, which one would write first

CPU is that of the programs that a poll starts and of this process; the controller's is its own.
How often the controller was asked is what it counted itself (`sdiag`).

    .venv/bin/python benchmarks/watch_slurm_jobs.py [--jobs 1000] [--rounds 5]
"""

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.slurm import PROGRAMS, Slurm  # noqa: E402
from postrun.remote import workstation  # noqa: E402
from postrun.remote.workstation import Workstation  # noqa: E402

SETTINGS = {"connect_timeout_s": 5, "probe_timeout_s": 120}
SUBMITTED_AT_ONCE = 8
# How the controller names a request for the list of jobs, and for one job.
_QUERIES = re.compile(r"REQUEST_JOB_INFO(?:_SINGLE)? +\( *\d+\) +count:(\d+)")
TICKS = os.sysconf("SC_CLK_TCK")  # a second of processor time in /proc


@dataclass(frozen=True)
class Cost:
    """What one poll of all runs cost, in seconds but for the queries."""

    seconds: float
    cpu: float
    controller_cpu: float
    queries: int


class Bench:
    """A Slurm with held jobs, and a workstation's root with a run folder for each."""

    def __init__(self, slurm: Slurm, root: Path, jobs: int) -> None:
        self.slurm = slurm
        self.root = root
        self.tags = [f"bench{number}" for number in range(jobs)]
        root.mkdir()
        with ThreadPoolExecutor(SUBMITTED_AT_ONCE) as pool:
            self.jobs = list(pool.map(self._submit, self.tags))

    def _submit(self, tag: str) -> str:
        """Submit a held job, make its run folder, and return the job's number."""
        comment = f"--comment=postrun:{tag}"
        place = f"--chdir={self.root}"
        job = self.slurm.submit("--hold", place, comment, "--wrap", "true")
        made = factory.documents(tag=tag)
        made.result = made.report = None
        made.cost_rows, made.windows, made.significance = [], [], []
        made.write(self.root)
        named = {"kind": "slurm", "cluster": "tests", "job_id": job, "restart_count": 0}
        factory.put(made.run_dir(self.root) / "run.pid", {"pid": 1, "scheduler": named})
        return job

    def measure(self, ask: Callable[[], object]) -> Cost:
        """Return what it cost to ask for all runs once."""
        queries, controller = self._queries(), self._controller_cpu()
        cpu, started = used_cpu(), time.perf_counter()
        ask()
        seconds = time.perf_counter() - started
        return Cost(
            seconds,
            used_cpu() - cpu,
            self._controller_cpu() - controller,
            self._queries() - queries,
        )

    def poll(self, station: Workstation) -> None:
        """Poll all runs, as `make watch` does."""
        snapshot = station.take_host_snapshot(self.tags, "")
        assert len(snapshot.run_snapshots) == len(self.tags)
        if station.scheduler:
            assert snapshot.queue
            assert len(snapshot.queue.jobs) == len(self.jobs)

    def ask_for_each(self) -> None:
        """Ask for every job with a squeue of its own."""
        for job in self.jobs:
            command = ["squeue", "--noheader", "--jobs", job, "--format=%i|%T"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _queries(self) -> int:
        """Return how often the controller was asked for jobs."""
        done = subprocess.run(["sdiag"], capture_output=True, text=True, check=True)
        return sum(map(int, _QUERIES.findall(done.stdout)))

    def _controller_cpu(self) -> float:
        """Return the controller's seconds of processor time."""
        stat = Path(f"/proc/{self.slurm.controller_pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def used_cpu() -> float:
    """Return the seconds of processor time of this process and of its children that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def run(bench: Bench, rounds: int) -> dict[str, list[Cost]]:
    """Return the costs of each way to ask, round by round."""
    root = str(bench.root)
    queue = workstation.connect("local", root, SETTINGS, "slurm")
    files = workstation.connect("local", root, SETTINGS)
    ways: dict[str, Callable[[], object]] = {
        "queue": lambda: bench.poll(queue),
        "files": lambda: bench.poll(files),
        "each": bench.ask_for_each,
    }
    # The first poll learns which jobs the files name.
    bench.poll(queue)
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, ask in ways.items():
            costs[name].append(bench.measure(ask))
    return costs


def print_costs(jobs: int, costs: dict[str, list[Cost]]) -> None:
    """Write the median of each way, and the ratios of the rounds."""
    rounds = len(costs["queue"])
    print(f"one poll of {jobs} runs with a job each; medians of {rounds}")
    print(f"{'':8}{'seconds':>10}{'CPU, s':>10}{'controller, s':>16}{'queries':>10}")
    for name, measured in costs.items():
        row = f"{name:8}"
        for field, width in (("seconds", 10), ("cpu", 10), ("controller_cpu", 16)):
            median = statistics.median(getattr(cost, field) for cost in measured)
            row += f"{median:{width}.3f}"
        most = max(cost.queries for cost in measured)
        print(f"{row}{most:10d}")
    for other in ("files", "each"):
        pairs = zip(costs["queue"], costs[other], strict=True)
        ratios = sorted(mine.cpu / its.cpu for mine, its in pairs)
        middle = statistics.median(ratios)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"CPU, queue by {other}: median {middle:.2f} ({spread})")


def main() -> int:
    """Measure and print the ways to ask."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    missing = [name for name in (*PROGRAMS, "sdiag") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"skipped: needs root and Slurm here (missing: {', '.join(missing) or 'root'})")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        slurm = Slurm(Path(folder) / "slurm")
        os.environ["SLURM_CONF"] = str(slurm.conf)
        try:
            slurm.start()
            bench = Bench(slurm, Path(folder) / "workstation", args.jobs)
            costs = run(bench, args.rounds)
        finally:
            slurm.stop()
    print_costs(args.jobs, costs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
