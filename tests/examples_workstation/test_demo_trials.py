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
    assert out.splitlines()[-1] == "Open home/audit/site/index.html"
    assert (sides / "home/audit/site/index.html").is_file()
    words = " ".join(out.split())
    assert "The best is momentum_6_1, judged by its months." in words
    assert "as the best of 8, in 11.6%." in words
    assert "The best is made_luck_12, judged by its windows." in words
    assert words.count("A promotion asks for at most 1%: it does not survive.") == 2
    # Every run has its verdict, and every line can be read.
    assert out.count(": closed: ") == 23
    assert words.count("not closed: sync-run: evidence of") == 1
    assert max(map(len, out.splitlines())) <= 200
    with (sides / "home" / REGISTRY).open(encoding="utf-8", newline="") as source:
        passed = [row for row in csv.DictReader(source) if row["overall_pass"] == "true"]
    assert len(passed) == 3
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
    assert "made_pass: closed: PASS, and hardly luck" in captured.out
    assert captured.err == "demo_trials.py: made_pass: expected exit code 1, found 0\n"
    assert (sides / "home" / REGISTRY).is_file()


@pytest.mark.parametrize(
    ("out", "err", "expected"),
    [
        (
            "closed: PASS; audit passed. Next: review. Open x.html\n",
            "a step\n",
            "closed: PASS; audit passed.",
        ),
        ("", "a step\nnot closed: sync-run: changed\n", "not closed: sync-run: changed"),
        ("", "", "it said nothing"),
    ],
)
def test_what_a_closing_says_last_is_its_verdict(out: str, err: str, expected: str) -> None:
    assert demo_trials.last_words(out, err) == expected
