"""What a step is asked, and its exit code."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from postrun.core.request import RunRequest, StepResult


def test_a_step_that_decides_nothing_has_passed() -> None:
    assert StepResult("written").passed
    assert StepResult("written").exit_code == 0


def test_a_verdict_of_no_is_exit_code_1() -> None:
    assert StepResult("not ready", passed=False).exit_code == 1


def test_no_step_can_change_what_was_asked() -> None:
    request = RunRequest(Path())
    with pytest.raises(FrozenInstanceError):
        request.tag = "another"  # type: ignore[misc]


def test_a_workspace_alone_asks_for_no_run() -> None:
    request = RunRequest(Path())
    assert (request.tag, request.run_dir, request.run_dir_remote) == (None, None, None)
    assert (request.host, request.no_sync) == ("local", False)
