"""What a very large run costs, over a real sshd on 127.0.0.1, and how soon its end is noticed.

Three measures, each next to something that anybody could do, as whole processes: a poll of a run
whose log has 20 GB (a sparse file), next to the same poll with a short log, and to a plain `ssh`
that does nothing; the sync of a run with 100,000 small files into an empty workspace, next to a
bare rsync of its two folders; and the time from result.json to the monitor's answer, in intervals
of one second: a run is complete when nothing has changed between two polls.

    make bench    or: .venv/bin/python benchmarks/large_runs.py [--files 100000] [--gigabytes 20]

--json FILE writes {"large": [{"what", "min", "median", "max"}]}. The files take 400 MB of disk
twice, the log none.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from flow_over_ssh import Row, row  # noqa: E402

from harness import factory  # noqa: E402
from harness.sshd import Sshd  # noqa: E402

SCRIPTS = PROJECT / "scripts"
STAMP = "2026-02-2{}_031500"
INTERVAL = 1.0  # seconds between two polls


@dataclass(frozen=True)
class Bench:
    """A workstation behind a server, and a folder for workspaces."""

    folder: Path
    server: Sshd

    @property
    def remote(self) -> Path:
        """Return the workstation's root."""
        return self.folder / "remote"

    def command(self, script: str, tag: str, *flags: str) -> list[str]:
        """Return the command of a script about a run, in the workspace of its tag."""
        where = ["--host", self.server.host, "--remote-root", str(self.remote)]
        local = ["--local-root", str(self.folder / tag)]
        return [sys.executable, str(SCRIPTS / script), "--tag", tag, *where, *local, *flags]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every program: compiled modules are kept, as for a user."""
        environment = {**os.environ, "POSTRUN_SSH_CONFIG": str(self.server.client_config)}
        environment["XDG_CACHE_HOME"] = str(self.folder / "cache")
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    def run(self, command: Sequence[str], codes: Sequence[int] = (0,)) -> float:
        """Return the seconds that a program took. Raises RuntimeError for another exit code."""
        began = time.perf_counter()
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode not in codes:
            words = (done.stdout + done.stderr).decode(errors="replace")
            raise RuntimeError(f"{command[1]}: {done.returncode}, {words[-2000:]}")
        return seconds

    def ssh(self, *words: str) -> list[str]:
        """Return a plain `ssh` to the workstation."""
        return ["ssh", "-F", str(self.server.client_config), self.server.host, *words]


def polls(bench: Bench, rounds: int, gigabytes: float) -> Iterator[Row]:
    """Yield what a poll costs with a large log, in the ratio to one with a short log and to ssh."""
    for number, tag in enumerate(("short", "large"), start=1):
        made = factory.documents(tag=tag, stamp=STAMP.format(number))
        made.write(bench.remote)
    log = made.run_dir(bench.remote) / "run.log"
    os.truncate(log, int(gigabytes * 2**30))

    def poll(tag: str) -> Callable[[], float]:
        command = bench.command("monitor_then_finalize.py", tag, "--dry-run")
        return lambda: bench.run(command, (0, 10))

    measured = in_turn(rounds, poll("large"), poll("short"), lambda: bench.run(bench.ssh("true")))
    what = f"poll with a log of {gigabytes:g} GB"
    yield row(f"{what}, s", [large for large, _, _ in measured])
    yield row(f"{what} / with a short log", [large / short for large, short, _ in measured])
    yield row(f"{what} / plain ssh", [large / plain for large, _, plain in measured])


def syncs(bench: Bench, files: int) -> Iterator[Row]:
    """Yield what a sync of many small files costs, in the ratio to a bare rsync."""
    made = factory.documents(tag="many", stamp=STAMP.format(3))
    made.write(bench.remote)
    shard = made.gate_dir(bench.remote) / "walk_forward_stress/shard_00"
    for number in range(files):
        (shard / f"part_{number:06d}.csv").write_bytes(b"date,ic\n2026-01-01,%d\n" % number)
    local = bench.folder / "many"

    def sync() -> float:
        shutil.rmtree(local, ignore_errors=True)
        bench.run(bench.command("detect_run.py", "many"))
        return bench.run(bench.command("sync_run.py", "many"))

    def bare() -> float:
        shutil.rmtree(local, ignore_errors=True)
        seconds = 0.0
        for folder in (made.run_dir, made.gate_dir):
            folder(local).mkdir(parents=True)
            shell = f"ssh -F {bench.server.client_config}"
            source = f"{bench.server.host}:{folder(bench.remote)}/"
            seconds += bench.run(["rsync", "-rt", "-e", shell, source, f"{folder(local)}/"])
        return seconds

    # Once: it takes minutes.
    measured = [[sync(), bare()]]
    what = f"sync of {files:,} small files"
    yield row(f"{what}, s", [ours for ours, _ in measured])
    yield row(f"{what} / bare rsync", [ours / least for ours, least in measured])


def delays(bench: Bench, rounds: int) -> Iterator[Row]:
    """Yield how long after its result a run is said to be complete."""
    measured = []
    for number in range(rounds):
        tag = f"delay{number}"
        made = factory.documents(tag=tag, stamp=f"2026-02-24_03150{number}")
        made.write(bench.remote)
        result = made.run_dir(bench.remote) / "result.json"
        whole = result.read_bytes()
        result.unlink()
        flags = ("--until", "complete", "--interval", str(INTERVAL))
        command = bench.command("monitor_then_finalize.py", tag, *flags)
        monitor = subprocess.Popen(
            command,
            env=bench.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(3 * INTERVAL + 0.3 * number)
        result.write_bytes(whole)
        began = time.perf_counter()
        if monitor.wait(timeout=60) != 0:
            raise RuntimeError(f"the monitor ended with {monitor.returncode}")
        measured.append((time.perf_counter() - began) / INTERVAL)
    yield row("from result.json to complete, intervals", measured)


def in_turn(rounds: int, *works: Callable[[], float]) -> list[list[float]]:
    """Return what each work took in each round; one round before them warms the caches."""
    measured = []
    for _ in range(rounds + 1):
        taken = [work() for work in works]
        measured.append(taken)
    return measured[1:]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    args = parser.parse_args(argv)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="large-") as folder:
        bench = Bench(Path(folder), Sshd(Path(folder, "sshd")))
        bench.server.start()
        try:
            rows += polls(bench, args.rounds, args.gigabytes)
            rows += syncs(bench, args.files)
            rows += delays(bench, args.rounds)
        finally:
            bench.server.stop()
    for measured in rows:
        print("{what:48} min {min:7.2f}  median {median:7.2f}  max {max:7.2f}".format_map(measured))
    if args.json is not None:
        args.json.write_text(json.dumps({"large": rows}, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
