"""The tables and pages of a workspace, made again after closings of other members came."""

from importlib import import_module

from postrun.core import step_notes, terminal
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import ledger_view, records

# Each step's name, and what makes its files from all run folders.
_REBUILDS = (
    ("factor-registry", "update_factor_experiment_registry", "rebuild"),
    ("candidate-queue", "generate_candidate_queue", "rank_as_before"),
    ("next-run-plan", "generate_next_run_plan", "plan"),
    ("failure-patterns", "update_failure_pattern_db", "rebuild"),
    ("handoff-readiness", "check_session_handoff_readiness", "hand_over"),
    ("site", "build_site", "build"),
)


def make_again(request: RunRequest) -> int:
    """Write the view, the tables and the pages again; return the worst exit code.

    After an error what does not need its step goes on, as in a closing. Raises Missing, Invalid.
    """
    code = 0
    ledger_view.publish(request.root)
    workspace = RunPaths.of_workspace(request.root)
    for step, script, function in _REBUILDS:
        try:
            with step_notes.performing(step):
                getattr(import_module(script), function)(request, workspace)
        except PostRunError as error:
            terminal.error(f"{step}: {error}")
            code = max(code, error.exit_code)
    if not code:
        records.settle_workspace(request.root)
    return code
