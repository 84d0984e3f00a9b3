"""What the site is made from, read once: tables, ledger, plan and handoff, each as recorded."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from postrun.core import disk, locations
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.overview import standings
from postrun.overview.standings import Workspace
from postrun.registry import leaderboard, rows
from postrun.registry.registry_tables import Decided
from postrun.registry.rows import Policy
from postrun.registry.trials import FAMILIES, TRIALS
from postrun.store import documents, json_files, ledger, next_action, site_files, tables
from postrun.store.tables import Row, Rows

REVIEW = "production_gates_run_review"
QUEUE, PATTERNS = "factor_candidate_queue", "failure_patterns"
PLAN, HANDOFF, LEDGER = "next_run_plan", "handoff_readiness", "stage_ledger"
# A seal says nothing about a run, and must not make the pages out of date.
_UNSHOWN_KINDS = (ledger.SEAL,)


@dataclass(frozen=True)
class SiteTables:
    """Everything that pages show."""

    root: Path
    workspace: Workspace
    policy: Policy
    trials: Mapping[str, Row]
    families: Rows
    ledger_rows: Rows
    queue: Rows
    plan: Json | None
    patterns: Rows
    handoff: Json | None
    reviews: dict[str, str | None] = field(default_factory=dict)  # by run, once looked for

    @cached_property
    def runs(self) -> dict[str, Row]:
        """Return every closed run as pages show it, oldest first."""
        described = {}
        for row in self.leaderboard["rows"]:
            described[row["run"]] = row
        return {run: described[run] for run in sorted(described)}

    @cached_property
    def leaderboard(self) -> Row:
        """Return all runs by score, and the families; of two with one score the earlier first."""
        registry = self.workspace.registry
        ordered = {run: registry[run] for run in sorted(registry)}
        best = sorted(ordered.values(), key=lambda row: row["total"], reverse=True)
        decided = Decided(
            ordered,
            dict(self.trials),
            self.families,
        )
        abandoned = next_action.abandoned_runs(self.workspace.decisions)
        described = leaderboard.describe(
            best,
            decided,
            self.policy,
            abandoned,
        )
        for row in described["rows"]:
            row["review"] = self.review(row["run"])
            row["family_page"] = family_link(row["family"])
            later = self.workspace.superseded_by(row["run"])
            row["superseded_by"] = later
            row["superseded_tag"] = registry.get(later or "", {}).get("decision_tag")
        for row in described["families"]:
            row["page"] = family_link(row["family"])
        return described

    def review(self, run: str) -> str | None:
        """Return the link to a run's review; None when there is none."""
        if run not in self.reviews:
            self.reviews[run] = self._find_review(run)
        return self.reviews[run]

    def _find_review(self, run: str) -> str | None:
        registered = self.workspace.registry.get(run, {})
        gate = registered.get("gate_folder")
        # In text: for thousands of runs, paths take longer than the question whether one is there.
        folder = f"{locations.RUNS}/{run}"
        if gate is not None:
            folder = f"{locations.GATES}/{gate}"
        name = f"{folder}/{REVIEW}.html"
        if not os.path.lexists(f"{self.root}/{name}"):
            return None
        return f"../../{quote(name)}"

    def input_of(self, name: str, shown: Row) -> Row:
        """Return what a page shows as what it is made from: of an artifact, as far as it is used.

        `rows` is a number, since the digest is not that of the artifact's file.
        """
        paths = RunPaths.of_workspace(self.root)
        content = json_files.encode(shown, indent=None)
        return {
            "path": paths.relative(paths.path(name)),
            "sha256": disk.content_digest(content),
            "rows": len(shown.get("rows", ())),
        }

    def input_of_open_runs(self) -> Row:
        """Return the runs that are not closed as what a page is made from."""
        names = self.workspace.open_runs
        digest = disk.content_digest(json_files.encode(names))
        return {
            "path": locations.RUNS,
            "sha256": digest,
            "rows": len(names),
        }


def family_link(family: str | None) -> str | None:
    """Return the page of a family; None for a run that counts in every family."""
    if family is None:
        return None
    return site_files.family_page(family)


def read(root: Path) -> SiteTables:
    """Return what pages are made from. Raises Missing, Invalid for what is not as recorded."""
    paths = RunPaths.of_workspace(root)
    workspace = standings.read(root)
    trial_rows = {}
    for row in tables.read_table(root, TRIALS):
        trial_rows[row["run"]] = row
    # A registry of an earlier release has no statistics beside it.
    for run in workspace.registry:
        trial_rows.setdefault(run, dict.fromkeys(json_files.columns(TRIALS)))
    ledger_rows = []
    for row in ledger.read_rows(root):
        if ledger.kind(row) not in _UNSHOWN_KINDS:
            ledger_rows.append(row)
    return SiteTables(
        root=root,
        workspace=workspace,
        policy=rows.load_policy(),
        trials=trial_rows,
        families=tables.read_table(root, FAMILIES),
        ledger_rows=ledger_rows,
        queue=tables.read_table(root, QUEUE),
        plan=documents.read_optional(paths, PLAN),
        patterns=tables.read_table(root, PATTERNS),
        handoff=documents.read_optional(paths, HANDOFF),
    )
