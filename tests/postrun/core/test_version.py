"""The version: the release, and the commit of the checkout that the program runs from."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from postrun.core import version
from postrun.core.locations import PROJECT

SCRIPTS = sorted(path for path in (PROJECT / "scripts").glob("*.py") if path.name != "steps.py")
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the version of a program that lies in this folder."""
    monkeypatch.setattr(version, "PROJECT", folder)
    return version.program_version.__wrapped__()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts/x.py").write_text("1\n")
    (folder / "README.md").write_text("1\n")
    git(folder, "init", "--quiet")
    return folder


def test_a_checkout_is_named_by_its_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(checkout, monkeypatch) == version.RELEASE, "nothing is committed yet"
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "-m", "x")
    commit = git(checkout, "rev-parse", "HEAD")
    clean = f"{version.RELEASE}+g{commit[:7]}"
    assert asked(checkout, monkeypatch) == clean
    (checkout / "README.md").write_text("2\n")
    (checkout / "scripts/new.log").write_text("2\n")
    assert asked(checkout, monkeypatch) == clean, "neither is part of the program"
    (checkout / "scripts/x.py").write_text("2\n")
    assert asked(checkout, monkeypatch) == f"{clean}.dirty"


def test_a_copy_has_the_release_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the copy lies in a repository of somebody else, or git cannot be started."""
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "-m", "x")
    assert asked(checkout / "scripts", monkeypatch) == version.RELEASE
    monkeypatch.setenv("PATH", str(checkout))
    assert asked(checkout, monkeypatch) == version.RELEASE


def test_gits_variables_of_a_hook_do_not_matter(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "-m", "x")
    before = asked(checkout, monkeypatch)
    monkeypatch.setenv("GIT_DIR", str(checkout / "elsewhere"))
    assert asked(checkout, monkeypatch) == before != version.RELEASE


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_shows_it(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [str(script)])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(script.stem).main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{script.name} {version.program_version()}\n"


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    """From another folder, uninstalled, without site-packages (-S)."""
    command = [sys.executable, "-S", str(PROJECT / "scripts/detect_run.py"), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"detect_run.py {version.program_version()}\n"


def test_the_release_is_the_newest_of_the_changelog() -> None:
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$", CHANGELOG, re.MULTILINE)
    assert releases[0] == version.RELEASE
    assert len(set(releases)) == len(releases)


def test_help_and_import_ask_no_git(tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    program.chmod(0o755)
    assert shutil.which("git", path=str(tmp_path))
    script = PROJECT / "scripts/post_run_sync_and_finalize.py"
    for flag in ("--help", "--list"):
        command = [sys.executable, str(script), flag]
        subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, check=True)
    assert not (tmp_path / "asked").exists()
