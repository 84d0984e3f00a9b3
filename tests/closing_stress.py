"""Close many runs in one workspace, many at a time, and see that nothing is lost.

Each closing is a program of its own. In between, others make tables again (--rebuild), run single
steps, close a run a second time, and check the handoff. Then: every program ended with 0 (the
handoff with 0 or 1) and without a traceback; the ledger has one decision for each run in an
unbroken chain, the registry one row; making the tables again changes no byte of the workspace; no
file is there that a run closed alone does not have; the workstation is as it was.
Exit codes: 0 all right, 1 something is wrong, 2 usage.

    .venv/bin/python tests/closing_stress.py --writers 16 --runs 100
"""

import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.workspace import location_flags  # noqa: E402

CLOSING = "post_run_sync_and_finalize"
REGISTRY, PATTERNS = "update_factor_experiment_registry", "update_failure_pattern_db"
HANDOFF = "check_session_handoff_readiness"
TABLES = (REGISTRY, PATTERNS)
OF_THE_WORKSPACE = ("generate_candidate_queue", "generate_next_run_plan")
OF_A_RUN = (
    "governance_audit_checker",
    "governance_remediation_plan",
    "generate_run_review",
    CLOSING,
)
LEDGER = "audit/stage_ledger.jsonl"
REGISTRY_TABLE = "audit/factor_registry/factor_experiment_registry.csv"
FAMILY_PAGES = "audit/site/family-"
SECONDS = 1200  # for one program, waiting for locks included
FIRST_DAY = datetime(2026, 1, 1, 3, 15)  # noqa: DTZ001  (names have no zone)


@dataclass
class Stress:
    """A workstation with many runs, and the workspace in which all are closed at once."""

    folder: Path
    runs: int
    random: random.Random
    tags: list[str] = field(default_factory=list)
    folders: dict[str, tuple[str, str]] = field(default_factory=dict)  # run and gate, by tag
    closed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def remote(self) -> Path:
        return self.folder / "workstation"

    @property
    def root(self) -> Path:
        return self.folder / "workspace"

    def lay_out(self) -> None:
        """Write the runs: some passed and some failed, of several factors; all audits pass."""
        self.root.mkdir(parents=True)
        for number in range(self.runs):
            # A tag stands on command lines, and others look at the same list of processes.
            tag = f"stress{number}.{os.getpid()}"
            began = FIRST_DAY + timedelta(hours=5 * number)
            made = factory.make_run(
                self.remote,
                tag=tag,
                stamp=began.strftime("%Y-%m-%d_%H%M%S"),
                factor=f"factor{number % 7}",
                passing=number % 3 != 0,
                level=0.02 + number / 5000,
            )
            self.tags.append(tag)
            self.folders[tag] = made.run_folder, made.gate_folder

    def start(self, script: str, *flags: str, root: Path | None = None) -> int:
        """Run a script as a program to its end; return its exit code. What is wrong is noted."""
        where = location_flags(self.remote, root or self.root)
        command = [sys.executable, str(PROJECT / f"scripts/{script}.py"), *where, *flags]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        allowed = (0, 1) if script == HANDOFF else (0,)
        if done.returncode not in allowed or "Traceback" in done.stderr:
            line = f"{script} {' '.join(flags)}: exit code {done.returncode}"
            self.note(f"{line}\n{done.stderr[-2000:]}")
        return done.returncode

    def note(self, problem: str) -> None:
        with self.lock:
            self.problems.append(problem)

    def close(self, tag: str) -> None:
        """Close one run."""
        self.start(CLOSING, "--tag", tag)
        with self.lock:
            self.closed.append(tag)

    def disturb(self, number: int) -> None:
        """Run one of the other programs, on a run that is closed where it works on one."""
        others = [
            *(partial(self.start, script, "--rebuild") for script in TABLES),
            partial(self.start, HANDOFF),
        ]
        with self.lock:
            # Before the first run is closed there is no table to be read.
            if self.closed:
                tag = self.random.choice(self.closed)
                others += [partial(self.start, script) for script in OF_THE_WORKSPACE]
                others += [partial(self.start, script, "--tag", tag) for script in OF_A_RUN]
        others[number % len(others)]()

    def close_all(self, writers: int) -> None:
        """Close every run, as many at a time as there are writers, in a seeded order."""
        order = self.random.sample(self.tags, len(self.tags))
        jobs = []
        for number, tag in enumerate(order):
            jobs.append(partial(self.close, tag))
            if number % 4 == 3:
                jobs.append(partial(self.disturb, number // 4))
        with ThreadPoolExecutor(writers) as pool:
            for job in [pool.submit(job) for job in jobs]:
                job.result()

    def check(self) -> None:
        """Note everything that is not as it must be."""
        rows = read_rows(self.root / REGISTRY_TABLE)
        each_once = Counter(self.tags)
        self.compare("registry", each_once, Counter(row["decision_tag"] for row in rows))
        decisions = read_decisions((self.root / LEDGER).read_bytes(), self.note)
        self.compare("ledger", each_once, Counter(decisions))
        if self.start(HANDOFF) != 0:
            self.note("the handoff is not ready at the end")
        before = read_files(self.root)
        for script in TABLES:
            self.start(script, "--rebuild")
        for script in OF_THE_WORKSPACE:
            self.start(script)
        self.compare("after --rebuild", before, read_files(self.root))
        self._check_names()

    def _check_names(self) -> None:
        """Note what is not there, or what a run that is closed alone does not have."""
        alone = self.folder / "alone"
        alone.mkdir()
        first = self.tags[0]
        self.start(CLOSING, "--tag", first, root=alone)
        evidence = read_files(self.remote)
        found = read_files(self.root)
        for name, content in evidence.items():
            if found.pop(name, None) != content:
                self.note(f"{name}: not as on the workstation")
        names = read_files(alone).keys() - evidence.keys()
        first_run, first_gate = self.folders[first]
        expected: dict[str, int] = {}
        for run, gate in self.folders.values():
            expected |= {
                name.replace(first_run, run).replace(first_gate, gate): 1 for name in names
            }
        # A run that is closed alone has the page of one family only.
        factors = {row["factor"] for row in read_rows(self.root / REGISTRY_TABLE)}
        pages = [name for name in found if name.startswith(FAMILY_PAGES)]
        if len(pages) != len(factors):
            self.note(f"files: {len(pages)} pages of families, expected {len(factors)}")
        expected |= dict.fromkeys(pages, 1)
        self.compare("files", expected, dict.fromkeys(found, 1))

    def compare(self, what: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
        """Note what is missing, what is too much, and what is another."""
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                self.note(f"{what}: {name} is missing")
            elif name not in expected:
                self.note(f"{what}: {name} is too much")
            elif expected[name] != found[name]:
                self.note(f"{what}: {name} is another")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_decisions(content: bytes, note: Callable[[str], None]) -> Iterator[str]:
    """Yield the tag of every decision of a ledger; note where its chain is broken."""
    before = None
    for number, line in enumerate(content.splitlines(), 1):
        row = json.loads(line)
        if (row["number"], row["previous_sha256"]) != (number, before):
            note(f"ledger row {number}: the chain is broken")
        before = hashlib.sha256(line).hexdigest()
        if row.get("kind", "decision") == "decision":
            yield row["decision_tag"]


def read_files(root: Path) -> dict[str, bytes]:
    """Return every file below a root but the locks, by its path."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith("audit/.locks/"):
            found[name] = path.read_bytes()
    return found


def list_files(root: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file and folder below a root."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        found[str(path)] = status.st_size, status.st_mtime_ns
    return found


def stress(folder: Path, writers: int, runs: int, seed: int) -> list[str]:
    """Close the runs and return what is wrong; nothing when all is right."""
    case = Stress(folder, runs, random.Random(seed))
    case.lay_out()
    before = list_files(case.remote)
    case.close_all(writers)
    case.check()
    case.compare("workstation", before, list_files(case.remote))
    return case.problems


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--writers", type=int, default=16, help="programs at a time (default: 16)")
    parser.add_argument("--runs", type=int, default=100, help="how many runs (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: 1)")
    args = parser.parse_args(argv)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        problems = stress(Path(folder), args.writers, args.runs, args.seed)
    for problem in problems:
        print(problem, file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{args.runs} runs, {args.writers} at a time: {len(problems)} problems, {seconds:.0f} s")
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
