"""Many runs: any order, at once, taken in from an archive; the tables end the same, and nothing is
lost.
"""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import check_session_handoff_readiness as handoff
import post_run_sync_and_finalize as conductor
import update_factor_experiment_registry
import update_failure_pattern_db
from harness import factory
from harness.factory import Documents
from harness.workspace import Workspace
from postrun.core import locations
from postrun.store import ledger

PROJECT = Path(__file__).resolve().parents[1]
SCRIPT = PROJECT / "scripts/post_run_sync_and_finalize.py"
# Enough to meet in every way; the large numbers are measured in benchmarks/.
PAIRS = 4
ARCHIVED = 40
TABLES = (
    "factor_experiment_registry",
    "factor_candidate_queue",
    "next_run_plan",
    "failure_patterns",
)
PAGES = ("factor_experiment_leaderboard", "failure_pattern_summary")


def knowledge(local: Path) -> dict[str, object]:
    """Give every table and page that must not depend on the order; the plan's moment of writing
    aside.
    """
    found: dict[str, object] = {
        name: locations.workspace_path(local, name).read_bytes() for name in (*TABLES, *PAGES)
    }
    plan = json.loads(locations.workspace_path(local, "next_run_plan").read_text())
    found["next_run_plan"] = {**plan, "generated_at": None}
    for name in ("factor_candidate_queue", "next_run_plan"):
        found[f"{name}.md"] = locations.workspace_path(local, name, ".md").read_bytes()
    return found


def crashed(made: Documents) -> None:
    made.report, made.result["exit_code"] = None, 137


def without_data(made: Documents) -> None:
    made.data_quality = None


def test_the_order_of_closing_has_no_say(remote: Path, tmp_path: Path) -> None:
    factory.make_run(remote, tag="a", change=without_data)
    factory.make_run(remote, tag="b", stamp="2026-02-22_010101", change=crashed)
    factory.make_run(remote, tag="c", stamp="2026-02-23_010101", passing=False)
    found = []
    for number, tags in enumerate(itertools.permutations("abc")):
        local = tmp_path / f"near{number}"
        local.mkdir()
        for tag in tags:
            Workspace(remote, local).close(tag)
        found.append(knowledge(local))
    assert all(other == found[0] for other in found)


def test_pairs_of_flows_at_once_lose_nothing(remote: Path, local: Path) -> None:
    tags = [f"pair{number}_{half}" for number in range(PAIRS) for half in "ab"]
    for number, tag in enumerate(tags):
        factory.make_run(
            remote,
            tag=tag,
            stamp=f"2026-01-{1 + number // 2:02d}_0{number % 2}0101",
            factor=f"f{number % 3}",
        )
    for first, second in zip(tags[::2], tags[1::2], strict=True):
        commands = [
            [sys.executable, str(SCRIPT), *Workspace(remote, local).flags(tag)]
            for tag in (first, second)
        ]
        flows = [
            subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for line in commands
        ]
        told = [flow.communicate(timeout=120)[1].decode() for flow in flows]
        # While the first is closed, the second is on its way: the handoff says so, and no more.
        assert {flow.returncode for flow in flows} == {0}, told
        assert not [words for words in told if "refused" in words or "Traceback" in words]
    assert sorted(row["decision_tag"] for row in ledger.decisions(local).values()) == sorted(tags)
    assert ledger.verify(local) == []
    table = locations.workspace_path(local, "factor_experiment_registry").read_text().splitlines()
    assert len(table) == 1 + len(tags)
    assert handoff.main(["--local-root", str(local)]) == 0
    grown = knowledge(local)
    assert update_factor_experiment_registry.main(["--rebuild", "--local-root", str(local)]) == 0
    assert knowledge(local) == grown


def test_an_archive_is_taken_in(local: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Runs that were copied by hand are closed without a sync up to their plan.

    The tables are made at once, afterwards.
    """
    workspace = ["--no-sync", "--local-root", str(local)]
    for number in range(ARCHIVED):
        stamp = f"2024-{1 + number % 12:02d}-{1 + number // 12:02d}_{number % 24:02d}0101"
        change = (None, crashed, without_data)[number % 3]
        factory.make_run(local, change, tag=f"old{number}", stamp=stamp, factor=f"f{number % 15}")
        code = conductor.main(["--tag", f"old{number}", "--to", "remediation-plan", *workspace])
        assert code == 1  # never compared with a workstation, so not verified
    for table in (update_factor_experiment_registry, update_failure_pattern_db):
        assert table.main(["--rebuild", "--local-root", str(local)]) == 0
    capfd.readouterr()
    last = ["--tag", f"old{ARCHIVED - 1}", "--from", "candidate-queue"]
    assert conductor.main([*last, *workspace]) == 0
    registry = locations.workspace_path(local, "factor_experiment_registry").read_text()
    assert len(registry.splitlines()) == 1 + ARCHIVED
    assert len(ledger.decisions(local)) == ARCHIVED
    assert "ready" in capfd.readouterr().err


def test_closing_again_from_a_copy_of_the_workspace_changes_nothing(
    remote: Path, local: Path, tmp_path: Path
) -> None:
    factory.make_run(remote)
    Workspace(remote, local).close()
    moved = tmp_path / "elsewhere"
    shutil.copytree(local, moved)
    Workspace(remote, moved).close()
    assert knowledge(moved) == knowledge(local)
    assert str(local) not in "".join(path.read_text() for path in moved.rglob("*.json")), (
        "no absolute path"
    )
    assert {path.name for path in moved.iterdir()} == {path.name for path in local.iterdir()}
