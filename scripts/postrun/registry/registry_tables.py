"""The registry with its decisions, and the two tables of statistics that they follow from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from postrun.registry import rows, trials
from postrun.registry.rows import Policy
from postrun.registry.trials import Before
from postrun.store import tables
from postrun.store.tables import Row, Rows


@dataclass(frozen=True)
class Decided:
    """The rows of the three tables: of registry and trials by run, oldest first."""

    registry: dict[str, Row]
    trials: dict[str, Row]
    families: Rows


def decide(
    root: Path,
    undecided: Mapping[str, Row],
    policy: Policy,
    recorded_rows: Iterable[Row] = (),
) -> Decided:
    """Return all tables, from the rows of the registry before their decision.

    `recorded_rows` are those of the registry as it is recorded. Raises Missing where approvals are
    asked for and cannot be checked.
    """
    # A table that was changed is no help: then every family is computed again.
    recorded = tables.read_recorded(root, trials.TRIALS) or []
    known = {row["run"]: row for row in recorded}
    statistics = trials.compute(
        undecided,
        policy.statistics,
        known,
        _before(root, recorded_rows),
    )
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


def _before(root: Path, recorded_rows: Iterable[Row]) -> Before:
    """Return what the tables of statistics were made from; nothing where that is not sure."""
    for name in (trials.TRIALS, trials.FAMILIES):
        # A closing that was interrupted leaves one table newer than another.
        if not tables.is_made_from(root, name, rows.REGISTRY):
            return Before({}, {})
    recorded = tables.read_recorded(root, trials.FAMILIES) or []
    families = {row["family"]: row for row in recorded}
    by_run = {row["run"]: row for row in recorded_rows}
    return Before(by_run, families)


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
