"""Where every run of a workspace stands: what was decided on it, and what waits for whom.

The ledger says which runs are closed, the registry what was decided on them, and the plan what is
run next. A decision without its audit in the ledger is of a closing that was interrupted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from postrun.core import run_names, terminal
from postrun.core.locations import RunPaths
from postrun.decide import scoring
from postrun.decide.approval import AWAITING
from postrun.store import documents, ledger, make_lines, next_action, run_folders, tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows

REGISTRY, PLAN = "factor_experiment_registry", "next_run_plan"
NOT_CLOSED, INTERRUPTED, CLOSED = "not closed", "closing interrupted", "closed"
OPERATOR = "the operator"
# States in which a monitor ends, and the run has no result that closes it.
_WITHOUT_RESULT = ("dead", "corrupt")
_ENDED = (*_WITHOUT_RESULT, "complete")
# The columns of the registry that say what was decided; null for a run that has no row.
_DECIDED = (
    *("factor", "family", "owner", "gate_folder", "audit_passed", "high_items"),
    *("decision", "approval", "verdict"),
)


@dataclass(frozen=True)
class Workspace:
    """What is known of all runs, by run folder."""

    root: Path
    folders: frozenset[str]
    decisions: Mapping[str, Row]
    audited: frozenset[str]
    registry: Mapping[str, Row]
    commands: Mapping[str, Row]  # of the plan, by the run that each repeats
    latest: Mapping[str | None, str]  # by factor, its latest closed run

    @property
    def runs(self) -> list[str]:
        """Return all runs, oldest first."""
        return sorted(self.folders | self.decisions.keys() | self.registry.keys())

    @property
    def open_runs(self) -> list[str]:
        """Return the runs that are not closed to the end, oldest first."""
        return self.not_closed(self.runs)

    def not_closed(self, runs: Iterable[str]) -> list[str]:
        """Return those of some runs that are not closed to the end."""
        return [run for run in runs if self.state(run) != CLOSED]

    def state(self, run: str) -> str:
        """Return how far the closing of a run has come."""
        decision = self.decisions.get(run)
        if decision is None and run not in self.registry:
            return NOT_CLOSED
        # Rows of the ledger's first version came without the answer of an audit.
        is_early = decision is None or decision["schema_version"] == 1
        if run in self.audited or is_early:
            return CLOSED
        return INTERRUPTED

    def superseded_by(self, run: str) -> str | None:
        """Return the latest closed run of the same factor; None for the latest one itself."""
        factor = self.registry.get(run, {}).get("factor")
        latest = self.latest.get(factor or "")
        if latest == run:
            return None
        return latest


def read(root: Path) -> Workspace:
    """Return what is known of all runs. Raises Missing, Invalid."""
    plan = documents.read_optional(RunPaths.of_workspace(root), PLAN)
    registry = tables.open_table(root, REGISTRY)
    folders = filter(run_names.parse_run_name, run_folders.list_folders(root))
    audited = ledger.audited_runs(root)
    registered = {}
    for row in registry.select():
        registered[row["run"]] = row
    return Workspace(
        root=root,
        folders=frozenset(folders),
        decisions=ledger.decisions(root),
        audited=frozenset(audited),
        registry=registered,
        commands=planned_commands(plan),
        latest=latest_runs(registry),
    )


def planned_commands(plan: Row | None) -> dict[str, Row]:
    """Return the commands of a plan, by the run that each repeats."""
    if plan is None:
        return {}
    commands = {}
    for command in plan["commands"]:
        commands[command["source_run"]] = command
    return commands


def latest_runs(registry: IndexedTable) -> dict[str | None, str]:
    """Return the latest closed run of each factor, and of those without one. Raises Invalid."""
    query = f"SELECT factor, max(run) FROM {REGISTRY} GROUP BY factor"
    return dict(registry.ask(query))


def describe(
    workspace: Workspace,
    run: str,
    monitored: str | None = None,
) -> Row:
    """Return where a run stands. `monitored` is the state in which a monitor saw it last."""
    decision = workspace.decisions.get(run, {})
    registered = workspace.registry.get(run, {})
    name = run_names.parse_run_name(run)
    tag = decision.get("decision_tag") or registered.get("decision_tag")
    row = {
        "run": run,
        "decision_tag": tag or (name.tag if name else run),
        "started": name.stamp if name else None,
        "state": workspace.state(run),
        "monitored": monitored,
        "result": decision.get("result"),
        **{column: registered.get(column) for column in _DECIDED},
        "superseded_by": workspace.superseded_by(run),
    }
    is_abandoned = bool(decision) and next_action.is_abandoned(decision)
    waits_for, who, command = _next(row, is_abandoned, workspace.commands.get(run))
    return {
        **row,
        "waits_for": waits_for,
        "who": who,
        "command": command,
    }


# `found_runs.find_waiting` asks the same in SQL.
def _next(
    row: Row,
    is_abandoned: bool,
    planned: Row | None,
) -> tuple[str | None, str | None, str | None]:
    """Return what a run waits for, who does that, and the line to type; None where nothing does."""
    if row["state"] != CLOSED:
        return _next_of_open(row)
    if row["decision"] == AWAITING:
        return f"an approval ({row['approval']})", "an approver", _make("approve", row)
    # What is tried next follows from the latest run of each factor alone.
    if row["superseded_by"]:
        return None, None, None
    if row["audit_passed"] is False:
        items = terminal.counted(row["high_items"], "High item")
        owner = row["owner"] or "its owner"
        # Nothing can be repaired in the record of a run that left none.
        if is_abandoned:
            return f"a new run: {next_action.START_AGAIN}", owner, None
        return f"repairs: the audit failed ({items})", owner, _make("finalize", row)
    blockers = (planned or {}).get("blocked_by")
    if blockers:
        more = ""
        if len(blockers) > 1:
            more = f", and {len(blockers) - 1} more"
        return f"its next run, which is blocked: {blockers[0]}{more}", OPERATOR, None
    if planned is not None:
        rank = planned["rank"]
        action = planned["action"].replace("_", " ")
        what = f"its next run ({action}), rank {rank} of the plan"
        return what, OPERATOR, f"make next-run RANK={rank}"
    if row["decision"] == scoring.PROMOTE:
        return "the decision of the committee", "the committee", None
    return None, None, None


def _next_of_open(row: Row) -> tuple[str, str, str]:
    """Return the same for a run that is not closed to the end."""
    monitored = row["monitored"]
    finalize = _make("finalize", row)
    if row["state"] == INTERRUPTED:
        return "the end of its closing", OPERATOR, finalize
    if monitored in _WITHOUT_RESULT:
        what = f"somebody who gives it up, or mends it: it is {monitored}"
        return what, OPERATOR, f'{finalize} ABANDONED="<reason>"'
    if monitored is not None and monitored not in _ENDED:
        return f"its end: it is {monitored}", "the workstation", _make("monitor-then-finalize", row)
    return "its closing", OPERATOR, finalize


def _make(target: str, row: Row) -> str:
    """Return a line of make about a run."""
    tag = make_lines.value("TAG", row["decision_tag"])
    return f"make {target} {tag}"


def count(rows: Rows) -> Row:
    """Return how many runs there are, how many of them are open, and how many wait for whom."""
    waiting: dict[str, int] = {}
    for row in rows:
        if row["who"]:
            waiting[row["who"]] = waiting.get(row["who"], 0) + 1
    is_open = [row["state"] != CLOSED for row in rows]
    return {
        "runs": len(rows),
        "open": sum(is_open),
        "waiting": dict(sorted(waiting.items())),
    }
