"""The nouns: every artifact once, with its home, its file and its schema. Paths are never spelled anywhere else.

A noun's name is its stem in every room: schema, template, example folder, golden file. Its suffixes say in which
forms it exists; the first is the one that is meant when none is named.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from postrun import clock
from postrun.errors import Usage

PROJECT = Path(__file__).resolve().parents[2]
RUNS = "audit/workstation_runs"
GATES = "gate_results"
LOCKS = "audit/.locks"
SUPERSEDED = "superseded_evidence"  # in the run folder: what was there before changed evidence was accepted
WORKFLOW = "production_gates"

TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STAMP = r"\d{4}-\d{2}-\d{2}_\d{6}"
_RUN = re.compile(rf"(?P<stamp>{_STAMP})_{WORKFLOW}_(?P<tag>.+)")
_GATE = re.compile(rf"{WORKFLOW}_(?P<stamp>{_STAMP})")
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
class Noun:
    """One artifact. `file` is relative to its home and may hold `*` where the workstation chooses a name."""

    name: str
    home: Home
    file: str
    suffixes: tuple[str, ...]
    schema: str | None
    ours: bool
    words: str


def _theirs(name: str, home: Home, file: str, suffixes: tuple[str, ...], words: str, schema: bool = True) -> Noun:
    return Noun(name, home, file, suffixes, name if schema else None, False, words)


def _ours(name: str, home: Home, suffixes: tuple[str, ...], words: str, folder: str = "", file: str = "") -> Noun:
    schema = name if {".json", ".jsonl", ".csv"} & set(suffixes) else None
    return Noun(name, home, folder + (file or name), suffixes, schema, True, words)


def _config(name: str, words: str) -> Noun:
    return Noun(name, Home.PROJECT, f"configs/{name}", (".json",), name, True, words)


_ALL = (
    _theirs("preflight", Home.RUN, "preflight", (".json",), "machine and checkout, before the run"),
    _theirs("context", Home.RUN, "context", (".json",), "who runs what, and why"),
    _theirs("run_pid", Home.RUN, "run", (".pid",), "the launcher's process"),
    _theirs("result", Home.RUN, "result", (".json",), "the exit code; written last"),
    _theirs("command", Home.RUN, "command", (".sh",), "the command, quoted for bash", schema=False),
    _theirs("run_log", Home.RUN, "run", (".log",), "what the gate program printed", schema=False),
    _theirs(
        "data_quality_report",
        Home.RUN,
        "data_quality/*/data_quality_report",
        (".json", ".md"),
        "the data-quality gate's findings",
    ),
    _theirs("production_gates_report", Home.GATE, "production_gates_report", (".json", ".md"), "the gate report"),
    _theirs("cost_stress_results", Home.GATE, "cost_stress_results", (".csv",), "cost stress rows", schema=False),
    _theirs(
        "walk_forward_summary",
        Home.GATE,
        "walk_forward_stress/*/walk_forward_summary",
        (".csv",),
        "one row per walk-forward window",
        schema=False,
    ),
    _theirs(
        "statistical_gates_report",
        Home.GATE,
        "statistical/*/statistical_gates_report",
        (".json",),
        "significance over the factors",
    ),
    _theirs("freeze", Home.REMOTE, "runs/freeze/*.freeze", (".json",), "a frozen configuration"),
    _ours("run_detection", Home.RUN, (".json",), "which run and which report, and why"),
    _ours("evidence_manifest", Home.RUN, (".json",), "every file of the evidence with its digest"),
    _ours("monitor_events", Home.RUN, (".jsonl",), "every change of state that the monitor saw"),
    _ours("notifications", Home.RUN, (".json",), "which events of the run somebody was told of"),
    _ours("production_gates_final_summary", Home.GATE, (".md",), "the decision on one page"),
    _ours("governance_audit_check", Home.RUN, (".json", ".md"), "every check with expected and observed"),
    _ours("governance_remediation_plan", Home.RUN, (".json", ".md"), "what to repair, most severe first"),
    _ours("stage_ledger", Home.WORKSPACE, (".jsonl",), "every decision, hash-chained", folder="audit/"),
    _ours(
        "stage_audit_log",
        Home.WORKSPACE,
        (".md",),
        "the ledger for reading",
        folder="docs/production_research/",
        file="STAGE_AUDIT_LOG",
    ),
    _ours("production_gates_run_review", Home.GATE, (".json", ".md", ".html"), "the page for the committee"),
    _ours("factor_experiment_registry", Home.WORKSPACE, (".csv",), "every closed run with its score", folder=_REGISTRY),
    _ours("factor_experiment_leaderboard", Home.WORKSPACE, (".md",), "the best of them", folder=_REGISTRY),
    _ours("factor_candidate_queue", Home.WORKSPACE, (".csv", ".md"), "what deserves the next run", folder=_REGISTRY),
    _ours("next_run_plan", Home.WORKSPACE, (".json", ".md"), "the commands to run next", folder=_REGISTRY),
    _ours("failure_patterns", Home.WORKSPACE, (".csv",), "every failed check of every run", folder=_PATTERNS),
    _ours("failure_pattern_summary", Home.WORKSPACE, (".md",), "which failures come back", folder=_PATTERNS),
    _ours(
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
NOUNS = {noun.name: noun for noun in _ALL}


@dataclass(frozen=True)
class RunName:
    """The three parts of a run folder's name `<stamp>_<workflow>_<tag>`; the stamp is the workstation's local time."""

    folder: str
    stamp: str
    tag: str

    @property
    def started(self) -> datetime:
        """Give the moment in the name, without a zone."""
        return clock.from_stamp(self.stamp)


def run_name(folder: str) -> RunName | None:
    """Take a run folder's name apart; None when it is not one."""
    found = _RUN.fullmatch(folder)
    if not found or not _is_moment(found["stamp"]):
        return None
    return RunName(folder, found["stamp"], found["tag"])


def gate_started(folder: str) -> datetime | None:
    """Read the moment (workstation's local time, no zone) out of a gate folder's name; None when it is not one."""
    found = _GATE.fullmatch(folder)
    return clock.from_stamp(found["stamp"]) if found and _is_moment(found["stamp"]) else None


def _is_moment(text: str) -> bool:
    try:
        return 1970 <= clock.from_stamp(text).year < 9999  # a day before or after is a time, too
    except ValueError:
        return False


def check_tag(tag: str) -> str:
    """Let a decision tag through, or refuse it before it reaches a shell or a path. Raises Usage."""
    if not TAG.fullmatch(tag):
        raise Usage("decision tag", f"a full match of {TAG.pattern}", repr(tag))
    return tag


@dataclass(frozen=True)
class Place:
    """One run in one workspace. `gate` is None for a run that ended without a gate report."""

    root: Path
    run: str
    gate: str | None

    def folder(self, home: Home) -> Path:
        """Give the folder of a home. What belongs into a gate folder that is not there goes to the run folder."""
        if home is Home.RUN or (home is Home.GATE and self.gate is None):
            return self.root / RUNS / self.run
        if home is Home.GATE:
            return self.root / GATES / str(self.gate)
        return PROJECT if home is Home.PROJECT else self.root

    def path(self, name: str, suffix: str = "") -> Path:
        """Give the path of a noun that has one file name of its own."""
        noun = NOUNS[name]
        return self.folder(noun.home) / f"{noun.file}{suffix or noun.suffixes[0]}"

    def relative(self, path: Path) -> str:
        """Write a path the way artifacts have it: from the workspace root, POSIX."""
        return path.relative_to(self.root).as_posix()


def workspace(root: Path, name: str, suffix: str = "") -> Path:
    """Give the path of a noun that belongs to no single run (workspace or project)."""
    return Place(root, "", None).path(name, suffix)


def ours(*homes: Home) -> tuple[str, ...]:
    """List the files that this project writes into these homes, relative to the home; no evidence has these names."""
    return tuple(
        f"{noun.file}{suffix}" for noun in _ALL if noun.ours and noun.home in homes for suffix in noun.suffixes
    )
