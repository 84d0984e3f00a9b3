"""Workspaces of many closed runs, from seeds: some are closed for real, the others are copies.

    models = close_models(folder, models_for(10_000))
    grow(root, models, first=0, last=10_000)

One run in five is of the largest family, until that has its number; the others have sixteen each. A
copy has its own tag, factor and year, as long as those of its model; of a family with more runs
than there are models, some are reruns of others. What follows from the names is worked out again,
digest by digest, so that `make verify` finds the workspace whole. Its pages say what they said in
the model's workspace: where a run stood among others is of another registry.
"""

import contextlib
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from hashlib import sha256
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / name) for name in ("scripts", "examples")]

import made_runs  # noqa: E402
from made_runs import Documents  # noqa: E402

import post_run_sync_and_finalize as conductor  # noqa: E402
from postrun.core import locations  # noqa: E402
from postrun.store import json_files, ledger, records, site_files  # noqa: E402

LEDGER = "audit/stage_ledger.jsonl"
MANIFEST, RECORD = "evidence_manifest.json", "closing_record.json"
FACTOR = "made_0000"
YEAR = 1971  # of the models; no window of a run is so early
LAST_YEAR = 2009
LARGEST = 2_000  # runs in the largest family
IN_A_FAMILY = 16  # runs in any other
ONE_IN = 5  # so many runs is of the largest family, until that has its number
_MODELS = 301  # as many as there are runs, up to this number, which ONE_IN does not divide
_SHARD = 75  # models that are closed beside each other: each closing reads its ledger
_DIGEST = re.compile(rb"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Model:
    """A closed run: its files in the order in which each follows from others, and its rows."""

    root: Path
    tag: str
    order: tuple[str, ...]  # paths from the root; LEDGER stands for the decision's row
    decision: bytes
    audit: bytes

    def copy(self, root: Path, names: dict[bytes, bytes], chain: "Chain") -> None:
        """Write this run under other names, and its rows into the ledger."""
        digests: dict[bytes, bytes] = {}

        def renamed(content: bytes) -> bytes:
            for old, new in names.items():
                content = content.replace(old, new)
            return _DIGEST.sub(lambda found: digests.get(found[0], found[0]), content)

        def learn(before: bytes, after: bytes) -> None:
            digests[_digest(before)] = _digest(after)

        lines = []
        for path in self.order:
            if path == LEDGER:
                lines.append(chain.add(renamed(self.decision)))
                learn(self.decision, lines[0])
                # The final summary says which row it is.
                names = {**names, _row(self.decision): _row(lines[0])}
                continue
            before = (self.root / path).read_bytes()
            after = renamed(before)
            if path.endswith(f"/{RECORD}"):
                after, line = self._end(after, renamed(self.audit), lines[0], chain)
                lines.append(line)
            learn(before, after)
            if path.endswith(f"/{MANIFEST}"):
                old, new = (ledger.evidence_digest(json.loads(text)) for text in (before, after))
                digests[old.encode()] = new.encode()
            target = root / renamed(path.encode()).decode()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(after)
            if path.endswith("/result.json"):
                _shift(self.root / path, target, int(names[str(YEAR).encode() + b"-"][:-1]))

    def _end(
        self, content: bytes, audit: bytes, decision: bytes, chain: "Chain"
    ) -> tuple[bytes, bytes]:
        """Return the closing record and the line of the audit's row, which name each other."""
        record = json.loads(content)
        row = json.loads(audit)
        row["closing_record_sha256"] = records.digest(record)
        row["decision_row"] = json.loads(decision)["number"]
        line = chain.add(json_files.encode_line(row).rstrip(b"\n"))
        record["ledger_rows"] = [decision.decode(), line.decode()]
        return json_files.encode(record), line


class Chain:
    """The ledger that grows: each row names the digest of the one before."""

    def __init__(self, root: Path) -> None:
        self.path = root / LEDGER
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        self.number = len(lines)
        self.last = lines[-1] if lines else None
        self.lines: list[bytes] = []

    def add(self, line: bytes) -> bytes:
        """Return the line as the next of the chain."""
        row = json.loads(line)
        self.number += 1
        row["number"] = self.number
        row["previous_sha256"] = self.last and _digest(self.last).decode()
        self.last = json_files.encode_line(row).rstrip(b"\n")
        self.lines.append(self.last)
        return self.last

    def save(self) -> None:
        """Append what was added to the file."""
        with self.path.open("ab") as out:
            out.writelines(line + b"\n" for line in self.lines)
        self.lines.clear()


def _row(line: bytes) -> bytes:
    return f"row {json.loads(line)['number']}, recorded at".encode()


def _digest(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _shift(source: Path, target: Path, year: int) -> None:
    """Give a copy the time of its model, in another year."""
    modified = datetime.fromtimestamp(source.stat().st_mtime, UTC).replace(year=year).timestamp()
    os.utime(target, (modified, modified))


def close_models(folder: Path, number: int) -> list[Model]:
    """Close so many runs of different numbers, on all cores; return them in order."""
    starts = range(0, number, _SHARD)
    ends = [min(start + _SHARD, number) for start in starts]
    folders = [folder / f"models_{start}" for start in starts]
    models: list[Model] = []
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for closed in workers.map(_close_shard, folders, starts, ends):
            models += closed
    return models


def make_run(tag: str, stamp: str, factor: str, number: int) -> Documents:
    """Return a run with numbers of its own; one in ten is worth something."""
    draw = made_runs.worthless_ics if number % 10 else made_runs.good_ics
    return made_runs.made_run(tag, stamp, factor, draw(number))


def _close_shard(root: Path, first: int, last: int) -> list[Model]:
    """Close the models of one workspace. Run again, it closes those that are not there."""
    remote = root / "workstation"
    for number in range(first, last):
        tag, stamp = f"m{number:07}", f"{YEAR}-{1 + number % 12:02}-{1 + number // 12 % 28:02}"
        stamp += f"_{3 + number // 336 % 8:02}{number // 2688 % 60:02}00"
        made = make_run(tag, stamp, FACTOR, number)
        if made.run_dir(root).is_dir():
            continue
        made.write(remote)
        where = ["--host", "local", "--remote-root", str(remote), "--local-root", str(root)]
        flags = ["--tag", tag, *where, "--to", "run-review", "-q"]
        with contextlib.redirect_stdout(io.StringIO()):
            code = conductor.main(flags)
        assert code in (0, 1), f"{tag}: exit code {code}"
    return list(_read_models(root))


def _read_models(root: Path) -> Iterator[Model]:
    """Yield the closed runs of a workspace, oldest decision first."""
    lines: dict[str, list[bytes]] = {}
    for line in (root / LEDGER).read_bytes().splitlines():
        lines.setdefault(json.loads(line)["run"], []).append(line)
    for run, (decision, audit) in lines.items():
        row = json.loads(decision)
        gate = Path(row["artifact_ref"]).parent
        paths = []
        for folder in (root / locations.RUNS / run, root / gate):
            files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            paths += [path.relative_to(root).as_posix() for path in files]
        order = _in_order(root, paths, decision)
        yield Model(root, row["decision_tag"], order, decision, audit)


def _in_order(root: Path, paths: Sequence[str], decision: bytes) -> tuple[str, ...]:
    """Return the paths, each after those whose digests it has; the closing record is the last."""
    contents = {path: (root / path).read_bytes() for path in paths}
    contents[LEDGER] = decision
    owners = {_digest(content): path for path, content in contents.items()}
    manifest = next(path for path in paths if path.endswith(f"/{MANIFEST}"))
    owners[ledger.evidence_digest(json.loads(contents[manifest])).encode()] = manifest
    record = next(path for path in paths if path.endswith(f"/{RECORD}"))
    graph = {}
    for path, content in contents.items():
        if path != record:
            found = set(_DIGEST.findall(content))
            graph[path] = {owners[digest] for digest in found & owners.keys()}
    # The final summary says the number of the row, and has no digest of it.
    for path in paths:
        if path.endswith("/production_gates_final_summary.md"):
            graph[path].add(LEDGER)
    return (*TopologicalSorter(graph).static_order(), record)


def models_for(runs: int) -> int:
    """Return how many models so many runs need: a model is copied once into each year."""
    years = LAST_YEAR - YEAR
    return max(min(runs, _MODELS), math.ceil(runs / years))


def grow(root: Path, models: Sequence[Model], first: int, last: int) -> None:
    """Let a workspace grow from `first` to `last` runs.

    Raises ValueError for more runs than there are models and years.
    """
    if last > len(models) * (LAST_YEAR - YEAR):
        raise ValueError(f"{len(models)} models are too few for {last} runs")
    chain = Chain(root)
    for number in range(first, last):
        turn, place = divmod(number, len(models))
        model = models[place]
        factor = f"made_{_family(number):04}"
        renamed = {
            f"{YEAR}-": f"{YEAR + 1 + turn}-",
            model.tag: f"c{number:07}",
            # The page's name ends in a digest of the factor's.
            site_files.family_page(FACTOR): site_files.family_page(factor),
            FACTOR: factor,
        }
        names = {old.encode(): new.encode() for old, new in renamed.items()}
        model.copy(root, names, chain)
    chain.save()


def _family(number: int) -> int:
    """Return the number of the family of a run; 0 is the largest."""
    turn, place = divmod(number, ONE_IN)
    if place == 0 and turn < LARGEST:
        return 0
    in_largest = min(turn + 1, LARGEST)
    return 1 + (number - in_largest) // IN_A_FAMILY
