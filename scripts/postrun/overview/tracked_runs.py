"""What an experiment tracker gets of a closed run: tags, metrics and pages.

Everything is read as a step reads it: a file that is not as it was recorded is refused.
"""

from datetime import datetime
from pathlib import Path

from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import checked_files, documents, json_files, ledger, records
from postrun.store.mlflow_client import KEY, TrackedRun
from postrun.store.tables import Row
from postrun.store.verdict import Verdict

REGISTRY = "factor_experiment_registry"
# The pages that are sent, each with its format.
PAGES = {
    "production_gates_final_summary": ".md",
    "production_gates_run_review": ".html",
}
# The ICs of every window: thousands of characters, and on the review's chart.
_LEFT_OUT = ("run", "series", "series_by_month")
_NO_METRICS = ("policy_version",)
_DIGESTS = ("audit_sha256", "closing_record_sha256")


def describe(root: Path, row: Row) -> TrackedRun:
    """Return what is sent of a run, by its row of the registry. Raises Missing, Invalid."""
    run = row["run"]
    run_paths = RunPaths(root, run, row["gate_folder"])
    audit = documents.read(run_paths, "governance_audit_check", records.CLOSE)
    decision = ledger.decision(root, run)
    audit_row = ledger.audit(root, run)
    if decision is None or audit_row is None:
        expected = "a decision and its audit in the ledger"
        raise Missing(f"run {run}", expected, "none", records.CLOSE)
    pages = {}
    for artifact, suffix in PAGES.items():
        path = run_paths.path(artifact, suffix)
        pages[path.name] = checked_files.read(run_paths, path, artifact, records.CLOSE)
    tags, metrics = _split(row)
    tags |= _tags_of_ledger(decision, audit_row)
    verdict = Verdict(decision["result"], None, audit["passed"])
    tags["mlflow.note.content"] = f"{verdict}; {row['decision']}"
    if row["owner"] is not None:
        tags["mlflow.user"] = row["owner"]
    recorded = datetime.fromisoformat(decision["recorded_at"])
    return TrackedRun(
        run,
        row["decision_tag"],
        int(recorded.timestamp() * 1000),
        tags,
        metrics,
        pages,
    )


def _split(row: Row) -> tuple[dict[str, str], dict[str, float]]:
    """Return a row of the registry as tags, and its numbers as metrics. What is null is neither."""
    tags = {KEY: row["run"]}
    metrics = {}
    for name, member in json_files.members(REGISTRY).items():
        value = row[name]
        if value is None or name in _LEFT_OUT:
            continue
        if member.kind in ("number", "integer") and name not in _NO_METRICS:
            metrics[name] = float(value)
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        tags[f"postrun.{name}"] = str(value)
    return tags, metrics


def _tags_of_ledger(decision: Json, audit_row: Json) -> dict[str, str]:
    """Return what proves which record the numbers are from."""
    tags = {
        "postrun.result": decision["result"],
        "postrun.ledger_row": str(decision["number"]),
    }
    # Decisions of the first release lack some.
    values = {name: audit_row.get(name) for name in _DIGESTS}
    values["evidence_sha256"] = decision.get("evidence_sha256")
    for name, digest in values.items():
        if digest is not None:
            tags[f"postrun.{name}"] = digest
    return tags
