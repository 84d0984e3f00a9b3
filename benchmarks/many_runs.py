"""What ten thousand closed runs cost: closing one more, and making registry and patterns again.

Every run has what a closing leaves: run_detection, manifest, audit, remediation plan, gate report,
its row in the ledger. Closing one more is measured as whole processes at two sizes of the archive,
so that the growth shows: processor seconds (which other programs disturb least), and seconds. A
rebuild is compared with one process that only reads and parses the same JSON files.

    make bench            or: .venv/bin/python benchmarks/many_runs.py [--runs 10000]

--scripts measures another version of the program on the same archive: its `scripts` folder.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from postrun.core import locations  # noqa: E402
from postrun.store import json_files, ledger  # noqa: E402

COPIED = (
    "run_detection",
    "evidence_manifest",
    "governance_audit_check",
    "governance_remediation_plan",
    "context",
    "preflight",
)
REBUILT = {
    "registry": "update_factor_experiment_registry.py",
    "patterns": "update_failure_pattern_db.py",
}
FACTORS = 300
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"passing": False},
    {"change": lambda made: made.result.update(exit_code=1)},
)


@dataclass(frozen=True)
class Cost:
    """What a process took, its children included."""

    processor: float
    seconds: float


@dataclass(frozen=True)
class Bench:
    """A workstation's folder, a workspace, and the program that is measured."""

    remote: Path
    local: Path
    scripts: Path

    def run(self, script: str, *flags: str) -> Cost:
        """Run one script on the workspace.

        It may end with 1: a run that failed its audit is closed.
        """
        command = [sys.executable, str(self.scripts / script), *flags]
        before, began = processor_seconds(), time.perf_counter()
        done = subprocess.run([*command, "--local-root", str(self.local)], capture_output=True)
        cost = Cost(processor_seconds() - before, time.perf_counter() - began)
        assert done.returncode in (0, 1), done.stderr.decode()
        return cost

    def close(self, tag: str) -> Cost:
        """Close one run of the workstation's folder."""
        place = ("--host", "local", "--remote-root", str(self.remote))
        return self.run("post_run_sync_and_finalize.py", "--tag", tag, *place)

    def close_one_more(self, count: int) -> Cost:
        """Close a new run three times; return the medians."""
        costs = []
        for number in range(3):
            stamp = f"2025-01-0{number + 1}_{count % 240000:06d}"
            made = factory.make_run(self.remote, tag=f"one_more_{count}_{number}", stamp=stamp)
            costs.append(self.close(made.tag))
        processor = statistics.median(cost.processor for cost in costs)
        return Cost(processor, statistics.median(cost.seconds for cost in costs))


def main() -> int:
    """Make the runs, measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--scripts", type=Path, default=PROJECT / "scripts")
    args = parser.parse_args()
    tenth = args.runs // 10
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder, "remote"), Path(folder, "local"), args.scripts.resolve())
        models = close_models(bench)
        few = measure_closing(bench, models, 0, tenth)
        many = measure_closing(bench, models, tenth, args.runs)
        growth = many.processor / few.processor
        print(f"{growth:.2f} times the processor time for ten times the runs")
        bare = measure_reading(bench.local)
        print(f"reading and parsing their JSON files{bare:9.2f} s")
        for name, script in REBUILT.items():
            cost = bench.run(script, "--rebuild")
            ratio = f"{cost.seconds / bare:.2f} times reading"
            print(f"rebuild of the {name}, {args.runs} runs {cost.seconds:8.2f} s   {ratio}")
    return 0


def processor_seconds() -> float:
    """Return the processor time of every child process so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def close_models(bench: Bench) -> list[factory.Documents]:
    """Close three real runs: one that passes, one whose gates fail, one with an exit code."""
    models = []
    for number, kind in enumerate(KINDS):
        stamp = f"2023-01-0{number + 1}_010101"
        made = factory.make_run(bench.remote, tag=f"model{number}", stamp=stamp, **kind)
        bench.close(made.tag)
        models.append(made)
    return models


def measure_closing(bench: Bench, models: list[factory.Documents], first: int, last: int) -> Cost:
    """Let the archive grow from `first` to `last` runs and measure the closing of one more."""
    grow(bench.local, models, first, last)
    for script in REBUILT.values():
        bench.run(script, "--rebuild")
    cost = bench.close_one_more(last)
    line = f"{cost.processor:6.2f} s of processor time, {cost.seconds:6.2f} s"
    print(f"closing one more, {last:>6} runs  {line}", flush=True)
    return cost


def grow(local: Path, models: list[factory.Documents], first: int, last: int) -> None:
    """Copy the closed models under other names, and continue the ledger's chain with their rows."""
    path = locations.workspace_path(local, "stage_ledger")
    lines = path.read_bytes().splitlines()
    of_run = {row["run"]: row for row in map(json.loads, lines)}
    rows = [of_run[model.run_folder] for model in models]
    with path.open("ab") as out:
        for number in range(first, last):
            kind = number % len(models)
            new = copy(local, models[kind], number)
            previous = sha256(lines[-1]).hexdigest()
            row = {**rows[kind], **new, "number": len(lines) + 1, "previous_sha256": previous}
            lines.append(json_files.encode_line(row).rstrip(b"\n"))
            out.write(lines[-1] + b"\n")


def copy(local: Path, model: factory.Documents, number: int) -> dict[str, Any]:
    """Copy a closed run under another name and another factor; return what its ledger row says
    otherwise.
    """
    day = f"2024-{1 + number % 12:02d}-{1 + number // 12 % 28:02d}"
    stamp = f"{day}_{number // 336 % 24:02d}{number // 8064 % 60:02d}{number % 60:02d}"
    tag = f"many{number}"
    run, gate = f"{stamp}_production_gates_{tag}", f"production_gates_{day}_{number % 240000:06d}"
    renamed = {model.run_folder: run, model.gate_folder: gate, model.tag: tag}
    source, target = local / locations.RUNS / model.run_folder, local / locations.RUNS / run
    for artifact in COPIED:
        document = rename((source / f"{artifact}.json").read_text(), renamed)
        if artifact == "governance_audit_check":
            document["factor"] = f"factor{number % FACTORS}"
        if artifact == "evidence_manifest":
            digest = ledger.evidence_digest(document)
        put(target / f"{artifact}.json", document)
    report = local / locations.GATES / model.gate_folder / "production_gates_report.json"
    document = rename(report.read_text(), renamed)
    put(local / locations.GATES / gate / report.name, document)
    return {
        "run": run,
        "date": day,
        "decision_tag": tag,
        "evidence_sha256": digest,
        "artifact_ref": f"{locations.GATES}/{gate}/{report.name}",
        "command_ref": f"{locations.RUNS}/{run}/command.sh",
    }


def rename(text: str, names: dict[str, str]) -> dict[str, Any]:
    """Return a JSON document with other names in it."""
    for old, new in names.items():
        text = text.replace(old, new)
    document: dict[str, Any] = json.loads(text)
    return document


def put(path: Path, document: dict[str, Any]) -> None:
    """Write one JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json_files.encode(document))


def measure_reading(local: Path) -> float:
    """Return the seconds of reading and parsing what a rebuild reads, in one process and nothing
    more.
    """
    began = time.perf_counter()
    for path in rebuilt_from(local):
        json.loads(path.read_bytes())
    return time.perf_counter() - began


def rebuilt_from(local: Path) -> Iterator[Path]:
    """Yield the JSON files that a rebuild of registry and patterns reads."""
    for artifact in ("run_detection", "governance_audit_check", "governance_remediation_plan"):
        yield from (local / locations.RUNS).glob(f"*/{artifact}.json")
    yield from (local / locations.GATES).glob("*/production_gates_report.json")


if __name__ == "__main__":
    raise SystemExit(main())
