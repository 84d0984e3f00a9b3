"""The artifact table: every file once, with where it lives, its file name and its schema.

An artifact's name is the stem of its schema, its template, its example folder and its golden
file. Its suffixes say in which formats it exists; the first is meant when none is named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch

_REGISTRY = "audit/factor_registry"
_PATTERNS = "audit/failure_patterns"
_HANDOFF = "audit/session_handoff"
# In the run folder, and in the workspace: what was signed.
APPROVALS = "approvals"
SEALS = "audit/seals"
# The ledgers of the other members of a team, and what this root knows of the team.
LEDGERS = "audit/ledgers"
# Closings of members that do not count, since another one does; each member has a folder there.
ASIDE = "audit/aside"
# Its pages are as many as there are families, and long tables.
SITE = "audit/site"
SIGNED_SUFFIX = ".dsse.json"
# Two files for each archive of a run: what is in it, and the files themselves.
ARCHIVE = "audit/archive"
ARCHIVE_SUFFIX = ".tar.xz"
# What network file systems, desktops and editors leave in any folder, as patterns of file names: it
# is no evidence, and no sign that a run is at work.
LITTER = (
    *(".nfs*", ".fuse_hidden*", ".smbdelete*"),
    *(".DS_Store", "._*", "Thumbs.db", "desktop.ini"),
    *(".*.sw[a-p]", "*~", ".#*", "#*#", ".~lock.*#", ".goutputstream-*"),
)


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


# What the workstation's own programs write: name, file, suffixes, description.
_EXTERNAL = {
    Home.RUN: (
        ("preflight", "preflight", ".json", "machine and checkout before the run"),
        ("context", "context", ".json", "who runs what, and why"),
        ("run_pid", "run", ".pid", "the launcher's process"),
        ("result", "result", ".json", "the exit code; written last"),
        ("command", "command", ".sh", "the command, quoted for bash"),
        ("run_log", "run", ".log", "what the gate program printed"),
        (
            "data_quality_report",
            "data_quality/*/data_quality_report",
            ".json .md",
            "what the data-quality gate found",
        ),
    ),
    Home.GATE: (
        ("production_gates_report", "production_gates_report", ".json .md", "the gate report"),
        ("cost_stress_results", "cost_stress_results", ".csv", "cost stress rows"),
        (
            "walk_forward_summary",
            "walk_forward_stress/*/walk_forward_summary",
            ".csv",
            "one row per walk-forward window",
        ),
        (
            "ic_by_date",
            "walk_forward_stress/*/ic_by_date",
            ".csv",
            "the IC of each test date; optional",
        ),
        (
            "statistical_gates_report",
            "statistical/*/statistical_gates_report",
            ".json",
            "significance over the factors",
        ),
        (
            "statistical_gates_table",
            "statistical/*/statistical_gates_table",
            ".csv",
            "p and q of each factor",
        ),
    ),
    Home.REMOTE: (("freeze", "runs/freeze/*.freeze", ".json", "a frozen configuration"),),
}
# What this project writes, and configurations: file, suffixes, description. The name is the file's.
_GENERATED = {
    Home.RUN: (
        ("closing_record", ".json", "what each file of ours must be, and what it was made from"),
        ("run_detection", ".json", "which run and which report, and why"),
        ("evidence_manifest", ".json", "every file of the evidence with its digest"),
        ("monitor_events", ".jsonl", "every change of state that the monitor saw"),
        ("notifications", ".json", "which events of the run were notified"),
        ("governance_audit_check", ".json .md", "every check with expected and observed"),
        ("governance_remediation_plan", ".json .md", "what to repair, most severe first"),
    ),
    Home.GATE: (
        ("production_gates_final_summary", ".md", "the decision on one page"),
        ("production_gates_run_review", ".json .md .html", "the page for the committee"),
    ),
    Home.WORKSPACE: (
        ("audit/stage_ledger", ".jsonl", "every decision, hash-chained"),
        ("docs/production_research/STAGE_AUDIT_LOG", ".md", "the ledger, readable for people"),
        (f"{_REGISTRY}/factor_experiment_registry", ".csv", "every closed run with its score"),
        (f"{_REGISTRY}/factor_experiment_leaderboard", ".md", "the runs with the best scores"),
        (f"{_REGISTRY}/trial_statistics", ".csv", "for every run, how often luck is as good"),
        (f"{_REGISTRY}/factor_statistics", ".csv", "for every family, its trials and the best"),
        (f"{_REGISTRY}/factor_candidate_queue", ".csv .md", "which runs to try next"),
        (f"{_REGISTRY}/next_run_plan", ".json .md", "the commands to run next"),
        (f"{_PATTERNS}/failure_patterns", ".csv", "every failed check of every run"),
        (f"{_PATTERNS}/failure_pattern_summary", ".md", "which failures come back"),
        ("audit/workspace_record", ".json", "what each table and page must be"),
        (f"{_HANDOFF}/handoff_readiness", ".json .md", "whether the work can be handed over"),
        (f"{SITE}/*", ".html", "the pages to start from: open index.html"),
        (f"{LEDGERS}/team", ".json", "as whom this root is in a team, and what it has pulled"),
        (f"{ARCHIVE}/*", f".json {ARCHIVE_SUFFIX}", "files of closed runs, and what is in each"),
    ),
    Home.PROJECT: (
        ("configs/workstation", ".json", "where the workstation is, and timeouts"),
        ("configs/workstation.local", ".json", "the user's own workstation; not in git"),
        ("configs/notify.local", ".json", "notification addresses (secret); not in git"),
        ("configs/governance_checks", ".json", "the catalogue of checks with their remedies"),
        ("configs/gate_hypotheses", ".json", "what to try after a gate failed"),
        ("configs/scoring_policy", ".json", "every number of the score"),
        ("configs/statistics_policy", ".json", "when a result counts as more than luck"),
        ("configs/candidate_queue_policy", ".json", "which runs enter the queue, in which order"),
        ("configs/handoff", ".json", "what must exist, be linked and be current at a handoff"),
        ("configs/launcher_policy", ".json", "what a machine and its data must offer"),
        ("configs/retention_policy", ".json", "which files of a closed run may be archived"),
    ),
}

# What a person signs, numbered: name, file, description. Its schema is that of the statement in it.
_SIGNED = {
    Home.RUN: ("approval", f"{APPROVALS}/*", "who approved the run, as it was recorded then"),
    Home.WORKSPACE: ("seal", f"{SEALS}/*", "what ledger and closing records were at that time"),
}


# The external table that has a schema: it is optional, and whoever writes it needs to know how.
_TABLE_WITH_SCHEMA = "ic_by_date"


def _all() -> Iterator[Artifact]:
    """Yield every artifact. What a program reads has a schema, but not external CSV and text."""
    for home, rows in _EXTERNAL.items():
        for name, file, suffixes, description in rows:
            has_schema = suffixes.startswith((".json", ".pid")) or name == _TABLE_WITH_SCHEMA
            schema = name if has_schema else None
            yield Artifact(name, home, file, tuple(suffixes.split()), schema, False, description)
    for home, own_rows in _GENERATED.items():
        for file, suffixes, description in own_rows:
            name = file.removesuffix("/*").rpartition("/")[2].lower()
            schema = name if suffixes.startswith((".json", ".csv")) else None
            yield Artifact(name, home, file, tuple(suffixes.split()), schema, True, description)
    for home, (name, file, description) in _SIGNED.items():
        yield Artifact(name, home, file, (SIGNED_SUFFIX,), name, True, description)


ARTIFACTS = {artifact.name: artifact for artifact in _all()}
# What scripts print with --json, and write into no file: the schemas of these have no artifact.
OUTPUTS = ("family_trials", "retention_plan", "workspace_status", "workspace_verification")
# What members of a team push into the root that they share.
SHARED = ("team_push", "team_run")


def generated(*homes: Home) -> tuple[str, ...]:
    """Return the files that this project writes into these homes, relative to the home.

    No evidence has these names.
    """
    files: list[str] = []
    for artifact in ARTIFACTS.values():
        if artifact.generated and artifact.home in homes:
            files += artifact.files
    return tuple(files)


def is_litter(path: str) -> bool:
    """Return whether a file has a name that desktops, editors and network file systems give."""
    name = path.rpartition("/")[2]
    return any(fnmatch(name, pattern) for pattern in LITTER)


def as_expression(patterns: Iterable[str]) -> str:
    """Return patterns of file names as one regular expression for `grep -E`."""
    expression = "|".join(patterns).replace(".", r"\.")
    return expression.replace("*", "[^/]*")
