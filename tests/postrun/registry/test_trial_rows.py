"""What makes a closed run a trial, and what its series is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import factory, spoiled
from harness.factory import Documents
from harness.workspace import Workspace
from postrun.core.locations import RunPaths
from postrun.registry import rows
from postrun.registry.rows import load_policy

Change = Callable[[Documents], object]


def made_row(workspace: Workspace, change: Change | None = None, *flags: str) -> dict[str, Any]:
    made = factory.make_run(workspace.remote, change=change)
    workspace.close(factory.TAG, *flags)
    gate = made.gate_folder
    if not made.gate_dir(workspace.local).exists():
        run_paths = RunPaths(workspace.local, made.run_folder, None)
    else:
        run_paths = RunPaths(workspace.local, made.run_folder, gate)
    return rows.make_row(run_paths, load_policy())


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    return Workspace(remote, local)


def test_a_run_with_a_report_is_a_trial_with_its_series(workspace: Workspace) -> None:
    row = made_row(workspace)
    assert (row["is_trial"], row["family"]) == (True, "momentum_12_1")
    assert (row["wf_n"], row["windows_asked"]) == (13, 13)
    assert row["wf_t"] == pytest.approx(row["wf_mean"] / row["wf_std"] * 13**0.5)
    assert row["series"].startswith("2013-01-01/2013-12-31=0.012;2014-01-01/")
    assert row["weaker_than_baseline"] is None
    # What other runs may change is not decided on yet.
    assert [row[name] for name in ("decision", "verdict", "repeats")] == [None] * 3


def dry_run(made: Documents) -> None:
    made.report["inputs"]["dry_run"] = True


def stopped_before_it_began(made: Documents) -> None:
    spoiled.crash(made)
    made.context = None


def equal_windows(made: Documents) -> None:
    for window in made.windows:
        window["test_ic"] = 0.001


def one_window(made: Documents) -> None:
    del made.windows[1:]


@pytest.mark.parametrize(
    ("change", "is_trial", "measured"),
    [
        (spoiled.crash, True, 0),
        (stopped_before_it_began, False, 0),
        (dry_run, False, 13),
        (equal_windows, True, 13),
        (one_window, True, 1),
    ],
)
def test_what_counts(workspace: Workspace, change: Change, is_trial: bool, measured: int) -> None:
    row = made_row(workspace, change)
    assert (row["is_trial"], row["wf_n"]) == (is_trial, measured)
    if change is not dry_run:
        assert (row["series"], row["series_sha256"], row["wf_t"]) == (None, None, None)


def test_an_abandoned_run_counts_without_its_numbers(workspace: Workspace) -> None:
    def unseen(made: Documents) -> None:
        made.result = None

    row = made_row(workspace, unseen, "--abandoned", "the machine went away")
    assert (row["is_trial"], row["series"], row["wf_n"]) == (True, None, 0)


def test_inputs_are_the_same_but_for_what_changes_no_number(
    tmp_path: Path,
) -> None:
    def renamed(made: Documents) -> None:
        made.report["inputs"] |= {"owner": "x", "notes": "y", "wf_shards": 9, "out_dir": "z"}

    def other(made: Documents) -> None:
        made.report["inputs"]["risk_top_pct"] = 0.3

    digests = []
    for number, change in enumerate((None, renamed, other)):
        workspace = Workspace(tmp_path / f"r{number}", tmp_path / f"l{number}")
        workspace.local.mkdir()
        digests.append(made_row(workspace, change)["inputs_sha256"])
    assert digests[0] == digests[1] != digests[2]
