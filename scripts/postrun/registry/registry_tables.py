"""The registry with its decisions, and the two tables of statistics that they follow from.

A run that is newer than all others, as nearly every one is when it is closed, changes what is said
of its own family and the q of the others. Then only the rows of its family are read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from postrun.registry import rows, trials
from postrun.registry.rows import Policy
from postrun.registry.trials import Before, Statistics
from postrun.store import configuration, tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

_OF_FAMILY = "family = ?"
_OTHER_FAMILY = "family IS NOT ?"
# The rows that are trials of every family.
_OF_EVERY_FAMILY = "family IS NULL AND is_trial IS NOT 0"


@dataclass(frozen=True)
class Recorded:
    """The three tables as they are recorded, the statistics made from this registry."""

    registry: IndexedTable
    trials: IndexedTable
    families: IndexedTable

    def is_extended_by(self, row: Row, policy: Policy) -> bool:
        """Return whether a row of the registry changes nothing that is said of other families."""
        if row["family"] is None:
            return False
        if not (self.registry.has_all_columns and self.trials.has_all_columns):
            return False
        if self.registry.count(_OF_EVERY_FAMILY):
            return False
        if self.registry.count("run >= ?", row["run"]):
            return False
        if self.registry.count(rows.OTHER_POLICY, policy.digest):
            return False
        digest = configuration.digest(policy.statistics)
        return self.trials.count(rows.OTHER_POLICY, digest) == 0

    def ps(self) -> dict[str, float]:
        """Return p of each family as of its latest run, in the order of their first runs."""
        name = self.trials.name
        query = f"""
            SELECT family, min(run), max(run), family_p FROM {name}
            WHERE family_p IS NOT NULL GROUP BY family
        """
        families = self.trials.ask(query)
        # Beside a maximum, SQLite gives the values of the row that has it.
        families.sort(key=itemgetter(1))
        return {family: p for family, _, _, p in families}


@dataclass(frozen=True)
class Decided:
    """The rows of the three tables: of registry and trials by run, oldest first.

    Where `others` are given, those two are of one family, and the rows of other families are as
    they are recorded.
    """

    registry: dict[str, Row]
    trials: dict[str, Row]
    families: Rows
    family: str | None = None
    others: Recorded | None = None

    @property
    def count(self) -> int:
        """Return the number of runs."""
        number = len(self.registry)
        if self.others is not None:
            number += self.others.registry.count(_OTHER_FAMILY, self.family)
        return number

    def best(self, number: int) -> Rows:
        """Return so many runs with the highest score; of two with the same, the earlier first."""
        candidates = list(self.registry.values())
        if self.others is not None:
            candidates += self.others.registry.select(
                _OTHER_FAMILY,
                [self.family],
                order=f"total DESC, place LIMIT {number}",
            )
        candidates.sort(key=itemgetter("run"))
        candidates.sort(key=itemgetter("total"), reverse=True)
        return candidates[:number]

    @cached_property
    def _latest(self) -> dict[str | None, str]:
        """Return the latest run of each factor among the rows that are given."""
        latest = {}
        for run in sorted(self.registry):
            factor = self.registry[run]["factor"]
            latest[factor] = run
        return latest

    def latest(self, factor: str | None) -> str:
        """Return the latest run of a factor that has one."""
        runs = [self._latest.get(factor)]
        if self.others is not None:
            recorded = self.others.registry.value("max(run)", "factor IS ?", factor)
            runs.append(recorded)
        return max(filter(None, runs))

    def luck(self, run: str) -> Row:
        """Return what is said of a run in the table of trials."""
        if run in self.trials or self.others is None:
            return self.trials[run]
        (row,) = self.others.trials.select("run = ?", [run])
        return row


def open_recorded(root: Path) -> Recorded | None:
    """Return the three tables; None when one is not as recorded, or was not made from another."""
    registry = tables.open_recorded(root, rows.REGISTRY)
    of_trials = tables.open_recorded(root, trials.TRIALS)
    families = tables.open_recorded(root, trials.FAMILIES)
    if registry is None or of_trials is None or families is None:
        return None
    if not _were_made_together(root):
        return None
    return Recorded(registry, of_trials, families)


def decide_newest(
    root: Path,
    row: Row,
    policy: Policy,
    recorded: Recorded,
) -> Decided:
    """Return the tables after a run that extends those that are recorded: rows of its family.

    Raises Missing where approvals are asked for and cannot be checked.
    """
    family = row["family"]
    registered = recorded.registry.select(_OF_FAMILY, [family])
    judged = recorded.trials.select(_OF_FAMILY, [family])
    families = recorded.families.select()
    members = _by("run", registered)
    before = Before(
        members,
        _by("family", families),
        recorded.ps(),
    )
    undecided = {**members, row["run"]: row}
    statistics = trials.compute(
        undecided,
        policy.statistics,
        _by("run", judged),
        before,
    )
    decided = _decide_each(root, undecided, statistics, policy)
    return replace(decided, family=family, others=recorded)


def decide(
    root: Path,
    undecided: Mapping[str, Row],
    policy: Policy,
    recorded_rows: Iterable[Row] = (),
) -> Decided:
    """Return all tables, from the rows of the registry before their decision.

    `recorded_rows` are those of the registry as it is recorded: without them, nothing that the
    tables say is believed. Raises Missing where approvals are asked for and cannot be checked.
    """
    known: dict[str, Row] = {}
    before = Before({}, {})
    by_run = _by("run", recorded_rows)
    if by_run:
        # A table that was changed is no help: then every family is computed again.
        recorded = tables.read_recorded(root, trials.TRIALS) or []
        known = _by("run", recorded)
        before = _before(root, by_run)
    statistics = trials.compute(
        undecided,
        policy.statistics,
        known,
        before,
    )
    return _decide_each(root, undecided, statistics, policy)


def _decide_each(
    root: Path,
    undecided: Mapping[str, Row],
    statistics: Statistics,
    policy: Policy,
) -> Decided:
    """Return the rows of the registry with their decisions, and what these follow from."""
    earlier_inputs: dict[tuple[str | None, str], Row] = {}
    registry = {}
    for run in sorted(undecided):
        row = undecided[run]
        luck = statistics.trials[run]
        first = _first_with_same_inputs(row, earlier_inputs)
        standing = {
            "verdict": luck["verdict"],
            "repeats": luck["repeats"],
            "not_reproduced": first,
        }
        # The own run's approvals may have changed: its row comes without a decision.
        if row["decision"] is None or not standing.items() <= row.items():
            judged = {**row, **standing}
            row = rows.decide(root, judged, policy)
        registry[run] = row
    ordered = {run: statistics.trials[run] for run in registry}
    return Decided(
        registry,
        ordered,
        statistics.families,
    )


def _before(root: Path, by_run: Mapping[str, Row]) -> Before:
    """Return what the tables of statistics were made from; nothing where that is not sure."""
    if not _were_made_together(root):
        return Before({}, {})
    recorded = tables.read_recorded(root, trials.FAMILIES) or []
    return Before(by_run, _by("family", recorded))


def _were_made_together(root: Path) -> bool:
    """Return whether both tables of statistics were made from the registry as it is recorded.

    A closing that was interrupted leaves one table newer than another.
    """
    for name in (trials.TRIALS, trials.FAMILIES):
        if not tables.is_made_from(root, name, rows.REGISTRY):
            return False
    return True


def _by(column: str, table: Iterable[Row]) -> dict[str, Row]:
    return {row[column]: row for row in table}


def _first_with_same_inputs(
    row: Row,
    earlier: dict[tuple[str | None, str], Row],
) -> str | None:
    """Return the first run of the family with the same inputs, when its series is another one."""
    digest = row["inputs_sha256"]
    if digest is None or row["series_sha256"] is None:
        return None
    key = row["family"], digest
    first = earlier.setdefault(key, row)
    if first["series_sha256"] == row["series_sha256"]:
        return None
    return str(first["run"])
