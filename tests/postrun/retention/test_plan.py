"""Plans of runs: that they are read again before anything moves."""

import steps
from harness import retained as runs
from harness.retained import Retained
from postrun.retention import plan, policy
from postrun.retention.plan import RunPlan, State, Workspace


def look(retained: Retained) -> Workspace:
    rules = policy.load(steps.needed_artifacts())
    return plan.look(retained.root, rules)


def test_a_plan_made_again_is_the_same(retained: Retained) -> None:
    workspace = look(retained)
    for run_plan in plan.plan(workspace, None):
        assert plan.plan_again(workspace, run_plan.run_paths) == run_plan


def test_a_plan_made_again_sees_a_change(retained: Retained) -> None:
    workspace = look(retained)
    runs.flip(retained.log())
    run_plan = plan.plan_again(workspace, retained.run_paths())
    assert (run_plan.state, run_plan.files) == (State.EDITED, ())


def test_all_bytes_are_counted(retained: Retained) -> None:
    plans = plan.plan(look(retained), None)
    sizes = [file["size"] for run_plan in plans for file in run_plan.files]
    assert plan.total(plans) == sum(sizes) > 0


def test_a_broken_index_does_not_stop_the_plan(retained: Retained) -> None:
    retained.must_archive()
    (retained.root / retained.row()["index"]).unlink()
    plans = retained.plan()
    assert plans["loser"]["state"] == "edited"
    assert plans["changed"]["state"] == "ready"


def test_a_reason_names_the_tag(retained: Retained) -> None:
    run_plan = RunPlan(retained.run_paths(), State.NOT_CLOSED, "make finalize TAG=...")
    assert str(run_plan) == "not closed: make finalize TAG=loser"
    assert str(RunPlan(retained.run_paths(), State.NOTHING)) == "nothing to archive"
