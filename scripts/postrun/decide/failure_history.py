"""Follow each failed check through the runs of a factor: open, resolved or regressed.

Pure functions, shared by the candidate queue and the failure patterns. A factor's runs are ordered
by the time in their folders' names, then by the name itself, never by when they were closed. A run
that names no factor stands alone: nothing is known of what came after it, so its failures stay
open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OPEN, RESOLVED, REGRESSED = "open", "resolved", "regressed"


@dataclass(frozen=True)
class Run:
    """What the audit of one run answered: the ids of the checks that did not pass.

    `failed` could be asked, `skipped` could not.
    """

    run: str
    factor: str | None
    failed: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """One check that failed in runs of one factor, oldest first, and how it stands now."""

    check: str
    runs: tuple[str, ...]
    state: str


def from_registry(row: Mapping[str, Any]) -> Run:
    """Return a run's answers as its row in the registry has them."""
    failed = split_ids(row["failed_checks"])
    skipped = split_ids(row["skipped_checks"])
    return Run(row["run"], row["factor"], failed, skipped)


def split_ids(cell: str | None) -> tuple[str, ...]:
    """Return the ids in a cell of the registry, which are joined by semicolons."""
    return tuple(cell.split(";")) if cell else ()


def by_factor(runs: Iterable[Run]) -> list[list[Run]]:
    """Return the runs of each factor, oldest first; a run without a factor is alone in its list."""
    histories: dict[tuple[bool, str], list[Run]] = {}
    # The name of a run folder begins with its time.
    for run in sorted(runs, key=lambda run: run.run):
        key = (False, run.run) if run.factor is None else (True, run.factor)
        histories.setdefault(key, []).append(run)
    return list(histories.values())


def find_patterns(runs: Iterable[Run]) -> dict[str, Pattern]:
    """Return a pattern for each check that failed in these runs of one factor, oldest first.

    `resolved` when a later run passed the check, `regressed` when it failed again after that, else
    `open`. A run that skipped the check says nothing about it.
    """
    states: dict[str, str] = {}
    failed_in: dict[str, list[str]] = {}
    for run in runs:
        passed = states.keys() - {*run.failed, *run.skipped}
        for check in passed:
            states[check] = RESOLVED
        for check in run.failed:
            came_back = states.get(check) in (RESOLVED, REGRESSED)
            states[check] = REGRESSED if came_back else OPEN
            failed_in.setdefault(check, []).append(run.run)
    patterns = {}
    for check, state in states.items():
        patterns[check] = Pattern(check, tuple(failed_in[check]), state)
    return patterns
