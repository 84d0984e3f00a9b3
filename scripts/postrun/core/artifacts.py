"""The artifact table: every file once, with where it lives, its file name and its schema.

An artifact's name is the stem of its schema, its template, its example folder and its golden
file. Its suffixes say in which formats it exists; the first is meant when none is named.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

_REGISTRY = "audit/factor_registry"
_PATTERNS = "audit/failure_patterns"
_HANDOFF = "audit/session_handoff"


class Home(Enum):
    """Where an artifact lives."""

    RUN = "run"
    GATE = "gate"
    WORKSPACE = "workspace"
    PROJECT = "project"  # configs: they come with the project, whatever the workspace
    REMOTE = "remote"


@dataclass(frozen=True)
class Artifact:
    """One artifact. `file` has no suffix; `*` stands where the workstation chooses a name."""

    name: str
    home: Home
    file: str
    suffixes: tuple[str, ...]
    schema: str | None
    generated: bool
    description: str

    @property
    def files(self) -> tuple[str, ...]:
        """Return the file names, one a format, relative to the home."""
        return tuple(f"{self.file}{suffix}" for suffix in self.suffixes)


def _external(name: str, home: Home, file: str, suffixes: str, description: str) -> Artifact:
    """Return a file that the workstation writes; what is JSON has a schema."""
    formats = tuple(suffixes.split())
    schema = name if {".json", ".pid"} & set(formats) else None
    return Artifact(name, home, file, formats, schema, False, description)


def _generated(home: Home, file: str, suffixes: str, description: str) -> Artifact:
    """Return a file that this project writes; what a program reads back has a schema."""
    name = PurePosixPath(file).name.lower()
    formats = tuple(suffixes.split())
    schema = name if {".json", ".jsonl", ".csv"} & set(formats) else None
    return Artifact(name, home, file, formats, schema, True, description)


def _of_run(name: str, suffixes: str, description: str) -> Artifact:
    return _generated(Home.RUN, name, suffixes, description)


def _of_gate(name: str, suffixes: str, description: str) -> Artifact:
    return _generated(Home.GATE, name, suffixes, description)


def _of_workspace(file: str, suffixes: str, description: str) -> Artifact:
    return _generated(Home.WORKSPACE, file, suffixes, description)


def _config(name: str, description: str) -> Artifact:
    return _generated(Home.PROJECT, f"configs/{name}", ".json", description)


_ALL = (
    # What the launcher, the data-quality gate and the gate program leave on the workstation.
    _external("preflight", Home.RUN, "preflight", ".json", "machine and checkout before the run"),
    _external("context", Home.RUN, "context", ".json", "who runs what, and why"),
    _external("run_pid", Home.RUN, "run", ".pid", "the launcher's process"),
    _external("result", Home.RUN, "result", ".json", "the exit code; written last"),
    _external("command", Home.RUN, "command", ".sh", "the command, quoted for bash"),
    _external("run_log", Home.RUN, "run", ".log", "what the gate program printed"),
    _external(
        "data_quality_report",
        Home.RUN,
        "data_quality/*/data_quality_report",
        ".json .md",
        "what the data-quality gate found",
    ),
    _external(
        "production_gates_report",
        Home.GATE,
        "production_gates_report",
        ".json .md",
        "the gate report",
    ),
    _external("cost_stress_results", Home.GATE, "cost_stress_results", ".csv", "cost stress rows"),
    _external(
        "walk_forward_summary",
        Home.GATE,
        "walk_forward_stress/*/walk_forward_summary",
        ".csv",
        "one row per walk-forward window",
    ),
    _external(
        "statistical_gates_report",
        Home.GATE,
        "statistical/*/statistical_gates_report",
        ".json",
        "significance over the factors",
    ),
    _external("freeze", Home.REMOTE, "runs/freeze/*.freeze", ".json", "a frozen configuration"),
    # What this project writes about one run.
    _of_run("run_detection", ".json", "which run and which report, and why"),
    _of_run("evidence_manifest", ".json", "every file of the evidence with its digest"),
    _of_run("monitor_events", ".jsonl", "every change of state that the monitor saw"),
    _of_run("notifications", ".json", "which events of the run were notified"),
    _of_gate("production_gates_final_summary", ".md", "the decision on one page"),
    _of_run("governance_audit_check", ".json .md", "every check with expected and observed"),
    _of_run("governance_remediation_plan", ".json .md", "what to repair, most severe first"),
    # The ledger, and its view in the place that the user chose.
    _of_workspace("audit/stage_ledger", ".jsonl", "every decision, hash-chained"),
    _of_workspace(
        "docs/production_research/STAGE_AUDIT_LOG", ".md", "the ledger, readable for people"
    ),
    _of_gate("production_gates_run_review", ".json .md .html", "the page for the committee"),
    # What it writes about all runs together.
    _of_workspace(
        f"{_REGISTRY}/factor_experiment_registry", ".csv", "every closed run with its score"
    ),
    _of_workspace(
        f"{_REGISTRY}/factor_experiment_leaderboard", ".md", "the runs with the best scores"
    ),
    _of_workspace(f"{_REGISTRY}/factor_candidate_queue", ".csv .md", "which runs to try next"),
    _of_workspace(f"{_REGISTRY}/next_run_plan", ".json .md", "the commands to run next"),
    _of_workspace(f"{_PATTERNS}/failure_patterns", ".csv", "every failed check of every run"),
    _of_workspace(f"{_PATTERNS}/failure_pattern_summary", ".md", "which failures come back"),
    _of_workspace(
        f"{_HANDOFF}/handoff_readiness", ".json .md", "whether the work can be handed over"
    ),
    # What a person may change.
    _config("workstation", "where the workstation is, and timeouts"),
    _config("workstation.local", "the user's own workstation; not in git"),
    _config("notify.local", "notification addresses (secret); not in git"),
    _config("governance_checks", "the catalogue of checks with their remedies"),
    _config("gate_hypotheses", "what to try after a gate failed"),
    _config("scoring_policy", "every number of the score"),
    _config("candidate_queue_policy", "which runs enter the queue, and in which order"),
    _config("handoff", "what must exist, be linked and be current at a handoff"),
    _config("launcher_policy", "what a machine and its data must offer before a run"),
)
ARTIFACTS = {artifact.name: artifact for artifact in _ALL}


def generated(*homes: Home) -> tuple[str, ...]:
    """Return the files that this project writes into these homes, relative to the home.

    No evidence has these names.
    """
    files: list[str] = []
    for artifact in _ALL:
        if artifact.generated and artifact.home in homes:
            files += artifact.files
    return tuple(files)
