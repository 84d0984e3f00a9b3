"""The conductor: it goes on after a no, skips only what hangs on a refusal, and ends with the worst
code.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import post_run_sync_and_finalize as conductor
from harness.made_steps import named
from postrun import cli
from postrun.core import disk, locks, terminal
from postrun.core.errors import Invalid, Locked, Missing, PostRunError, Unreachable, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from steps import STEPS, Step


@dataclass
class Table:
    """A small table of steps, and a record of which of them were run."""

    root: Path
    steps: list[Step] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    locks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def request(self) -> RunRequest:
        return RunRequest(self.root, tag="run1")

    def add(
        self,
        name: str,
        reads: str = "",
        writes: str = "",
        ends: bool | Exception = True,
        prior: str = "",
        decides_run: bool = True,
    ) -> None:
        def do(request: RunRequest, _: RunPaths) -> StepResult:
            self.ran.append(name)
            self.locks[name] = [scope for scope in ("run-run1", "workspace") if self.taken(scope)]
            if isinstance(ends, Exception):
                raise ends
            disk.replace(request.root / name, b"done")
            return StepResult(f"{name} done", (request.root / name,), passed=ends)

        number = str(len(self.steps) + 1)
        cells = tuple(reads.split()), tuple(writes.split())
        step = Step(number, name, *cells, named(do), "words", False, tuple(prior.split()))
        self.steps.append(replace(step, decides_run=decides_run))

    def taken(self, scope: str) -> bool:
        try:
            with locks.hold(self.root / f"audit/.locks/{scope}.lock", wait=0, purpose="test"):
                return False
        except Locked:
            return True

    def conduct(self) -> dict[str, Any]:
        outcomes = conductor.conduct(self.request, self.steps, wait=0).reports
        return {outcome.step.name: outcome for outcome in outcomes}

    def close(self, as_json: bool = False) -> int:
        return conductor.close(self.request, self.steps, 0, as_json)


@pytest.fixture
def table(local: Path) -> Table:
    return Table(local)


@pytest.fixture
def forked(table: Table) -> Table:
    """A line of three that hang on each other, and one that stands alone."""
    table.add("first", writes="a")
    table.add("second", reads="a", writes="b", ends=Invalid("a.json", "a number", "'x'"))
    table.add("third", reads="b", writes="c")
    table.add("fourth", reads="c")
    table.add("alone", reads="a", prior="b")
    return table


def test_steps_run_in_order_and_a_no_stops_nothing(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    table.add("first", writes="a", ends=False)
    table.add("second", reads="a")
    assert table.close() == 1
    assert table.ran == ["first", "second"]
    told = capsys.readouterr()
    assert told.out == "", "paths are for --verbose and --json"
    assert [line.split()[:3] for line in told.err.splitlines()] == [
        ["1", "first", "no"],
        ["2", "second", "ok"],
    ]


def test_all_written_paths_are_for_who_asks(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add("first", writes="a")
    monkeypatch.chdir(table.root.parent)
    terminal.set_level(terminal.Level.VERBOSE)
    assert table.close() == 0
    assert capsys.readouterr().out == "workspace/first\n"
    assert table.close(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["wrote"] == [str(table.root / "first")]


def test_a_refusal_skips_only_what_hangs_on_it(
    forked: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    results = forked.conduct()
    assert forked.ran == ["first", "second", "alone"]
    assert isinstance(results["second"].error, Invalid)
    assert (results["third"].mark, results["fourth"].mark) == ("skipped", "skipped")
    assert results["alone"].mark == "ok", "what earlier closings left is no need"
    told = [line.split(maxsplit=3) for line in capsys.readouterr().err.splitlines()]
    assert [(name, mark) for _, name, mark, _ in told] == [
        ("first", "ok"),
        ("second", "refused"),
        ("third", "skipped"),
        ("fourth", "skipped"),
        ("alone", "ok"),
    ]
    assert told[1][3] == "a.json: expected a number, found 'x'"
    assert {told[2][3], told[3][3]} == {"needs what second writes"}, (
        "the cause is named, not the step between"
    )


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([True, True], 0),
        ([True, False], 1),
        ([False, Missing("x", "y", "z")], 3),
        ([Unreachable("x", "y", "z"), Missing("x", "y", "z"), False], 6),
    ],
)
def test_the_worst_code_counts(table: Table, ends: list[bool | PostRunError], code: int) -> None:
    for number, end in enumerate(ends):
        table.add(f"step{number}", ends=end)
    assert table.close() == code
    assert len(table.ran) == len(ends)


@pytest.mark.parametrize(
    ("ends", "code", "mark"),
    [(True, 0, "ok"), (False, 0, "no"), (Invalid("x", "y", "z"), 4, "refused")],
)
def test_a_no_about_the_workspace_is_printed_and_does_not_count(
    table: Table,
    ends: bool | PostRunError,
    code: int,
    mark: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table.add("first")
    table.add("last", ends=ends, decides_run=False)
    assert table.close() == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "last" in line]
    line, *again = lines
    reason = "not closed: last: x: expected y, found z"
    assert again == [reason] * (mark == "refused"), "the reason is the last line, too"
    assert line.split()[2] == mark


def test_a_bug_in_a_step_is_not_hidden(table: Table) -> None:
    table.add("first", ends=ZeroDivisionError())
    table.add("second")
    with pytest.raises(ZeroDivisionError):
        table.close()
    assert table.ran == ["first"]
    assert not table.taken("workspace")


def test_each_step_holds_the_lock_of_its_scope_and_no_other(table: Table) -> None:
    for name in ("detect-run", "sync-run", "finalize-gate-run", "factor-registry"):
        table.add(name)
    table.close()
    run, workspace = ["run-run1"], ["workspace"]
    assert list(table.locks.values()) == [run, run, workspace, workspace]
    assert [scope for scope in ("run-run1", "workspace") if table.taken(scope)] == []


def test_a_workspace_in_use_refuses_the_rest_but_not_the_sync(table: Table) -> None:
    table.add("sync-run")
    table.add("finalize-gate-run")
    with (
        cli.locked(table.request, cli.WORKSPACE, wait=0),
        pytest.raises(Locked, match=r"workspace\.lock"),
    ):
        table.close()
    assert table.ran == ["sync-run"]


@pytest.mark.parametrize(
    ("scope", "ran"),
    [(cli.WORKSPACE, {"sync-run": 0, "finalize-gate-run": 9, "run-review": None}), (cli.RUN, {})],
)
def test_what_was_done_before_a_lock_that_is_held_is_given_all_the_same(
    table: Table, scope: str, ran: dict[str, int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sync-run", "finalize-gate-run", "run-review"):
        table.add(name)
    with cli.locked(table.request, scope, wait=0), pytest.raises(Locked):
        table.close(as_json=True)
    told = json.loads(capsys.readouterr().out)
    refused_at_once = {"sync-run": 9, "finalize-gate-run": None, "run-review": None}
    assert {row["step"]: row["exit_code"] for row in told["steps"]} == (ran or refused_at_once)
    assert told["exit_code"] == Locked.exit_code
    assert told["wrote"] == ([str(table.root / "sync-run")] if ran else [])


def test_the_outcome_as_json(forked: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert forked.close(as_json=True) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 4
    assert told["wrote"] == [str(forked.root / "first"), str(forked.root / "alone")]
    assert [(row["step"], row["exit_code"]) for row in told["steps"]] == [
        ("first", 0),
        ("second", 4),
        ("third", None),
        ("fourth", None),
        ("alone", 0),
    ]
    words = [row["words"] for row in told["steps"]]
    assert words[:3] == ["first done", "a.json: expected a number, found 'x'", "skipped"]


NAMES = [step.name for step in STEPS]


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (None, None, NAMES),
        ("factor-registry", None, NAMES[NAMES.index("factor-registry") :]),
        (None, "sync-run", ["detect-run", "sync-run"]),
        ("sync-run", "sync-run", ["sync-run"]),
        ("sync-run", "detect-run", []),
    ],
)
def test_steps_can_be_chosen(first: str | None, last: str | None, names: list[str]) -> None:
    assert [step.name for step in conductor.choose_steps(first, last)] == names


@pytest.mark.parametrize("flag", ["--from", "--to"])
def test_a_name_that_is_no_step_is_refused(
    local: Path, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tag", "run1", "--local-root", str(local), flag, "sync"]
    assert conductor.main(words) == Usage.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("step: expected one of detect-run, sync-run, ")
    assert line.endswith("found 'sync'")
    assert list(local.iterdir()) == []


def test_the_list_needs_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert conductor.main(["--list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:3] for row in rows] == [[step.number, step.name, step.script] for step in STEPS]
    assert conductor.main(["--list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in told["steps"]] == [step.name for step in STEPS]


@pytest.fixture
def shown(table: Table, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Let `main` conduct the small table."""

    def all_of_it(*_: str | None) -> Sequence[Step]:
        return table.steps

    monkeypatch.setattr(conductor, "choose_steps", all_of_it)
    return table


def test_a_dry_run_runs_every_step_and_writes_nothing(
    shown: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def do(request: RunRequest, _: RunPaths) -> StepResult:
        ran.append(str(request.tag))
        disk.replace(request.root / "x", b"1")
        return StepResult("done")

    shown.steps = [Step("1", "first", (), (), named(do), "words", needs_run=False)]
    assert conductor.main(["--tag", "run1", "--local-root", str(shown.root), "--dry-run"]) == 0
    assert ran == ["run1"]
    assert "would write" in capsys.readouterr().err
    assert list(shown.root.iterdir()) == []


def test_all_that_the_steps_need_can_be_loaded_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "suppress", lambda *_: nullcontext())
    conductor.load_steps(STEPS)


def test_a_step_that_cannot_be_imported_is_named(
    shown: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is loaded before its turn, in a thread; that it cannot be is said when it is its turn."""
    shown.add("first")
    step = Step("2", "second", (), (), "no_such_package.work", "words", needs_run=False)
    shown.steps.append(step)
    assert conductor.main(["--tag", "run1", "--local-root", str(shown.root)]) == Missing.exit_code
    assert shown.ran == ["first"]
    assert "package no_such_package: expected in this Python" in capsys.readouterr().err


def test_a_lock_held_elsewhere_ends_with_its_code(
    shown: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    shown.add("finalize-gate-run")
    words = ["--tag", "run1", "--local-root", str(shown.root), "--lock-wait", "0"]
    with cli.locked(shown.request, cli.WORKSPACE, wait=0):
        assert conductor.main(words) == Locked.exit_code
    assert shown.ran == []
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert conductor.main(words) == 0


def test_an_order_reaches_the_steps_whole(shown: Table) -> None:
    seen: list[RunRequest] = []

    def do(request: RunRequest, _: RunPaths) -> StepResult:
        seen.append(request)
        return StepResult("done")

    shown.steps = [Step("1", "first", (), (), named(do), "words", needs_run=False)]
    words = ["--tag", "run1", "--local-root", str(shown.root), "--no-sync", "--objective", "why"]
    assert conductor.main([*words, "--accept-changed-evidence", "moved"]) == 0
    (request,) = seen
    assert (request.tag, request.no_sync, request.objective) == ("run1", True, "why")
    assert (request.accept_changed_evidence, request.host, request.remote_root) == (
        "moved",
        "local",
        str(shown.root),
    )
