"""The artifact table: every file once, with where it lives, its file name and its schema.

An artifact's name is the stem of its schema, its template, its example folder and its golden file. Its suffixes say
in which formats it exists; the first is the one that is meant when none is named.
"""

from dataclasses import dataclass
from enum import Enum

_REGISTRY = "audit/factor_registry/"
_PATTERNS = "audit/failure_patterns/"


class Home(Enum):
    """Where a noun lives."""

    RUN = "run"
    GATE = "gate"
    WORKSPACE = "workspace"
    PROJECT = "project"  # configs: they come with the project, whatever the workspace
    REMOTE = "remote"


@dataclass(frozen=True)
class Artifact:
    """One artifact. `file` is relative to its home and may hold `*` where the workstation chooses a name."""

    name: str
    home: Home
    file: str
    suffixes: tuple[str, ...]
    schema: str | None
    generated: bool
    description: str


def _external(
    name: str, home: Home, file: str, suffixes: tuple[str, ...], words: str, schema: bool = True
) -> Artifact:
    return Artifact(name, home, file, suffixes, name if schema else None, False, words)


def _generated(
    name: str, home: Home, suffixes: tuple[str, ...], words: str, folder: str = "", file: str = ""
) -> Artifact:
    schema = name if {".json", ".jsonl", ".csv"} & set(suffixes) else None
    return Artifact(name, home, folder + (file or name), suffixes, schema, True, words)


def _config(name: str, words: str) -> Artifact:
    return Artifact(name, Home.PROJECT, f"configs/{name}", (".json",), name, True, words)


_ALL = (
    _external(
        "preflight", Home.RUN, "preflight", (".json",), "machine and checkout, before the run"
    ),
    _external("context", Home.RUN, "context", (".json",), "who runs what, and why"),
    _external("run_pid", Home.RUN, "run", (".pid",), "the launcher's process"),
    _external("result", Home.RUN, "result", (".json",), "the exit code; written last"),
    _external(
        "command", Home.RUN, "command", (".sh",), "the command, quoted for bash", schema=False
    ),
    _external("run_log", Home.RUN, "run", (".log",), "what the gate program printed", schema=False),
    _external(
        "data_quality_report",
        Home.RUN,
        "data_quality/*/data_quality_report",
        (".json", ".md"),
        "the data-quality gate's findings",
    ),
    _external(
        "production_gates_report",
        Home.GATE,
        "production_gates_report",
        (".json", ".md"),
        "the gate report",
    ),
    _external(
        "cost_stress_results",
        Home.GATE,
        "cost_stress_results",
        (".csv",),
        "cost stress rows",
        schema=False,
    ),
    _external(
        "walk_forward_summary",
        Home.GATE,
        "walk_forward_stress/*/walk_forward_summary",
        (".csv",),
        "one row per walk-forward window",
        schema=False,
    ),
    _external(
        "statistical_gates_report",
        Home.GATE,
        "statistical/*/statistical_gates_report",
        (".json",),
        "significance over the factors",
    ),
    _external("freeze", Home.REMOTE, "runs/freeze/*.freeze", (".json",), "a frozen configuration"),
    _generated("run_detection", Home.RUN, (".json",), "which run and which report, and why"),
    _generated(
        "evidence_manifest", Home.RUN, (".json",), "every file of the evidence with its digest"
    ),
    _generated(
        "monitor_events", Home.RUN, (".jsonl",), "every change of state that the monitor saw"
    ),
    _generated(
        "notifications", Home.RUN, (".json",), "which events of the run somebody was told of"
    ),
    _generated("production_gates_final_summary", Home.GATE, (".md",), "the decision on one page"),
    _generated(
        "governance_audit_check",
        Home.RUN,
        (".json", ".md"),
        "every check with expected and observed",
    ),
    _generated(
        "governance_remediation_plan",
        Home.RUN,
        (".json", ".md"),
        "what to repair, most severe first",
    ),
    _generated(
        "stage_ledger", Home.WORKSPACE, (".jsonl",), "every decision, hash-chained", folder="audit/"
    ),
    _generated(
        "stage_audit_log",
        Home.WORKSPACE,
        (".md",),
        "the ledger for reading",
        folder="docs/production_research/",
        file="STAGE_AUDIT_LOG",
    ),
    _generated(
        "production_gates_run_review",
        Home.GATE,
        (".json", ".md", ".html"),
        "the page for the committee",
    ),
    _generated(
        "factor_experiment_registry",
        Home.WORKSPACE,
        (".csv",),
        "every closed run with its score",
        folder=_REGISTRY,
    ),
    _generated(
        "factor_experiment_leaderboard",
        Home.WORKSPACE,
        (".md",),
        "the best of them",
        folder=_REGISTRY,
    ),
    _generated(
        "factor_candidate_queue",
        Home.WORKSPACE,
        (".csv", ".md"),
        "what deserves the next run",
        folder=_REGISTRY,
    ),
    _generated(
        "next_run_plan",
        Home.WORKSPACE,
        (".json", ".md"),
        "the commands to run next",
        folder=_REGISTRY,
    ),
    _generated(
        "failure_patterns",
        Home.WORKSPACE,
        (".csv",),
        "every failed check of every run",
        folder=_PATTERNS,
    ),
    _generated(
        "failure_pattern_summary",
        Home.WORKSPACE,
        (".md",),
        "which failures come back",
        folder=_PATTERNS,
    ),
    _generated(
        "handoff_readiness",
        Home.WORKSPACE,
        (".json", ".md"),
        "the page one wants to be handed",
        folder="audit/session_handoff/",
    ),
    _config("workstation", "where the workstation is and how patient to be"),
    _config("workstation.local", "the user's own workstation; not in git"),
    _config("notify.local", "who is told; holds secrets, not in git"),
    _config("governance_checks", "the catalogue of checks with their remedies"),
    _config("gate_hypotheses", "what to try after a gate failed"),
    _config("scoring_policy", "every number of the score"),
    _config("candidate_queue_policy", "who gets into the queue, and in which order"),
    _config("handoff", "what must be there, linked and current at a handoff"),
    _config("launcher_policy", "what a machine and its data must offer before a run"),
)
ARTIFACTS = {artifact.name: artifact for artifact in _ALL}


def generated(*homes: Home) -> tuple[str, ...]:
    """List the files that this project writes into these homes, relative to the home; no evidence has these names."""
    return tuple(
        f"{artifact.file}{suffix}"
        for artifact in _ALL
        if artifact.generated and artifact.home in homes
        for suffix in artifact.suffixes
    )
