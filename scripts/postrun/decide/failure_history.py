"""Follow each failed check through the runs of a factor: open, resolved, regressed or settled.

Pure functions, shared by the candidate queue and the failure patterns. A factor's runs are ordered
by the time in their folders' names, then by the name itself, never by when they were closed. A run
that names no factor stands alone: nothing is known of what came after it, so its failures stay open
until somebody settles them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

OPEN = "open"
RESOLVED = "resolved"
REGRESSED = "regressed"
SETTLED = "settled"
# What nobody needs to work on any more.
DONE = (RESOLVED, SETTLED)

# Columns of the registry that say what a run's audit answered.
COLUMNS = ("run", "factor", "failed_checks", "skipped_checks")

Names = tuple[str, ...]
Failure = tuple[str, str]  # run and check


@dataclass(frozen=True)
class Run:
    """What the audit of one run answered: the ids of the checks that did not pass.

    `failed` could be asked, `skipped` could not.
    """

    run: str
    factor: str | None
    failed: Names
    skipped: Names


History = list[Run]  # of one factor, oldest first


@dataclass(frozen=True)
class Pattern:
    """One check that failed in runs of one factor, oldest first, and how it stands now."""

    check: str
    runs: Names
    state: str


def from_registry(row: Mapping[str, Any]) -> Run:
    """Return a run's answers as its row in the registry has them."""
    failed = split_ids(row["failed_checks"])
    skipped = split_ids(row["skipped_checks"])
    return Run(row["run"], row["factor"], failed, skipped)


def split_ids(cell: str | None) -> Names:
    """Return the ids in a cell of the registry, which are joined by semicolons."""
    if not cell:
        return ()
    return tuple(cell.split(";"))


def by_factor(runs: Iterable[Run]) -> list[History]:
    """Return the runs of each factor, oldest first; a run without a factor is alone in its list."""
    histories: list[History] = []
    of_factor: dict[str, History] = {}
    # The name of a run folder begins with its time.
    for run in sorted(runs, key=attrgetter("run")):
        history = of_factor.get(run.factor or "")
        if history is None:
            history = []
            histories.append(history)
        # Nothing is known of what came after a run without a factor.
        if run.factor is not None:
            of_factor[run.factor] = history
        history.append(run)
    return histories


def find_patterns(runs: Iterable[Run]) -> dict[str, Pattern]:
    """Return a pattern for each check that failed in these runs of one factor, oldest first.

    `resolved` when a later run passed the check, `regressed` when it failed again after that, else
    `open`. A run that skipped the check says nothing about it.
    """
    states: dict[str, str] = {}
    failed_in: dict[str, list[str]] = {}
    for run in runs:
        # A check that could not be asked neither passed nor failed.
        passed = states.keys() - run.failed - set(run.skipped)
        for check in passed:
            states[check] = RESOLVED
        for check in run.failed:
            before = states.get(check, OPEN)
            # Once it was resolved, a failure is a regression for good.
            states[check] = OPEN if before == OPEN else REGRESSED
            names = failed_in.setdefault(check, [])
            names.append(run.run)
    patterns = {}
    for check, state in states.items():
        names = failed_in[check]
        patterns[check] = Pattern(check, tuple(names), state)
    return patterns


def settle(
    run: Run,
    pattern: Pattern,
    settled: Collection[Failure],
) -> Pattern:
    """Return a pattern of a run; of one that names no factor as somebody settled it.

    With a factor, only a later run says how a check stands.
    """
    failure = (run.run, pattern.check)
    is_settled = failure in settled
    if run.factor is not None or not is_settled:
        return pattern
    return replace(pattern, state=SETTLED)
