"""The table of steps: every step once, in the order of work. Read aloud, it is the procedure."""

from dataclasses import dataclass
from importlib import import_module

from postrun.core.request import StepFunction

_EVIDENCE = (
    "context",
    "result",
    "preflight",
    "command",
    "run_log",
    "data_quality_report",
    "production_gates_report",
    "cost_stress_results",
    "walk_forward_summary",
    "ic_by_date",
    "statistical_gates_report",
    "statistical_gates_table",
)


# What a run is as a trial: its series, and the significance of its factor.
_TRIAL = (
    *("walk_forward_summary", "ic_by_date"),
    *("statistical_gates_report", "statistical_gates_table"),
)


@dataclass(frozen=True)
class Step:
    """One step.

    Its number is that of POST_RUN_OPERATIONS.md; it reads and writes artifacts of the table.
    """

    number: str
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    function: str  # <script>.<name>; its script is imported when it is first needed
    description: str
    needs_run: bool = True  # false: works on the workspace, or looks for the run itself
    reads_prior: tuple[str, ...] = ()  # of other runs, as their closings left it
    # Of `reads`, what it opens of some runs only, whose closing records say so; or only looks for.
    opens_rarely: tuple[str, ...] = ()
    make_values: tuple[str, ...] = ()  # what its target takes besides TAG and where to work
    decides_run: bool = True  # false: a no is about the workspace; the closing's code ignores it

    @property
    def run(self) -> StepFunction:
        """Return the step's function."""
        module, name = self.function.split(".")
        function: StepFunction = getattr(import_module(module), name)
        return function

    @property
    def script(self) -> str:
        """Return the file name of the step's script."""
        script, _ = self.function.split(".")
        return f"{script}.py"


STEPS = (
    Step(
        "1-2",
        "detect-run",
        (),
        ("run_detection",),
        "detect_run.detect",
        "find the run and its gate report on the workstation",
        needs_run=False,
        make_values=("ABANDONED",),
    ),
    Step(
        "3",
        "sync-run",
        ("run_detection",),
        (*_EVIDENCE, "evidence_manifest"),
        "sync_run.fetch",
        "copy both folders and verify every file",
    ),
    Step(
        "4",
        "finalize-gate-run",
        (
            *("run_detection", "evidence_manifest"),
            *("context", "command", "result", "production_gates_report"),
        ),
        ("stage_ledger", "stage_audit_log", "production_gates_final_summary"),
        "finalize_gate_run.finalize",
        "write the decision into the ledger and on one page",
        make_values=("OBJECTIVE",),
    ),
    Step(
        "5",
        "governance-audit",
        (
            *_EVIDENCE,
            "run_detection",
            "evidence_manifest",
            "stage_ledger",
            "stage_audit_log",
            "production_gates_final_summary",
        ),
        ("governance_audit_check",),
        "governance_audit_checker.audit",
        "answer every check of the catalogue",
        # Whether it is there and as it was: an archive says that, too.
        opens_rarely=("run_log",),
    ),
    Step(
        "6",
        "remediation-plan",
        ("governance_audit_check",),
        ("governance_remediation_plan",),
        "governance_remediation_plan.remediate",
        "list what to repair, most severe first",
    ),
    Step(
        "7",
        "run-review",
        (
            *(
                "evidence_manifest",
                "stage_ledger",
                "governance_audit_check",
                "governance_remediation_plan",
            ),
            *("production_gates_report", *_TRIAL, "command", "run_detection"),
            *("context", "preflight", "data_quality_report", "result", "run_log"),
        ),
        ("production_gates_run_review",),
        "generate_run_review.review",
        "write the page for the committee",
        reads_prior=("factor_experiment_registry", "trial_statistics"),
        # Its end, when a run ended badly.
        opens_rarely=("run_log",),
    ),
    Step(
        "8",
        "factor-registry",
        (
            "run_detection",
            "evidence_manifest",
            *("production_gates_report", *_TRIAL),
            "governance_audit_check",
            "governance_remediation_plan",
        ),
        (
            *("factor_experiment_registry", "factor_experiment_leaderboard"),
            *("trial_statistics", "factor_statistics"),
        ),
        "update_factor_experiment_registry.register",
        "score the run and put it into the registry",
        # A table that is gone or changed is made again from every run folder.
        reads_prior=(
            *("run_detection", "evidence_manifest", "production_gates_report"),
            *("governance_audit_check", "governance_remediation_plan", *_TRIAL),
        ),
    ),
    Step(
        "9",
        "candidate-queue",
        ("factor_experiment_registry", "factor_statistics"),
        ("factor_candidate_queue",),
        "generate_candidate_queue.rank",
        "rank what deserves the next run",
        needs_run=False,
    ),
    Step(
        "10",
        "next-run-plan",
        ("factor_candidate_queue", "factor_experiment_registry"),
        ("next_run_plan",),
        "generate_next_run_plan.plan",
        "turn the queue into commands that can be run",
        needs_run=False,
        reads_prior=(
            "evidence_manifest",
            "production_gates_report",
            "context",
            "preflight",
            "data_quality_report",
            "governance_remediation_plan",
        ),
    ),
    Step(
        "11",
        "failure-patterns",
        ("governance_audit_check", "factor_experiment_registry", "stage_ledger"),
        ("failure_patterns", "failure_pattern_summary"),
        "update_failure_pattern_db.tally",
        "record which checks failed, and which came back",
        # An audit of another run is read again when the table lacks what the registry says of it.
        reads_prior=("governance_audit_check",),
    ),
    Step(
        "12",
        "handoff-readiness",
        ("stage_ledger", "stage_audit_log"),
        ("handoff_readiness",),
        "check_session_handoff_readiness.hand_over",
        "check whether the work can be handed over",
        needs_run=False,
        # Whatever is lacking or out of date is an answer of this step, never a reason to skip it.
        reads_prior=(
            *("run_detection", "evidence_manifest", "production_gates_report"),
            *("governance_audit_check", "governance_remediation_plan", *_TRIAL),
            *("factor_experiment_registry", "factor_experiment_leaderboard"),
            *("trial_statistics", "factor_statistics"),
            *("factor_candidate_queue", "next_run_plan"),
            *("failure_patterns", "failure_pattern_summary"),
        ),
        # Another run that is only half closed changes nothing for this one.
        decides_run=False,
    ),
    Step(
        "-",
        "site",
        ("stage_ledger",),
        ("site",),
        "build_site.build",
        "write the pages to start from: audit/site/index.html",
        needs_run=False,
        reads_prior=(
            *("factor_experiment_registry", "trial_statistics", "factor_statistics"),
            *("factor_candidate_queue", "next_run_plan", "failure_patterns"),
            *("handoff_readiness", "production_gates_run_review"),
        ),
        # What is not as it was recorded is an error of its own; pages decide nothing.
        decides_run=False,
    ),
)


def needed_artifacts() -> set[str]:
    """Return the artifacts that a step opens of every run that has them: these must stay."""
    needed: set[str] = set()
    for step in STEPS:
        needed |= {*step.reads, *step.reads_prior} - {*step.opens_rarely}
    return needed
