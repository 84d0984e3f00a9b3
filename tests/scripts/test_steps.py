"""The table of verbs: in the user's order, each row tied to a script of its own, covering what a
closing makes.
"""

import importlib
import re
from typing import Any

import pytest

from harness.made_steps import named
from postrun.core.artifacts import ARTIFACTS
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.request import RunRequest, StepResult
from steps import STEPS, Step

ORDER = {
    "1-2": "detect_run",
    "3": "sync_run",
    "4": "finalize_gate_run",
    "5": "governance_audit_checker",
    "6": "governance_remediation_plan",
    "7": "generate_run_review",
    "8": "update_factor_experiment_registry",
    "9": "generate_candidate_queue",
    "10": "generate_next_run_plan",
    "11": "update_failure_pattern_db",
    "12": "check_session_handoff_readiness",
    "-": "build_site",
}


def test_the_steps_stand_in_the_order_of_the_document() -> None:
    found = {step.number: step.script.removesuffix(".py") for step in STEPS}
    assert list(found.items()) == list(ORDER.items())


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_is_the_public_function_of_its_script(step: Step) -> None:
    assert (PROJECT / "scripts" / step.script).is_file()
    function: Any = step.run
    module = importlib.import_module(step.script.removesuffix(".py"))
    assert getattr(module, function.__name__) is function
    assert not function.__name__.startswith("_")
    assert function.__doc__


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_can_be_called_by_hand(step: Step) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", step.name)
    assert step.description
    assert not step.description.endswith(".")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_is_read_from_before_was_written_by_a_step(step: Step) -> None:
    """What earlier closings left may be lacking.

    Tests/project/test_reads.py shows that it is used.
    """
    written = {name for step in STEPS for name in step.writes}
    assert [
        name for name in step.reads_prior if ARTIFACTS[name].generated and name not in written
    ] == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_only_the_sync_brings_what_is_not_ours(step: Step) -> None:
    external = [name for name in step.writes if not ARTIFACTS[name].generated]
    assert bool(external) == (step.name == "sync-run")


def test_the_script_of_a_step_is_where_its_function_lives() -> None:
    def do(_: RunRequest, __: RunPaths) -> StepResult:
        return StepResult("")

    step = Step("0", "x", (), (), named(do), "x")
    assert (step.run, step.script) == (do, "made_steps.py")
