"""What becomes of a failure, and whose runs follow each other."""

import pytest

from postrun.decide import failure_history
from postrun.decide.failure_history import OPEN, REGRESSED, RESOLVED, SETTLED, Run


def story(answers: str) -> list[Run]:
    """Make one factor's runs out of letters: f fails the check, p passes it, s skips it."""
    return [
        Run(
            f"run{number:02d}",
            "momentum",
            ("it",) if letter == "f" else (),
            ("it",) if letter == "s" else (),
        )
        for number, letter in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ("f", OPEN),
        ("ff", OPEN),
        ("pf", OPEN),
        ("fs", OPEN),
        ("fp", RESOLVED),
        ("ffp", RESOLVED),
        ("fsp", RESOLVED),
        ("fps", RESOLVED),
        ("fpf", REGRESSED),
        ("fpsf", REGRESSED),
        ("fpff", REGRESSED),
        ("fpfs", REGRESSED),
        ("fpfp", RESOLVED),
        ("fpfpf", REGRESSED),
    ],
)
def test_state(answers: str, state: str) -> None:
    found = failure_history.find_patterns(story(answers))["it"]
    assert found.state == state
    assert found.runs == tuple(
        f"run{number:02d}" for number, letter in enumerate(answers) if letter == "f"
    )


@pytest.mark.parametrize("answers", ["", "p", "s", "psp"])
def test_no_failure_is_no_pattern(answers: str) -> None:
    assert failure_history.find_patterns(story(answers)) == {}


def test_runs_are_parted_by_factor_oldest_first() -> None:
    runs = [
        Run(run, factor, (), ())
        for run, factor in (("c", "x"), ("a", "x"), ("b", "y"), ("d", None), ("e", None))
    ]
    parts = [[run.run for run in part] for part in failure_history.by_factor(runs)]
    assert parts == [["a", "c"], ["b"], ["d"], ["e"]], "runs without a factor are never one factor"


def test_a_factor_may_have_the_name_of_a_run() -> None:
    parts = failure_history.by_factor([Run("a", None, (), ()), Run("b", "a", (), ())])
    assert [len(part) for part in parts] == [1, 1]


def test_a_registry_row_gives_the_answers() -> None:
    row = {"run": "a", "factor": "x", "failed_checks": "one;two", "skipped_checks": None}
    assert failure_history.from_registry(row) == Run("a", "x", ("one", "two"), ())


@pytest.mark.parametrize(
    ("factor", "settled", "state"),
    [
        (None, {("a", "it")}, SETTLED),
        (None, {("a", "other"), ("b", "it")}, OPEN),
        ("x", {("a", "it")}, OPEN),
    ],
)
def test_only_a_run_without_factor_is_settled(
    factor: str | None, settled: set[failure_history.Failure], state: str
) -> None:
    run = Run("a", factor, ("it",), ())
    pattern = failure_history.find_patterns([run])["it"]
    assert failure_history.settle(run, pattern, settled).state == state
