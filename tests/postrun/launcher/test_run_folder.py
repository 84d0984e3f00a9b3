"""The folder of one run: a name of its own, and who runs what in context.json."""

import json
import re
from pathlib import Path

import pytest

from postrun.core import run_names
from postrun.core.errors import Missing
from postrun.core.locations import PROJECT
from postrun.launcher import policy, run_folder
from postrun.launcher.request import LaunchRequest

POLICY = PROJECT / "configs/launcher_policy.json"
PREFLIGHT = {"hostname": "bench", "git_branch": "main", "git_commit": None}


@pytest.fixture
def launch_request(tmp_path: Path) -> LaunchRequest:
    return LaunchRequest(
        root=tmp_path,
        workflow=run_names.WORKFLOW,
        tag="run1",
        owner="hui",
        notes="does it survive costs",
        threads=2,
        data="data/prices.csv",
        skip_data_quality=True,
        require_clean=False,
        policy=policy.load(POLICY),
        command=("true",),
    )


def test_two_runs_of_one_second_have_two_folders(launch_request: LaunchRequest) -> None:
    first, second = run_folder.create(launch_request), run_folder.create(launch_request)
    assert first != second
    for run in (first, second):
        name = run_names.parse_run_name(run.name)
        assert name is not None
        assert name.tag == "run1"


def test_only_folders_of_this_very_tag_are_earlier_runs(launch_request: LaunchRequest) -> None:
    runs = launch_request.root / "audit/workstation_runs"
    (runs / "2026-02-21_031500_production_gates_other_run1").mkdir(parents=True)
    assert run_folder.earlier_runs(launch_request) == []
    created = run_folder.create(launch_request)
    assert run_folder.earlier_runs(launch_request) == [created.name]


def test_a_root_that_cannot_be_written_to_is_missing(launch_request: LaunchRequest) -> None:
    (launch_request.root / "audit").touch()
    with pytest.raises(Missing, match="audit"):
        run_folder.create(launch_request)


def test_data_quality_can_be_skipped_and_the_context_says_so(launch_request: LaunchRequest) -> None:
    run = run_folder.create(launch_request)
    assert run_folder.check_data(launch_request, run) == 0
    run_folder.write_context(launch_request, run, PREFLIGHT)
    context = json.loads((run / "context.json").read_text())
    assert context["skip_data_quality_check"] == 1
    assert context["data_quality_report_json"] == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}", context["timestamp"])
    assert (context["owner"], context["decision_tag"]) == ("hui", "run1")
