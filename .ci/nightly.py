"""Check everything, also what is slow: `make check`, the nightly tests, the cases beside the
checkout.

A case is a program `<cases>/<name>/run.sh` that takes the checkout and ends with 0 (right) or 1
(wrong). Those that are right are listed in `.ci/cases_right`; the others are known to be wrong, and
do not fail the night. At the end there is one table. Exit codes: 0 as expected, 1 something is
worse than expected.

    .venv/bin/python .ci/nightly.py [--cases FOLDER] [--minutes 55] [--every-case]
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
RIGHT_CASES = PROJECT / ".ci/cases_right"
MINUTES_OF_A_CASE = 5
PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "2")
# Measured: 99 %. Programs that tests start are not counted.
COVERAGE = ("--cov", "--cov-fail-under=98")
# Another tenth each night; it prints its seed.
TODAY = str(datetime.now(UTC).toordinal())
FAULTS = ("tests/fault_matrix.py", "--sample", "0.1", "--seed", TODAY)
TAMPERING = ("tests/tamper_matrix.py", "--shard", "1/10", "--seed", TODAY)
CHECKS = {
    "style, types, docs, schemas": ("sh", ".ci/check"),
    "a browser for the tests": ("sh", ".ci/setup", "browser"),
    "a Slurm for the tests": ("sh", ".ci/setup", "slurm"),
    "an MLflow for the tests": ("sh", ".ci/setup", "mlflow-server"),
    "a bucket for the tests": ("sh", ".ci/setup", "team-server"),
    "tests": (*PYTEST, *COVERAGE, "-m", "not nightly"),
    "nightly tests": (*PYTEST, "-m", "nightly"),
    "a tenth of the fault matrix": (sys.executable, *FAULTS),
    "a tenth of the tamper matrix": (sys.executable, *TAMPERING),
    "100 closings, 16 at a time": (sys.executable, "tests/closing_stress.py"),
    "3,000 changed files": (sys.executable, "tests/mutations.py", "--seed", TODAY),
}
NO_TESTS = 5  # pytest's code when no test has the mark
# It adds a user to the machine, who stays: only --every-case runs it.
SKIPPED_CASES = ("33-unreadable-report",)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    result: str  # right, wrong, skipped
    expected: str
    seconds: float = 0.0

    @property
    def is_worse(self) -> bool:
        """Return whether this fails the night."""
        return self.expected == "right" != self.result

    def __str__(self) -> str:
        """Return the line."""
        note = ""
        if self.is_worse:
            note = "WORSE"
        elif self.result == "right" != self.expected:
            note = "now right: add it to .ci/cases_right"
        return f"{self.result:<8} {self.seconds:7.1f} s  {self.name}  {note}".rstrip()


def run(command: Sequence[str], seconds: float) -> int:
    """Return the exit code of a program; when its time is up, end it with all that it started."""
    process = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        return process.wait(max(seconds, 1.0))
    except subprocess.TimeoutExpired:
        print(f"{' '.join(command)}: no end within {seconds:.0f} s", file=sys.stderr)
        return 1
    finally:
        # Also after an interrupt: no sshd of a case outlives the night.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def find_cases(folder: Path, every: bool = False) -> dict[str, str]:
    """Return the cases by name with what is expected of them. None when the folder is not there."""
    expected = dict.fromkeys(RIGHT_CASES.read_text(encoding="utf-8").split(), "right")
    if not every:
        expected.update(dict.fromkeys(SKIPPED_CASES, "skipped"))
    names = sorted(path.parent.name for path in folder.glob("*/run.sh"))
    return {name: expected.get(name, "wrong") for name in names}


def all_rows(cases: Path, deadline: float, every_case: bool = False) -> list[Row]:
    """Run everything, one after the other, until the time is up; return a row for each."""
    rows = []
    for name, command in CHECKS.items():
        rows.append(_row(name, "right", command, deadline))
    for name, expected in find_cases(cases, every_case).items():
        end = min(deadline, time.monotonic() + MINUTES_OF_A_CASE * 60)
        if expected == "skipped":
            rows.append(Row(name, "skipped", "skipped"))
        elif time.monotonic() >= deadline:
            rows.append(Row(name, "no time", expected))
        else:
            command = ("bash", str(cases / name / "run.sh"), str(PROJECT))
            rows.append(_row(name, expected, command, end))
    return rows


def _row(name: str, expected: str, command: Sequence[str], deadline: float) -> Row:
    print(f"== {name}", flush=True)
    started = time.monotonic()
    code = run(command, deadline - started)
    is_right = code == 0 or (code == NO_TESTS and "pytest" in command)
    return Row(name, "right" if is_right else "wrong", expected, time.monotonic() - started)


def main(argv: Sequence[str] | None = None) -> int:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n    ")[0])
    beside = PROJECT.parent / "shared/cases"
    parser.add_argument("--cases", type=Path, default=beside, help="the folder of the cases")
    parser.add_argument("--minutes", type=float, default=55.0, help="for everything")
    parser.add_argument("--every-case", action="store_true", help="also the one that adds a user")
    args = parser.parse_args(argv)
    rows = all_rows(args.cases, time.monotonic() + args.minutes * 60, args.every_case)
    worse = sum(row.is_worse for row in rows)
    print("", *rows, f"{len(rows)} run, {worse} worse than expected", sep="\n")
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
