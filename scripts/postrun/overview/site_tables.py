"""What the site is made from: tables, ledger, plan and handoff, each as recorded.

The tables and the ledger are asked for the rows that a page shows, when it is written.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from urllib.parse import quote

from postrun.core import disk, locations
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.overview import found_runs, standings
from postrun.overview.ledger_pages import LedgerRows
from postrun.overview.standings import REGISTRY, Workspace
from postrun.registry import leaderboard, rows
from postrun.registry.rows import Policy
from postrun.registry.trials import FAMILIES, TRIALS
from postrun.store import (
    documents,
    json_files,
    ledger,
    next_action,
    site_files,
    tables,
)
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

REVIEW = "production_gates_run_review"
QUEUE, PATTERNS = "factor_candidate_queue", "failure_patterns"
PLAN, HANDOFF, LEDGER = "next_run_plan", "handoff_readiness", "stage_ledger"
_OF_FAMILY = "family = ?"
# Of a trial, what the picture of its family shows.
_CHARTED = (
    *("run", "decision_tag", "verdict", "is_trial", "wf_t"),
    *("series", "series_by_month"),
)
_CHARTED_LUCK = ("run", "trials", "without_series")


@dataclass(frozen=True)
class SiteTables:
    """Everything that pages show."""

    root: Path
    policy: Policy
    registry: IndexedTable
    trials: IndexedTable
    families: IndexedTable
    ledger: LedgerRows
    queue: Rows
    plan: Json | None
    patterns: IndexedTable
    handoff: Json | None
    reviews: dict[str, str | None] = field(default_factory=dict)  # by run, once looked for

    @cached_property
    def commands(self) -> dict[str, Row]:
        """Return the planned commands, by the run that each repeats."""
        return standings.planned_commands(self.plan)

    @cached_property
    def latest(self) -> dict[str | None, str]:
        """Return the latest closed run of each factor."""
        return standings.latest_runs(self.registry)

    @cached_property
    def known_runs(self) -> tuple[int, list[str]]:
        """Return how many runs there are, and those that are not closed."""
        return found_runs.find_runs(self.root, self.registry)

    def workspace(self, runs: Collection[str]) -> Workspace:
        """Return what is known of some runs."""
        registry = self.registry.select_each("run", runs)
        _, open_runs = self.known_runs
        closed = frozenset(runs) - frozenset(open_runs)
        return Workspace(
            root=self.root,
            folders=frozenset(),
            decisions=self.ledger.decisions(runs),
            # An open run is not audited.
            audited=closed,
            registry=_by_run(registry),
            commands=self.commands,
            latest=self.latest,
        )

    def best(self, number: int) -> Rows:
        """Return so many runs with the highest score as pages show them, the best first.

        Of two with one score the earlier is first.
        """
        order = f"total DESC, run LIMIT {number}"
        return self.describe(self.registry.select(order=order))

    def of_family(self, family: str, first: int, number: int) -> Rows:
        """Return some runs of a family as pages show them, oldest first; `first` counts from 0."""
        order = f"run LIMIT {number} OFFSET {first}"
        return self.describe(self.registry.select(_OF_FAMILY, [family], order=order))

    def charted(self, family: str) -> Rows:
        """Return all runs of a family, oldest first, with the columns that its picture shows."""
        judged = self.trials.select(
            _OF_FAMILY,
            [family],
            _CHARTED_LUCK,
        )
        lucks = _by_run(judged)
        none = dict.fromkeys(_CHARTED_LUCK)
        registered = self.registry.select(
            _OF_FAMILY,
            [family],
            _CHARTED,
            order="run",
        )
        charted = []
        for row in registered:
            luck = lucks.get(row["run"], none)
            charted.append({**row, "luck": luck})
        return charted

    def describe(self, registered: Rows) -> Rows:
        """Return rows of the registry as pages show them, in the same order."""
        runs = [row["run"] for row in registered]
        lucks = _by_run(self.trials.select_each("run", runs))
        # A registry of an earlier release has no statistics beside it.
        none = dict.fromkeys(self.trials.columns)
        abandoned = self._abandoned(registered)
        tags = self._tags_of_latest(registered)
        described = []
        for row in registered:
            run = row["run"]
            newest = self.latest[row["factor"]]
            of_run = leaderboard.describe_run(
                row,
                lucks.get(run, none),
                newest,
                run in abandoned,
            )
            of_run |= {
                "review": self.review(run, row["gate_folder"]),
                "family_page": family_link(row["family"]),
                "superseded_by": None,
                "superseded_tag": None,
            }
            if row["factor"] and newest != run:
                of_run["superseded_by"] = newest
                of_run["superseded_tag"] = tags[newest]
            described.append(of_run)
        return described

    def _tags_of_latest(self, registered: Rows) -> dict[str, str]:
        """Return the tag of the latest run of each factor of these runs, by run."""
        latest = [self.latest[row["factor"]] for row in registered]
        rows = self.registry.select_each(
            "run",
            latest,
            ["run", "decision_tag"],
        )
        return {row["run"]: row["decision_tag"] for row in rows}

    def _abandoned(self, registered: Rows) -> set[str]:
        """Return the runs that were given up: the numbers of none of them count."""
        unmeasured = [row["run"] for row in registered if row["wf_t"] is None]
        return next_action.abandoned_runs(self.ledger.decisions(unmeasured))

    def describe_family(self, family: Row) -> Row:
        """Return a row of the family statistics as pages show it."""
        described = leaderboard.describe_family(family, self.policy)
        return {**described, "page": family_link(family["family"])}

    def find_reviews(self, runs: Iterable[str]) -> dict[str, str | None]:
        """Return the link to the review of each of these runs; None when there is none."""
        asked = list(runs)
        rows = self.registry.select_each(
            "run",
            asked,
            ["run", "gate_folder"],
        )
        registered = _by_run(rows)
        links = {}
        for run in asked:
            row = registered.get(run, {})
            links[run] = self.review(run, row.get("gate_folder"))
        return links

    def review(self, run: str, gate_folder: str | None) -> str | None:
        """Return the link to a run's review; None when there is none."""
        if run not in self.reviews:
            self.reviews[run] = self._find_review(run, gate_folder)
        return self.reviews[run]

    def _find_review(self, run: str, gate_folder: str | None) -> str | None:
        # In text: for hundreds of runs, paths take longer than the question whether one is there.
        folder = f"{locations.RUNS}/{run}"
        if gate_folder is not None:
            folder = f"{locations.GATES}/{gate_folder}"
        name = f"{folder}/{REVIEW}.html"
        if not os.path.lexists(f"{self.root}/{name}"):
            return None
        return f"../../{quote(name)}"

    def input_of(self, name: str, used: Row, number: int) -> Row:
        """Return what a page is made from: of an artifact, as far as it is used.

        `rows` is a number, since the digest is not that of the artifact's file.
        """
        # Asked for every page of the site: this takes a third of the time of a JSON text.
        content = repr(sorted(used.items())).encode(errors="backslashreplace")
        return {
            "path": _relative(self.root, name),
            "sha256": disk.content_digest(content),
            "rows": number,
        }

    def input_of_open_runs(self) -> Row:
        """Return the runs that are not closed as what a page is made from."""
        _, names = self.known_runs
        digest = disk.content_digest(json_files.encode(names))
        return {
            "path": locations.RUNS,
            "sha256": digest,
            "rows": len(names),
        }


@cache
def _relative(root: Path, name: str) -> str:
    """Return where an artifact of the workspace is, from its root; hundreds of pages ask."""
    paths = RunPaths.of_workspace(root)
    path = paths.path(name)
    return paths.relative(path)


def _by_run(rows: Rows) -> dict[str, Row]:
    return {row["run"]: row for row in rows}


def family_link(family: str | None) -> str | None:
    """Return the page of a family; None for a run that counts in every family."""
    if family is None:
        return None
    return site_files.family_page(family)


def read(root: Path) -> SiteTables:
    """Return what pages are made from. Raises Missing, Invalid for what is not as recorded."""
    paths = RunPaths.of_workspace(root)
    ledger.check_rows(root)
    return SiteTables(
        root=root,
        policy=rows.load_policy(),
        registry=tables.open_table(root, REGISTRY),
        trials=tables.open_table(root, TRIALS),
        families=tables.open_table(root, FAMILIES),
        ledger=LedgerRows(root),
        queue=tables.read_table(root, QUEUE),
        plan=documents.read_optional(paths, PLAN),
        patterns=tables.open_table(root, PATTERNS),
        handoff=documents.read_optional(paths, HANDOFF),
    )
