"""Starting an official run over a folder or sshd; the launcher here writes down its arguments. Real
ones: dead runs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.factory import make_run
from harness.sshd import Sshd
from harness.workspace import location_flags
from postrun.core.locations import PROJECT
from start_official_run import main

LAUNCHER = """\
printf '%s\\0' "$@" > launched.txt
echo made audit/workstation_runs/x
exit "$(cat code.txt 2>/dev/null || echo 0)"
"""
GATE = "--strategy a.yaml --factor momentum_12_1"


@pytest.fixture
def ready(remote: Path) -> Path:
    """Return a workstation with a launcher and a data file."""
    (remote / "scripts").mkdir()
    (remote / "scripts/workstation_official_run.sh").write_text(LAUNCHER)
    (remote / "prices.csv").write_text("date\n")
    return remote


def words(
    remote: Path, local: Path, *more: str, host: str = "local", tag: str = "run1"
) -> list[str]:
    where = location_flags(remote, local, host)
    return [f"--tag={tag}", *where, "--data", "prices.csv", "--gate", GATE, *more]


def launched(remote: Path) -> list[str]:
    return (remote / "launched.txt").read_text().split("\0")[:-1]


@pytest.mark.parametrize("host", ["local", "ssh"])
def test_the_launcher_gets_every_word_as_it_is(
    ready: Path,
    local: Path,
    host: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = request.getfixturevalue("ssh_host") if host == "ssh" else "local"
    evil = "-- $(touch pwned) `touch pwned` 'a' \"b\"; touch pwned\nback\\slash ä"
    gate = "--factor 'two words' --x=\"$(touch pwned)\" --empty ''"
    more = ["--owner", "hui", f"--notes={evil}", "--threads", "4", f"--gate={gate}"]
    assert main(words(ready, local, *more, host=name)) == 0
    own = [
        "--workflow",
        "production_gates",
        "--tag",
        "run1",
        "--owner=hui",
        f"--notes={evil}",
        "--threads=4",
    ]
    behind = ["--factor", "two words", "--x=$(touch pwned)", "--empty", ""]
    assert launched(ready) == [*own, "--dq-input-csv=prices.csv", "--", *behind]
    assert not (ready / "pwned").exists()
    shown = capsys.readouterr()
    assert shown.out.startswith(
        "bash scripts/workstation_official_run.sh --workflow production_gates --tag run1"
    )
    assert shown.err.splitlines() == [
        "made audit/workstation_runs/x",
        "official run run1: the launcher ended with exit code 0",
    ]


def test_what_is_not_said_is_left_to_the_launcher(ready: Path, local: Path) -> None:
    assert main(words(ready, local)) == 0
    assert launched(ready)[2:6] == ["--tag", "run1", "--dq-input-csv=prices.csv", "--"]


def test_a_rehearsal_starts_nothing(
    ready: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(ready, local, "--dry-run")) == 0
    assert "could be started now" in capsys.readouterr().err
    assert not (ready / "launched.txt").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            [],
            [
                "made audit/workstation_runs/x",
                "official run run1: the launcher ended with exit code 3",
            ],
        ),
        (["--dry-run"], ["official run run1: could be started now, nothing was"]),
    ],
)
def test_as_json_it_is_one_object(
    ready: Path, local: Path, more: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / "code.txt").write_text("3")
    code = main(words(ready, local, "--json", *more))
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["exit_code"], found["said"], shown.err) == (code, said, "")
    assert found["argv"][:6] == [
        *[
            "bash",
            "scripts/workstation_official_run.sh",
            "--workflow",
            "production_gates",
            "--tag",
            "run1",
        ]
    ]
    assert code == (0 if more else 1)


def test_a_launcher_that_says_no_gives_code_one(
    ready: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / "code.txt").write_text("3")
    assert main(words(ready, local)) == 1
    assert "official run run1: the launcher ended with exit code 3" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["scripts/workstation_official_run.sh", "prices.csv"])
def test_what_is_not_on_the_workstation_is_named(
    ready: Path, local: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / name).unlink()
    assert main(words(ready, local)) == 3
    assert (
        f"official run run1: expected its files on workstation local, found no {name}"
        in capsys.readouterr().err
    )
    assert not (ready / "launched.txt").exists()


def test_a_tag_that_is_taken_is_refused(
    ready: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(ready, tag="run1")
    assert main(words(ready, local)) == 5
    assert "decision tag run1: expected a free one" in capsys.readouterr().err
    assert main(words(ready, local, tag="run10")) == 0


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--gate", "--factor 'half"], "--gate: expected words quoted as for a shell"),
        (["--tag", "../x"], "decision tag: expected"),
        (["--surprise"], "--surprise"),
        (["--data="], "--data: expected a data file"),
        (["--tag", "a b"], "decision tag: expected"),
    ],
)
def test_wrong_words_are_refused(
    ready: Path, local: Path, more: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(ready, local, *more)) == 2
    shown = capsys.readouterr().err
    assert line in shown
    assert shown.count("\n") == 1
    assert not (ready / "launched.txt").exists()


def test_a_tag_must_be_said(ready: Path, local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(ready, local)[1:]) == 2
    assert "the following arguments are required: --tag" in capsys.readouterr().err


def test_a_workstation_that_does_not_answer(local: Path, ready: Path, sshd: Sshd) -> None:
    sshd.stop()
    assert main(words(ready, local, host=sshd.host)) == 6


def test_make_hands_every_value_on_as_typed(tmp_path: Path) -> None:
    echo = tmp_path / "echo"
    echo.write_text(
        f'#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]), end="")\n'
    )
    echo.chmod(0o755)
    evil = f"$(shell touch {tmp_path}/pwned) `touch {tmp_path}/pwned` $$x 'a' \"b\""
    flags = {
        "OWNER": "--owner",
        "NOTES": "--notes",
        "THREADS": "--threads",
        "DATA": "--data",
        "GATE": "--gate",
    }
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    for target, script, given in (
        ("official-run", "start_official_run", {"TAG": "--tag", **flags}),
        ("finalize", "post_run_sync_and_finalize", {"TAG": "--tag", "ABANDONED": "--abandoned"}),
        ("detect-run", "detect_run", {"TAG": "--tag", "ABANDONED": "--abandoned"}),
    ):
        line = [
            "make",
            "--no-print-directory",
            f"PY={echo}",
            "RUN=",
            target,
            *(f"{name}={evil}" for name in given),
        ]
        done = subprocess.run(
            line, cwd=PROJECT, env=clean, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == [
            f"scripts/{script}.py",
            *(f"{flag}={evil}" for flag in given.values()),
        ]
    assert not (tmp_path / "pwned").exists()
