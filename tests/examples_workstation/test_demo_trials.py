"""What `make demo-trials` shows: real closings, each with the end that its story tells."""

import csv
from pathlib import Path

import demo_trials
import pytest

REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"
LUCKY = "made_luck_12"


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo_trials, "PROJECT", tmp_path)
    monkeypatch.setattr(demo_trials, "WORKSTATION", tmp_path / "workstation")
    monkeypatch.setattr(demo_trials, "WORKSPACE", tmp_path / "home")
    return tmp_path


def decisions(root: Path) -> dict[str, str]:
    with (root / "home" / REGISTRY).open(encoding="utf-8", newline="") as source:
        return {row["decision_tag"]: row["decision"] for row in csv.DictReader(source)}


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_the_stories_end_as_they_are_told(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_trials.main([]) == 0
    decided = decisions(sides)
    assert len(decided) == 22
    promoted = {tag for tag, decision in decided.items() if decision == "promote_candidate"}
    assert promoted == {"made_pass", "made_repair"}
    assert decided[LUCKY] == "reject_or_research"
    out = capsys.readouterr().out
    assert "home/audit/factor_registry/factor_experiment_leaderboard.md" in out
    # Again: nothing is started or decided twice.
    assert demo_trials.main([]) == 0
    assert decisions(sides) == decided


def test_a_run_that_ends_otherwise_ends_with_1(
    sides: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_trials, "PASSED", 1)
    monkeypatch.setattr(demo_trials, "STORIES", {"a pass": demo_trials.a_pass})
    assert demo_trials.main([]) == 1
    captured = capsys.readouterr()
    assert "made_pass: exit code 0" in captured.out
    assert captured.err == "demo_trials.py: made_pass: expected exit code 1, found 0\n"
    assert (sides / "home" / REGISTRY).is_file()


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("   8  factor-registry    ok       promote_candidate, score 91.9; 9 runs", True),
        ("   8  factor-registry    skipped  needs what sync-run writes", False),
        ("   5  governance-audit   no       1 of 26 checks did not pass", True),
        ("  1-2  detect-run         ok       found", False),
        ("the decision of run_b is another one now", True),
        ("", False),
    ],
)
def test_only_what_matters_of_a_closing_is_shown(line: str, is_shown: bool) -> None:
    assert demo_trials.is_shown(line) == is_shown
