"""Parts of all runs that are read apart, on other machines or at other times, then joined.

A shard is the K-th of N parts of the runs of a workspace, in the order of their names. What was
read of its runs is one file of this account below `audit/.cache/`, which may be deleted. A join
takes from these files what it would read itself, and does all the rest as without shards. It
refuses a shard that is not whole, or that was cut from other runs, another ledger, program or
policy, or of which a run has changed since; and it reads some runs of each shard again itself.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from postrun.core import disk, locations, terminal, version
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import PROJECT
from postrun.store import json_files, shard_files
from postrun.store.shard_files import AGAIN, Json, Results

Value = TypeVar("Value")
# What a function reads of many runs: by run, and the errors of those that cannot be read.
Read = tuple[dict[str, Value], dict[str, str]]

REBUILD, VERIFY = "rebuild", "verify"  # what the shards are for
READ_AGAIN = 16  # runs of each shard, chosen by chance
_SCHEMA_VERSION = 1
_JOINED = "joined"
_CLOCK_TICK = 0.05  # seconds


class Shard(NamedTuple):
    """The K-th of N parts."""

    number: int
    of: int

    def __str__(self) -> str:
        """Return it as it is typed: `3/8`."""
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Reading(Generic[Value]):
    """What is read of each run, and how it stands in a shard's file."""

    name: str
    list_runs: Callable[[Path], list[str]]
    read: Callable[[Path, Sequence[str]], Read[Value]]
    to_json: Callable[[Value], Json]
    from_json: Callable[[Json], Value]
    # Whether nothing is wrong with the run: else the shard is read again the next time.
    is_good: Callable[[Value], bool] = lambda _: True


@dataclass(frozen=True)
class Cut:
    """All runs of a workspace, cut into parts; as they are when they are first asked for."""

    root: Path
    purpose: str
    reading: Reading[Any]
    of: int

    @property
    def numbers(self) -> range:
        """Return the numbers of all shards."""
        return range(1, self.of + 1)

    @cached_property
    def runs(self) -> list[str]:
        """Return all runs, in order."""
        return self.reading.list_runs(self.root)

    @cached_property
    def digest(self) -> str:
        """Return a digest of what all shards must have seen alike."""
        ledger_path = locations.workspace_path(self.root, "stage_ledger")
        ledger = ""
        if disk.is_present(ledger_path):
            ledger = disk.sha256(ledger_path)
        program = _program_digest()
        facts = [self.purpose, self.reading.name, self.of]
        facts += [self.runs, ledger, program]
        if self.purpose == VERIFY:
            # A check of a run reads the tables, too; a rebuild believes none of them.
            facts.append(shard_files.stamp_workspace(self.root))
        return shard_files.digest(facts)

    def part(self, number: int) -> list[str]:
        """Return the runs of a shard."""
        total = len(self.runs)
        begin = total * (number - 1) // self.of
        end = total * number // self.of
        return self.runs[begin:end]

    @property
    def folder(self) -> Path:
        """Return the folder of the shards' files."""
        name = f"{self.purpose}-{self.reading.name}-{self.of}"
        return shard_files.own_folder(self.root) / name

    def path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{number}.jsonl"

    def header(self, number: int) -> dict[str, Json]:
        """Return what the first line of a shard's file must say today."""
        shard = Shard(number, self.of)
        return {
            "schema_version": _SCHEMA_VERSION,
            "shard": str(shard),
            "program_version": version.program_version(),
            "cut": self.digest,
        }

    def load(self, number: int) -> Results:
        """Return what a shard holds. Raises Missing, Invalid, when it cannot be joined."""
        shard = Shard(number, self.of)
        path = self.path(number)
        thing = f"shard {shard} of {self.reading.name} ({path})"
        header = self.header(number)
        runs = self.part(number)
        results = shard_files.read(thing, path, header, runs)
        present = shard_files.stamp_all(self.root, runs)
        changed = []
        for run in runs:
            if present[run] != results.stamps[run]:
                changed.append(run)
        if changed:
            number_changed = terminal.counted(len(changed), "run")
            found = f"{number_changed} changed since, the first is {changed[0]}"
            raise Invalid(thing, "its runs as they were read", found, AGAIN)
        return results


# By the name of the reading, inside of a join.
_JOIN: ContextVar[Mapping[str, Results] | None] = ContextVar("join", default=None)


def _joined(reading: Reading[Any]) -> Results | None:
    """Return what shards hold, inside of their join; else None."""
    joined = _JOIN.get() or {}
    return joined.get(reading.name)


def read_all(root: Path, reading: Reading[Value]) -> Read[Value]:
    """Return what is read of all runs of a workspace; inside of a join, from the shards."""
    results = _joined(reading)
    if results is None:
        runs = reading.list_runs(root)
        return reading.read(root, runs)
    values = {}
    for run, value in results.values.items():
        values[run] = reading.from_json(value)
    return values, results.errors


def read_shard(cut: Cut, number: int) -> tuple[Results, bool]:
    """Read the runs of a shard and write its file; return both, and whether it was done before.

    A shard that is done, with nothing wrong in it, is not read again. Raises Missing.
    """
    known = find_done(cut, number)
    if known is not None:
        return known, True
    runs = cut.part(number)
    # Before they are read: what changes meanwhile is not as in the stamp. What changes within one
    # tick of the file system's clock may keep its time: that is over before anything is read.
    stamps = shard_files.stamp_all(cut.root, runs)
    time.sleep(_CLOCK_TICK)
    values, errors = cut.reading.read(cut.root, runs)
    results = Results({}, errors, stamps)
    for run, value in values.items():
        results.values[run] = cut.reading.to_json(value)
    path = cut.path(number)
    header = cut.header(number)
    shard_files.write(path, header, results)
    return results, False


def find_done(cut: Cut, number: int) -> Results | None:
    """Return what a shard holds when it need not be read again, else None."""
    try:
        results = cut.load(number)
    except PostRunError:
        return None
    if results.errors:
        return None
    for value in results.values.values():
        known = cut.reading.from_json(value)
        if not cut.reading.is_good(known):
            return None
    return results


@contextmanager
def joining(cuts: Sequence[Cut]) -> Iterator[None]:
    """Make `read_all` take the runs from shards inside the block, and set these aside after it.

    Raises Missing, Invalid, when a shard cannot be taken; each is named.
    """
    joined = _load_all(cuts)
    for cut in cuts:
        name = cut.reading.name
        _check_some(cut, joined[name])
    token = _JOIN.set(joined)
    try:
        yield
    finally:
        _JOIN.reset(token)
    if not disk.writes_nothing():
        for cut in cuts:
            _set_aside(cut)


def _load_all(cuts: Sequence[Cut]) -> dict[str, Results]:
    """Return what all shards hold, by the name of the reading.

    Raises Missing, Invalid, when one cannot be taken; each is named.
    """
    joined = {}
    errors: list[PostRunError] = []
    for cut in cuts:
        name = cut.reading.name
        results = joined[name] = Results()
        for number in cut.numbers:
            try:
                part = cut.load(number)
            except PostRunError as error:
                errors.append(error)
            else:
                results.add(part)
    if errors:
        *first_errors, last_error = errors
        for first_error in first_errors:
            terminal.error(str(first_error))
        raise last_error
    return joined


def _set_aside(cut: Cut) -> None:
    """Move the shards that were joined away: another join has to read the runs again."""
    aside = cut.folder / _JOINED
    with disk.report_write_errors(aside):
        aside.mkdir(mode=0o700, exist_ok=True)
        for number in cut.numbers:
            path = cut.path(number)
            # Of two joins at once, the other one may have been here.
            with suppress(FileNotFoundError):
                path.replace(aside / path.name)


def _check_some(cut: Cut, results: Results) -> None:
    """Read some runs of each shard again, which nobody can know before. Raises Invalid."""
    chance = random.SystemRandom()
    chosen = []
    for number in cut.numbers:
        runs = cut.part(number)
        least = min(READ_AGAIN, len(runs))
        chosen += chance.sample(runs, least)
    _compare(cut.root, cut.reading, results, chosen)


def check_again(
    root: Path,
    reading: Reading[Any],
    runs: Iterable[str],
) -> None:
    """Read some runs again, and compare them with their shards; without a join nothing.

    Raises Invalid for a run of which a shard says something else.
    """
    results = _joined(reading)
    if results is not None:
        _compare(root, reading, results, list(runs))


def _compare(
    root: Path,
    reading: Reading[Any],
    results: Results,
    runs: Sequence[str],
) -> None:
    values, _ = reading.read(root, runs)
    for run in runs:
        given_again = None
        if run in values:
            given_again = reading.to_json(values[run])
        in_shard = results.values.get(run)
        # As bytes: to Python, true is equal to 1.
        content = json_files.encode(given_again)
        if content != json_files.encode(in_shard):
            thing = f"a shard of {reading.name}"
            expected = f"of run {run} what its folders give"
            folder = shard_files.own_folder(root)
            hint = f"move {folder} away, find out who wrote there, and run all shards again"
            raise Invalid(thing, expected, "something else", hint)


def _program_digest() -> str:
    """Return a digest of the program with its policies, as they are on disk."""
    facts = []
    for name in version.PROGRAM:
        for path in sorted((PROJECT / name).rglob("*")):
            if "__pycache__" in path.parts or not path.is_file():
                continue
            relative = path.relative_to(PROJECT)
            facts.append([relative.as_posix(), disk.sha256(path)])
    return shard_files.digest(facts)
