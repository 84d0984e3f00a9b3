"""What a fresh machine meets: the locks, the setup, and files that name no machine but
the user's.
"""

import os
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

LOCKS = {
    f"requirements{kind}.in": f"requirements{kind}.txt"
    for kind in (
        "",
        "-notify",
        "-package",
        "-ask",
        "-mlflow",
        "-team",
        "-dev",
        "-mlflow-server",
        "-team-server",
    )
}
# Each is installed apart from all others.
SERVERS = ("requirements-mlflow-server.txt", "requirements-team-server.txt")
REGISTRY = "|".join(
    ["py" + r"pi\.(org|python)", "python" + "hosted"]
)  # in pieces, or this file would name it
ELSEWHERE = re.compile(
    rf"{REGISTRY}|(?<![\w.}}])/(work/(main|shared)|root|Users)/|{re.escape(str(PROJECT))}/"
)

_PINNED = r"[a-z0-9-]+(\[[a-z0-9,]+\])?==\S+ \\\n    --hash=sha256:[0-9a-f]{64}"


@pytest.mark.parametrize("lock", LOCKS.values())
def test_locks_pin_with_hashes_and_name_no_place(lock: str) -> None:
    text = (PROJECT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^(-|#)", text, flags=re.MULTILINE)
    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
        assert re.match(_PINNED, block), block[:80]


@pytest.mark.parametrize(("wanted", "lock"), LOCKS.items())
def test_locks_hold_what_is_wanted(wanted: str, lock: str) -> None:
    names = re.findall(
        r"^[a-z][a-z0-9-]*", (PROJECT / wanted).read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    pinned = re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z0-9,]+\])?==",
        (PROJECT / lock).read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert names
    assert set(names) <= set(pinned)


def test_the_locks_agree() -> None:
    names = [lock for lock in LOCKS.values() if lock not in SERVERS]
    locks = [(PROJECT / lock).read_text(encoding="utf-8") for lock in names]
    pins = [dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, flags=re.MULTILINE)) for text in locks]
    differ = [
        name
        for one, other in combinations(pins, 2)
        for name in one.keys() & other
        if one[name] != other[name]
    ]
    assert differ == []


def test_no_file_names_a_registry_or_somebodys_machine() -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(
        listed, cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    found = []
    for path in (
        PROJECT / name
        for name in names
        if name and not name.startswith(("audit/", "gate_results/"))
    ):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        found += [f"{path.relative_to(PROJECT)}: {hit[0]}" for hit in ELSEWHERE.finditer(text)]
    assert found == []


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Give a folder that is the whole PATH: a shell's few programs, and what a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "dirname", "id"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return folder


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def set_up(
    tmp_path: Path, bare: Path, kind: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "project" / ".ci" / "setup"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT / ".ci" / "setup", script)
    # Where this machine has its own programs is read past: /usr/sbin is for sshd alone.
    env = {"PATH": str(bare), "HOME": str(tmp_path), **environment}
    line = [str(bare / "sh"), str(script), kind]
    return subprocess.run(line, env=env, capture_output=True, text=True, check=False)


def test_an_old_python_is_refused_in_one_line(tmp_path: Path, bare: Path) -> None:
    program(bare, "python3", '[ "$1" = --version ] && echo Python 3.9.2 || exit 1')
    done = set_up(tmp_path, bare, "run")
    assert done.returncode == 3
    assert done.stderr.startswith("setup: Python 3.11 or newer is needed, found Python 3.9.2;")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("python", "found"), [("/nowhere", "none"), ("old", "Python 3.9.2"), ("sh", "none")]
)
def test_a_python_that_is_named_is_used_or_refused(
    tmp_path: Path, bare: Path, python: str, found: str
) -> None:
    """Another one that would do is not taken in its place."""
    program(bare, "python3", "exit 0")
    program(bare, "old", '[ "$1" = --version ] && echo Python 3.9.2 || exit 1')
    done = set_up(tmp_path, bare, "run", PYTHON=python)
    assert done.returncode == 2
    expected = f"setup: PYTHON={python}: expected Python 3.11 or newer, found {found}\n"
    assert done.stderr == expected


def test_make_setup_refuses_it_in_an_environment_that_is_ready(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    shutil.copytree(PROJECT / ".ci", tmp_path / ".ci")
    # The tests may run under `make` themselves; then it would also say which folder it enters.
    command = ["make", "--no-print-directory", "RUN=", "setup", "PYTHON=/nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "setup: PYTHON=/nowhere: expected Python 3.11 or newer, found none" in done.stderr
    command[-1] = "PYTHON=" + sys.executable
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ".venv is ready\n")


@pytest.mark.parametrize("kind", ["run", "dev"])
def test_without_apt_it_says_what_to_install(tmp_path: Path, bare: Path, kind: str) -> None:
    program(bare, "python3", "exit 0")
    done = set_up(tmp_path, bare, kind)
    assert done.returncode == 3
    assert "please install: rsync openssh-client procps" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_hook_asks_for_no_programs(tmp_path: Path, bare: Path) -> None:
    program(bare, "python3", '[ "$1" != -m ] || { echo "$@"; exit 9; }')
    done = set_up(tmp_path, bare, "hook")
    assert (done.returncode, done.stdout) == (9, "-m venv --clear .venv\n")


def test_the_newer_of_two_pythons_is_found(tmp_path: Path, bare: Path) -> None:
    program(bare, "python3", "exit 1")
    program(bare, "python3.12", '[ "$1" != -m ] || { echo twelve; exit 9; }')
    assert set_up(tmp_path, bare, "hook").stdout == "twelve\n"


def test_every_program_for_the_gate_is_executable() -> None:
    programs = [path for path in (PROJECT / ".ci").iterdir() if path.name != "cases_right"]
    assert all(os.access(path, os.X_OK) for path in programs if path.is_file())
