"""The desk: what was asked for, which run that means, and how a refusal reaches the person who
asked.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from postrun import cli, flags
from postrun.core import disk, locations
from postrun.core.errors import Locked, Missing, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.store import configuration

RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"
FLAGS = flags.ScriptFlags("doc", flags.add_target)
MAKES_AGAIN = flags.ScriptFlags("doc", flags.add_target, flags.add_rebuild)
SETTINGS = {"host": "bench", "remote_root": "/srv/quant"}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "workstation", lambda: dict(SETTINGS))
    monkeypatch.setattr("sys.argv", ["detect_run.py"])


def ordered(*words: str, needs_run: bool = True) -> RunRequest:
    asked = flags.ScriptFlags("doc", flags.add_target, flags.add_evidence, flags.add_decision)
    return cli.parse_request(asked.parse(words), needs_run)


@pytest.mark.parametrize(
    ("words", "host", "remote_root"),
    [
        ((), "bench", "/srv/quant"),
        (("--host", "other"), "other", "/srv/quant"),
        (("--remote-root", "/data"), "bench", "/data"),
        (("--host", "", "--remote-root", ""), "bench", "/srv/quant"),
    ],
)
def test_a_flag_goes_before_the_policy(words: tuple[str, ...], host: str, remote_root: str) -> None:
    request = ordered("--tag", "run1", *words)
    assert (request.host, request.remote_root) == (host, remote_root)


def test_without_a_sync_the_workspace_stands_for_the_workstation(local: Path) -> None:
    request = ordered("--tag", "run1", "--host", "other", "--no-sync", "--local-root", str(local))
    assert (request.host, request.remote_root, request.no_sync) == ("local", str(local), True)


def test_an_order_holds_what_was_said(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(local.parent)
    request = ordered(
        "--tag", "run1", "--local-root", local.name, "--objective", "why", "--run-dir-remote", "a/b"
    )
    assert request == RunRequest(
        root=local,
        tag="run1",
        host="bench",
        remote_root="/srv/quant",
        objective="why",
        run_dir_remote="a/b",
    )


@pytest.mark.parametrize("words", [("--run-dir", "x"), ("--run-dir-remote", "x"), ("--tag", "x")])
def test_each_of_three_flags_names_a_run(words: tuple[str, ...]) -> None:
    assert isinstance(ordered(*words), RunRequest)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "which run: expected --tag, --run-dir or --run-dir-remote, found none of them"),
        (("--report-json", "x"), "which run: expected"),
        (("--tag", "run1\n"), "decision tag: expected a full match"),
        (("--tag", ""), "decision tag: expected a full match"),
        (("--tag", "t", "--objective", " "), "--objective: expected text, found nothing"),
        (
            ("--tag", "t", "--accept-changed-evidence", ""),
            "--accept-changed-evidence: expected text, found nothing",
        ),
    ],
)
def test_an_order_without_sense_is_refused(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(Usage) as caught:
        ordered(*words)
    assert str(caught.value).startswith(told)


def test_a_step_of_the_workspace_needs_no_run() -> None:
    assert ordered(needs_run=False).tag is None


def test_the_parser_refuses_in_one_line() -> None:
    for words in (["--tga", "x"], ["--ta", "x"], ["--tag"], ["--lock-wait", "soon"], ["x"]):
        with pytest.raises(Usage) as caught:
            ordered(*words)
        assert str(caught.value).startswith(
            "detect_run.py: expected arguments as in --help, found "
        )
        assert "\n" not in str(caught.value)


DEMO = locations.PROJECT / ".demo/home"
SCRIPT = ".venv/bin/python scripts/post_run_sync_and_finalize.py"


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ({}, "make finalize TAG=run1"),
        (
            {"run_dir": Path("x") / RUN},
            f"{SCRIPT} --tag run1 --run-dir-remote audit/workstation_runs/{RUN}",
        ),
        (
            {"run_dir_remote": f"audit/workstation_runs/{RUN}"},
            f"{SCRIPT} --tag run1 --run-dir-remote audit/workstation_runs/{RUN}",
        ),
        (
            {"host": "a b", "remote_root": "~/it's", "root": Path("/srv/a b")},
            "make finalize TAG=run1 HOST='a b' REMOTE_ROOT='~/it'\"'\"'s' LOCAL_ROOT='/srv/a b'",
        ),
        (
            {"root": locations.PROJECT / ".demo/home"},
            "make finalize TAG=run1 LOCAL_ROOT=.demo/home",
        ),
        ({"no_sync": True, "host": "local"}, f"{SCRIPT} --tag run1 --no-sync"),
    ],
)
def test_the_line_that_closes_a_dead_run_names_it_and_no_more(
    named: dict[str, Any], line: str
) -> None:
    own = {"root": locations.PROJECT, "host": "bench", "remote_root": "/srv/quant", **named}
    typed = cli.abandon_command(RunRequest(tag="run1", **own), "run1")
    variable = "--abandoned " if line.startswith(SCRIPT) else "ABANDONED="
    values = line.removeprefix("make finalize TAG=run1").replace(SCRIPT, "")
    assert typed.replace(f' {variable}"<reason>"', "") == line
    assert set(values.split()) <= set(typed.split())


@pytest.mark.parametrize(
    ("target", "argv", "line"),
    [
        ("", ["--tag=a b"], ".venv/bin/python scripts/watch.py '--tag=a b'"),
        ("watch", ["--tag=a b", "--remote-root=/x"], "make watch TAG='a b' REMOTE_ROOT=/x"),
    ],
)
def test_a_monitor_is_resumed_as_it_was_started(
    target: str, argv: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_TARGET", target)
    assert cli.resume_hint("scripts/watch.py", argv) == f"resume with: {line}"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ([], "make audit: expected TAG=<decision tag>, found none; for example: make audit TAG="),
        (["--lock-wait=soon", "--host"], "make audit: expected values as in `make help`, found"),
        (
            ["--tag=x", "--host"],
            "make audit: expected values as in `make help`, found argument HOST",
        ),
    ],
)
def test_make_is_answered_in_its_own_words(
    argv: list[str],
    line: str,
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POSTRUN_TARGET", "audit")
    assert cli.step_main(judge, FLAGS, ["--local-root", str(local), *argv], name="x") == 2
    assert capsys.readouterr().err.startswith(line)


def test_commands_in_an_error_are_printed_whole(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Close the run first: which one, and in which workspace?"""

    def refuse_now(*_: object) -> StepResult:
        raise Missing("x", "y", "z", "close it: make finalize TAG=..., see `make verify`")

    argv = ["--tag", "run1", "--local-root", str(local)]
    assert cli.step_main(refuse_now, FLAGS, argv, needs_run=False, name="x") == 3
    line = f"make finalize TAG=run1 LOCAL_ROOT={local}, see `make verify LOCAL_ROOT={local}`"
    assert line in capsys.readouterr().err


def locks(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "audit/.locks").glob("*"))


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ({"tag": "run1"}, "run-run1"),
        ({"run_dir": Path("x") / RUN}, "run-run1"),
        ({"run_dir_remote": f"audit/workstation_runs/{RUN}"}, "run-run1"),
    ],
)
def test_each_run_and_the_workspace_have_their_own_lock(
    local: Path, named: dict[str, Any], name: str
) -> None:
    request = RunRequest(local, **named)
    with cli.locked(request, cli.RUN, 0), cli.locked(request, cli.WORKSPACE, 0):
        assert locks(local) == [f"{name}.lock", "workspace.lock"]
        with (
            pytest.raises(Locked, match=r"workspace\.lock.*held by detect_run\.py"),
            cli.locked(request, cli.WORKSPACE, wait=0),
        ):
            pytest.fail("held twice")
        with cli.locked(RunRequest(local, tag="another"), cli.RUN, wait=0):
            pass


def refuse(request: RunRequest, _: RunPaths) -> StepResult:
    """Refuse under the lock."""
    assert locks(request.root) == ["workspace.lock"]
    raise Usage("step", "another", "this one")


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e999", "", "1 s"])
def test_a_wait_is_a_number_of_seconds(
    local: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    words = ["--tag", "run1", "--local-root", str(local), f"--lock-wait={seconds}"]
    assert cli.step_main(judge, FLAGS, words, name="x") == 2
    message = f"expected a number of seconds, 0 or more, found {seconds!r}"
    assert message in capsys.readouterr().err


def test_a_step_that_is_refused_leaves_no_folder(local: Path) -> None:
    words = ["--local-root", str(local), "--tag", "nobody"]
    assert cli.step_main(judge, FLAGS, words, name="x") == 3, "no such run: refused before the lock"
    assert cli.step_main(refuse, FLAGS, words, needs_run=False, name="x") == 2
    assert list(local.iterdir()) == []
    beside = local / "audit/kept.txt"
    beside.parent.mkdir()
    beside.touch()
    assert cli.step_main(refuse, FLAGS, words, needs_run=False, name="x") == 2
    assert [path.name for path in beside.parent.iterdir()] == ["kept.txt"]


def test_a_rehearsal_locks_nothing(local: Path) -> None:
    disk.DRY_RUN.set(True)
    request = RunRequest(local, tag="run1")
    with cli.locked(request, cli.RUN, 0), cli.locked(request, cli.WORKSPACE, 0):
        assert list(local.iterdir()) == []


def judge(request: RunRequest, _: RunPaths) -> StepResult:
    """Write one file and say no."""
    path = request.root / "audit/x.txt"
    disk.replace(path, str(request.tag).encode())
    return StepResult("it is\nso", (path,), passed=False)


def rebuild(request: RunRequest, _: RunPaths) -> StepResult:
    """Make it anew."""
    return StepResult(f"anew, tag {request.tag}")


def test_a_script_tells_on_stderr_and_gives_on_stdout(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tag", "run1", "--local-root", str(local)]
    assert cli.step_main(judge, FLAGS, words, needs_run=False, name="x") == 1
    assert capsys.readouterr() == (f"{local / 'audit/x.txt'}\n", "x: it is so\n")
    assert cli.step_main(judge, FLAGS, [*words, "--json"], needs_run=False, name="x") == 1
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == {
        "step": "x",
        "yes": False,
        "words": "it is\nso",
        "wrote": [str(local / "audit/x.txt")],
    }
    assert (local / "audit/x.txt").read_text() == "run1"
    assert locks(local) == ["workspace.lock"]


def test_a_dry_run_of_a_script_writes_nothing(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tag", "run1", "--local-root", str(local), "--dry-run"]
    assert cli.step_main(judge, FLAGS, words, needs_run=False, name="x") == 1
    assert f"would write {local / 'audit/x.txt'}" in capsys.readouterr().err
    assert list(local.iterdir()) == []


def test_a_rebuild_names_no_run(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--local-root", str(local)]
    assert cli.step_main(judge, MAKES_AGAIN, ["--rebuild", *root], rebuild=rebuild, name="x") == 0
    assert capsys.readouterr().err == "x: anew, tag None\n"
    assert cli.step_main(judge, MAKES_AGAIN, root, rebuild=rebuild, name="x") == 2
    assert cli.step_main(judge, FLAGS, ["--rebuild", *root], name="x") == 2
    assert list(local.glob("audit/x.txt")) == []


def test_a_script_that_finds_the_lock_taken_ends_with_its_code(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--tag", "run1", "--local-root", str(local), "--lock-wait", "0"]
    with cli.locked(RunRequest(local, tag="run1"), cli.WORKSPACE, wait=0):
        assert cli.step_main(judge, FLAGS, words, needs_run=False, name="x") == Locked.exit_code
        assert cli.step_main(judge, FLAGS, words, lock=cli.RUN, needs_run=False, name="x") == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_step_is_told_where_its_run_is(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[RunPaths] = []

    def look(_: RunRequest, run_paths: RunPaths) -> StepResult:
        told.append(run_paths)
        return StepResult("seen")

    folder = local / "audit/workstation_runs" / RUN
    folder.mkdir(parents=True)
    words = ["--local-root", str(local), "--run-dir", str(folder), "--report-json"]
    report = local / "gate_results/production_gates_2026-02-21_031700/production_gates_report.json"
    assert cli.step_main(look, FLAGS, [*words, str(report)], name="x") == 0
    assert cli.step_main(look, FLAGS, ["--local-root", str(local)], needs_run=False, name="x") == 0
    assert told == [RunPaths(local, RUN, report.parent.name), RunPaths.of_workspace(local)]
    assert cli.step_main(look, FLAGS, ["--local-root", str(local), "--tag", "run1"], name="x") == 3
    assert "a detected run" in capsys.readouterr().err


def test_more_flags_can_be_added(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--mode")

    seen: list[str | None] = []

    def look(request: RunRequest, _: RunPaths) -> StepResult:
        seen.append(request.mode)
        return StepResult("seen")

    words = ["--local-root", str(local), "--mode", "mixed"]
    assert (
        cli.step_main(
            look, flags.ScriptFlags("doc", flags.add_target, add), words, needs_run=False, name="x"
        )
        == 0
    )
    assert seen == ["mixed"]
    assert "seen" in capsys.readouterr().err
