"""Make and Invoke, the real ones: the same names for the same scripts, and nothing that a value
holds ever runs.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invoke import Collection, Context, Program

import tasks
from postrun.core.locations import PROJECT
from postrun.store import make_lines
from steps import STEPS, Step

MAKE = shutil.which("make") or "make"
TASKS = Collection.from_module(tasks)


def make(
    *words: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run make with this Python and without its setup, which has run or the tests would not."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    line = [
        MAKE,
        "--no-print-directory",
        f"PY={python}",
        "RUN=",
        "NOTIFY=",
        "PACKAGE=",
        "ASK=",
        "MLFLOW=",
        "DEV=",
        *words,
    ]
    return subprocess.run(
        line, cwd=PROJECT, env=clean | environment, capture_output=True, text=True, check=False
    )


def inv(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False)


def made_names() -> set[str]:
    return set(re.findall(r"^  ([a-z-]+) +\S", make("help").stdout, flags=re.MULTILINE))


def given_names() -> list[str]:
    """Return the names of the values that make hands on."""
    return re.findall(r"^flag_([A-Z_]+) :=", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def invoked_names() -> list[str]:
    return sorted(
        task["name"] for task in json.loads(inv("--list", "--list-format=json").stdout)["tasks"]
    )


def scripts_of(text: str) -> list[str]:
    """Find the programs of this project that a printed command line would start, in order."""
    return re.findall(
        r"(?:(?:scripts|tests|examples|benchmarks)/\w+\.py|\.ci/\w+|-m pytest[\w -]*)", text
    )


def test_the_values_of_make_are_known_to_the_scripts() -> None:
    """A script that was started by make answers in them."""
    names = [name.replace("-", "_").upper() for name in make_lines.VALUES]
    assert sorted(names) == sorted(given_names())
    assert set(make_lines.TARGETS) <= made_names()


def test_make_without_a_tag_is_answered_in_its_words() -> None:
    said = make("governance-audit").stderr
    assert said.startswith("make governance-audit: expected TAG=<decision tag>, found none")
    assert "--" not in said


@pytest.fixture
def echo(tmp_path: Path) -> str:
    """Give a program that stands in for Python and prints the arguments it got."""
    program = tmp_path / "echo"
    program.write_text(
        f'#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]), end="")\n'
    )
    program.chmod(0o755)
    return str(program)


def test_make_shows_its_help_by_default() -> None:
    assert make().stdout == make("help").stdout


def test_help_tells_of_every_target() -> None:
    declared = re.findall(
        r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE
    )
    assert made_names() == {name for line in declared for name in line.split()}


def test_invoke_has_the_names_of_make() -> None:
    assert invoked_names() == sorted(made_names() - {"help"})


def test_every_step_of_the_table_has_its_target() -> None:
    for step in STEPS:
        assert scripts_of(make("-n", step.name).stdout) == [f"scripts/{step.script}"]


@pytest.mark.parametrize("name", sorted(TASKS.task_names))
def test_both_start_the_same_scripts(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    made = {
        "setup": "RUN=.venv/bin/.run",
        "setup-notify": "NOTIFY=.venv/bin/.notify",
        "setup-package": "PACKAGE=.venv/bin/.package",
        "setup-ask": "ASK=.venv/bin/.ask",
        "setup-mlflow": "MLFLOW=.venv/bin/.mlflow",
        "setup-team": "TEAM=.venv/bin/.team",
    }
    target = ["-n", "-B", name, made[name]] if name in made else ["-n", name]
    Program(namespace=TASKS).run(["inv", "--dry", name], exit=False)
    invoked = scripts_of(capfd.readouterr().out)
    assert invoked == scripts_of(make(*target).stdout) != []


HOSTILE = [
    "x;touch {0}",
    "$(shell touch {0})",
    "${{shell touch {0}}}",
    "$(touch {0})",
    "$$(touch {0})",
    "`touch {0}`",
    '"; touch {0}; "',
    "'; touch {0}; '",
    "x\ntouch {0}",
    "$(eval x:=$(shell touch {0}))",
    "../x",
    "-x",
    "x\n",
    "",
]


@pytest.mark.parametrize("target", ["finalize", "remediation-plan"])
def test_a_hostile_tag_is_refused_through_make(target: str, tmp_path: Path) -> None:
    where = ["HOST=local", f"REMOTE_ROOT={tmp_path}", f"LOCAL_ROOT={tmp_path}"]
    for hostile in HOSTILE:
        tag = hostile.format(tmp_path / "pwned")
        done = make(target, f"TAG={tag}", *where)
        assert done.stderr.startswith("decision tag: expected"), (tag, done.stderr)
        assert "Error 2" in done.stderr
        assert list(tmp_path.iterdir()) == [], tag


def test_every_recipe_quotes_alike() -> None:
    """What a value holds is proven with two targets.

    The others hand values on in the same words.
    """
    values = [f"{name}=$(shell echo pwned)" for name in given_names()]
    lines = make("-n", *sorted(made_names()), *values).stdout.splitlines()
    handed_on = [line for line in lines if "scripts/" in line]
    assert len(handed_on) > len(STEPS)
    for line in handed_on:
        assert re.fullmatch(r"\S+ scripts/\w+\.py( --[a-z-]+=\"\$[A-Z_]+\")*", line), line
    assert "pwned" not in "".join(lines)
    # A value that no recipe hands on would be typed for nothing.
    assert [name for name in given_names() if f'"${name}"' not in "".join(lines)] == []


@pytest.mark.parametrize("tag", ["x;touch pwned", "$(touch pwned)", "../x"])
def test_a_hostile_tag_is_refused_through_invoke(tag: str) -> None:
    done = inv("finalize", f"--tag={tag}")
    assert done.returncode == 2
    assert done.stderr.startswith("decision tag: expected")
    assert not (PROJECT / "pwned").exists()


VALUES = {
    "TAG": "--tag",
    "HOST": "--host",
    "REMOTE_ROOT": "--remote-root",
    "LOCAL_ROOT": "--local-root",
    "OBJECTIVE": "--objective",
    "INTERVAL": "--interval",
}


def test_make_hands_values_on_as_typed(echo: str, tmp_path: Path) -> None:
    typed = {
        name: hostile.format(tmp_path / "pwned")
        for name, hostile in zip(VALUES, HOSTILE[1:], strict=False)
    }
    done = make(
        "monitor-then-finalize", *(f"{name}={value}" for name, value in typed.items()), python=echo
    )
    flags = [f"{VALUES[name]}={value}" for name, value in typed.items()]
    assert json.loads(done.stdout) == ["scripts/monitor_then_finalize.py", *flags]
    assert not (tmp_path / "pwned").exists()


def test_make_takes_no_value_from_the_environment(echo: str) -> None:
    done = make("finalize", python=echo, TAG="left_over", HOST="this-machine")
    assert json.loads(done.stdout) == ["scripts/post_run_sync_and_finalize.py"]


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_demo_may_say_no(code: int, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    assert (make("demo", python=str(program)).returncode == 0) == (code in (0, 1))


@pytest.mark.parametrize("code", [1, 7, 130])
def test_invoke_gives_the_exit_code_on(code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        tasks.run(Context(), "sh", "-c", f"exit {code}")
    assert ended.value.code == code


def test_invoke_leaves_out_what_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(tasks, "run", lambda _, *command, **_how: commands.append(command))
    tasks.detect_run(Context(), tag="run1", remote_root="a b", json=True)
    (command,) = commands
    script = str(PROJECT / "scripts" / "detect_run.py")
    assert command[1:] == (script, "--tag=run1", "--remote-root=a b", "--json")


def task_of(step: Step) -> str:
    """Return the lines of tasks.py for a step, as ruff formats them."""
    taken = "".join(f" | {name}" for name in step.make_values)
    names = [
        "tag",
        "host",
        "remote_root",
        "scheduler",
        "local_root",
        *map(str.lower, step.make_values),
    ]
    return f"""
@task(help=ONE_RUN{taken}, auto_shortflags=False)
def {step.name.replace("-", "_")}(
    ctx: Context,
{"".join(f"    {name}: Text = None,{chr(10)}" for name in names)}\
    json: bool = False,
    dry_run: bool = False,
) -> None:
    \"""{step.description[0].upper()}{step.description[1:]}.\"""
    run_script(ctx, "{step.script}", locals())
"""


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_step_has_its_task(step: Step) -> None:
    """When this fails, paste what it prints."""
    if task_of(step) not in (PROJECT / "tasks.py").read_text(encoding="utf-8"):
        pytest.fail(f"tasks.py: expected this:\n{task_of(step)}", pytrace=False)
