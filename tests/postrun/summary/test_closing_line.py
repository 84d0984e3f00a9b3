"""The last line of the terminal alone: the verdict, why, what to do next, and the page to open."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import monitor_then_finalize
import post_run_sync_and_finalize as conductor
from harness.workspace import location_flags
from postrun.core.locations import PROJECT

sys.path.append(str(PROJECT / "examples"))

from made_runs import Documents, good_ics, made_run, worthless_ics

STAMP = "2026-01-05_031500"
GATE = "gate_results/production_gates_2026-01-05_031700"
RUN = f"audit/workstation_runs/{STAMP}_production_gates"
LUCKY = 399  # a seed: every gate passes, and luck is as good in more than 1% of cases

NEEDED = (
    "scripts/workstation_official_run.sh",
    "configs/strategies/made_numbers.yaml",
    "data/made_numbers.csv",
    "runs/freeze/base.freeze.json",
)

# The processes of a run are known by its tag on their command line: no other test may have it.
OWN = os.getpid()

LastLine = Callable[..., tuple[int, str]]


@pytest.fixture
def last_line(
    remote: Path,
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> LastLine:
    """Return a function that closes a run and returns code and last line, standing in `local`."""
    monkeypatch.chdir(local)

    def close(made: Documents, *flags: str) -> tuple[int, str]:
        made.write(remote)
        where = location_flags(remote, local)
        code = conductor.main(["--tag", made.tag, *where, *flags])
        shown = capfd.readouterr()
        # The result is the last on stdout; where there is none, stderr has the last word.
        return code, (shown.out or shown.err).splitlines()[-1]

    return close


def test_a_pass(last_line: LastLine) -> None:
    made = made_run(f"pass{OWN}", STAMP, "made_a", good_ics(1))
    assert last_line(made) == (
        0,
        "closed: PASS, and hardly luck: a worthless factor would look this good less than "
        "0.1% of the time "
        "(at most 1% is asked); "
        "audit passed; promote_candidate. Next: committee review. "
        f"Open {GATE}/production_gates_run_review.html",
    )


def test_a_fail(last_line: LastLine, remote: Path, local: Path) -> None:
    made = made_run(f"fail{OWN}", STAMP, "made_a", worthless_ics(6))
    code, line = last_line(made)
    assert code == 0
    assert line.startswith("closed: FAIL, 5 gates (cost_gate_x1_5_positive, ")
    assert " and 2 more); audit passed; reject_or_research. Next: " in line
    assert "blocked: scripts/workstation_official_run.sh is not on the workstation. Open" in line
    assert line.endswith(f" Open {GATE}/production_gates_run_review.html")
    for name in NEEDED:
        (remote / name).parent.mkdir(parents=True, exist_ok=True)
        (remote / name).touch()
    _, line = last_line(made)
    assert f"unchanged: make next-run RANK=1 REMOTE_ROOT={remote} LOCAL_ROOT={local}. Open" in line


def test_a_pass_by_luck(last_line: LastLine) -> None:
    made = made_run(f"luck{OWN}", STAMP, "made_a", worthless_ics(LUCKY))
    code, line = last_line(made)
    assert code == 0
    assert line.startswith(
        "closed: PASS, but it may be luck: a worthless factor would look this good 3."
    )
    assert "% of the time (at most 1% is asked); audit passed; reject_or_research. " in line


def test_a_failed_audit(last_line: LastLine, remote: Path, local: Path) -> None:
    made = made_run(f"audit{OWN}", STAMP, "made_a", good_ics(1))
    made.cost_rows.clear()
    assert last_line(made) == (
        1,
        "closed: PASS, and hardly luck: a worthless factor would look this good less than "
        "0.1% of the time "
        "(at most 1% is asked); "
        "audit failed (1 High: cost_rows_recomputed); watchlist_rerun. "
        f"Next: repair what {RUN}_{made.tag}/governance_remediation_plan.md lists, then "
        f"make finalize TAG={made.tag} REMOTE_ROOT={remote} LOCAL_ROOT={local}. "
        f"Open {GATE}/production_gates_run_review.html",
    )


def test_a_dead_run(
    last_line: LastLine, remote: Path, local: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = made_run(f"dead{OWN}", STAMP, "made_a", good_ics(1))
    made.result = made.report = None
    made.write(remote)
    where = location_flags(remote, local)
    flags = ["--tag", made.tag, *where, "--interval", "0.1", "--grace", "0.1"]
    assert monitor_then_finalize.main(flags) == 7
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"run {made.tag}: expected a result.json, found ")
    close_it = f"make finalize TAG={made.tag} REMOTE_ROOT={remote} LOCAL_ROOT={local}"
    assert line.endswith(f'close it with: {close_it} ABANDONED="<reason>"')
    code, line = last_line(made, "--abandoned", "the machine was restarted")
    assert code == 1
    assert line.startswith("closed: FAIL (abandoned: the machine was restarted; no gate report); ")
    assert "Next: start the run again under a new tag. Open " in line


def test_a_refusal(last_line: LastLine) -> None:
    made = made_run(f"edited{OWN}", STAMP, "made_a", good_ics(1))
    assert last_line(made)[0] == 0
    made.cost_rows.pop()
    code, line = last_line(made)
    assert code == 4
    assert line.startswith("not closed: sync-run: evidence of ")
    assert "cost_stress_results.csv" in line
