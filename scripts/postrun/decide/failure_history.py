"""What became of a failure: the runs of each factor one after the other, and the state of every check that failed.

Pure functions, shared by the candidate queue and the failure patterns. A factor's runs are ordered by the time in
their folders' names, then by the name itself, never by when they were closed. A run that names no factor stands alone:
nothing is known of what came after it, so its failures stay open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OPEN, RESOLVED, REGRESSED = "open", "resolved", "regressed"


@dataclass(frozen=True)
class Run:
    """What the audit of one run answered: check ids without a yes, apart by whether they could be asked."""

    run: str
    factor: str | None
    failed: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """One check that failed in runs of one factor: those runs, oldest first, and how it stands after the newest."""

    check: str
    runs: tuple[str, ...]
    state: str


def of_row(row: Mapping[str, Any]) -> Run:
    """Take a run's answers from its row in the registry."""
    failed, skipped = (_parted(row[name]) for name in ("failed_checks", "skipped_checks"))
    return Run(row["run"], row["factor"], failed, skipped)


def _parted(cell: str | None) -> tuple[str, ...]:
    return tuple(cell.split(";")) if cell else ()


def by_factor(runs: Iterable[Run]) -> list[list[Run]]:
    """Part runs by factor, each part oldest first; a run without a factor is a part of its own."""
    parts: dict[tuple[bool, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.run):  # the name begins with the time
        key = (False, run.run) if run.factor is None else (True, run.factor)
        parts.setdefault(key, []).append(run)
    return list(parts.values())


def patterns(runs: Iterable[Run]) -> dict[str, Pattern]:
    """Follow every check through the runs of one factor, which come oldest first.

    `resolved` when a later run passed the check, `regressed` when it failed again after that, else `open`. A run that
    skipped the check says nothing about it.
    """
    states: dict[str, str] = {}
    failed_in: dict[str, list[str]] = {}
    for run in runs:
        for check in states.keys() - {*run.failed, *run.skipped}:
            states[check] = RESOLVED
        for check in run.failed:
            states[check] = REGRESSED if states.get(check) in (RESOLVED, REGRESSED) else OPEN
            failed_in.setdefault(check, []).append(run.run)
    return {
        check: Pattern(check, tuple(failed_in[check]), state) for check, state in states.items()
    }
