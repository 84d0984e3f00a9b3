"""One run folder with its gate folder as they are on disk, and what the ledger says of the run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from postrun.core import locations
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import archives, json_files
from postrun.verify import files

DECISION, AUDIT, SETTLEMENT = "decision", "audit", "settlement"
RETENTION = "retention"
MANIFEST, RECORD, DETECTION = "evidence_manifest", "closing_record", "run_detection"
# Written by the decision or later: what has one of these was closed, or its closing has begun.
_AFTER_DECISION = (
    "production_gates_final_summary",
    "governance_audit_check",
    "governance_remediation_plan",
    "production_gates_run_review",
)


def kind(row: Json) -> str:
    """Return what a row of the ledger records. Rows of schema version 1 are decisions."""
    return str(row.get("kind", DECISION))


@dataclass(frozen=True)
class ClosedRun:
    """One run. `rows` and `lines` are the ledger's about it, oldest first, parsed and verbatim."""

    run_paths: RunPaths
    documents: dict[str, Json]  # by artifact; one that cannot be read is missing here
    present: frozenset[str]  # everything in both folders but folders, by path from the root
    unreadable: dict[str, str]  # folder -> why it cannot be listed
    rows: tuple[Json, ...]
    lines: tuple[str, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """Return both folders, relative to the root."""
        run_folder = f"{locations.RUNS}/{self.run_paths.run}"
        if self.run_paths.gate is None:
            return (run_folder,)
        return run_folder, f"{locations.GATES}/{self.run_paths.gate}"

    @property
    def manifest(self) -> Json | None:
        """Return the evidence manifest; None when there is none that can be read."""
        return self.documents.get(MANIFEST)

    @property
    def record(self) -> Json | None:
        """Return the closing record; None when there is none that can be read."""
        return self.documents.get(RECORD)

    @cached_property
    def archived(self) -> dict[str, Json]:
        """Return the files that are not in their places but in an archive, by path.

        Nothing of an archive that is not the one of the ledger: that is a finding itself.
        """
        try:
            archived = archives.find(self.run_paths)
        except PostRunError:
            return {}
        files = archived.files if archived else {}
        return {path: file for path, file in files.items() if path not in self.present}

    @cached_property
    def decision(self) -> Json | None:
        """Return the decision that holds."""
        return self._newest(DECISION)

    @cached_property
    def audit(self) -> Json | None:
        """Return the newest audit row of the decision that holds."""
        row = self._newest(AUDIT)
        decision = self.decision
        if row is None or decision is None or row["number"] < decision["number"]:
            return None
        return row

    def _newest(self, of_kind: str) -> Json | None:
        for row in reversed(self.rows):
            if kind(row) == of_kind:
                return row
        return None

    @property
    def is_closed(self) -> bool:
        """Return whether the run was closed, as far as ledger or folders say."""
        if self.decision is not None or (self.record or {}).get("ledger_rows"):
            return True
        paths = [self.run_paths.path(name) for name in _AFTER_DECISION]
        return any(self.run_paths.relative(path) in self.present for path in paths)

    @property
    def tag(self) -> str:
        """Return the tag as the ledger has it, else as the folder's name has it."""
        if self.decision is not None:
            return str(self.decision["decision_tag"])
        return self.run_paths.name.tag

    def path(self, artifact: str) -> str:
        """Return the path of an artifact from the root."""
        path = self.run_paths.path(artifact)
        return self.run_paths.relative(path)

    def close_again(self) -> str:
        """Return the hint that closes the run again."""
        return f"close the run again: make finalize TAG='{self.tag}'"


def look(root: Path, run: str, lines: tuple[str, ...]) -> ClosedRun:
    """Return a run as it is; `lines` are the ledger's about it."""
    documents: dict[str, Json] = {}
    for artifact in (RECORD, MANIFEST, DETECTION):
        path = RunPaths(root, run, None).path(artifact)
        document = read_document(path, artifact)
        if document:
            documents[artifact] = document
    gate = None
    # The manifest is written last, so it goes before the detection.
    for artifact in (MANIFEST, RECORD, DETECTION):
        if artifact in documents:
            gate = documents[artifact]["gate_folder"]
            break
    unreadable: dict[str, str] = {}
    run_paths = RunPaths(root, run, gate)
    present = list(files.walk(root, f"{locations.RUNS}/{run}", unreadable))
    if gate is not None:
        present += files.walk(root, f"{locations.GATES}/{gate}", unreadable)
    rows = tuple(json_files.try_parse(line, "a row").members for line in lines)
    return ClosedRun(run_paths, documents, frozenset(present), unreadable, rows, lines)


def read_document(path: Path, schema: str) -> Any:
    """Return a JSON document that fits its schema; None for anything else."""
    try:
        content = files.read(path)
    except files.Unreadable:
        return None
    return json_files.try_parse(content, path, schema).value
