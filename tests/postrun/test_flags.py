"""--help: the docstring and the flags, and nothing imported that it does not need."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from postrun import flags
from postrun.core.errors import Usage
from postrun.core.locations import PROJECT

PROGRAMS = [path for path in (PROJECT / "scripts").glob("*.py") if "__main__" in path.read_text()]
# Each would take a tenth of it or more; what the work of a script needs comes with `dataclasses`.
UNNEEDED = {"dataclasses", "pathlib", "json", "subprocess", "postrun.cli", "postrun.ending"}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_script_that_is_asked_for_help_imports_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same help as its `main` gives."""
    monkeypatch.setattr("sys.argv", [str(path)])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        importlib.import_module(path.stem).main(["--help"])
    expected = capsys.readouterr().out
    assert expected.startswith(f"usage: {path.name} [-h]")
    command = [sys.executable, "-X", "importtime", str(path), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == expected
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert imported & UNNEEDED == set()


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("detect_run", ["--help"]),  # imported by another script
        ("__main__", ["--tag", "run1"]),
        ("__main__", ["--lock-wait", "soon", "--help"]),  # for `main`, which says what is wrong
    ],
)
def test_only_a_script_that_is_asked_for_help_ends(
    module: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["detect_run.py", *words])
    flags.ScriptFlags("doc", flags.add_target).answer_help(module)
    assert capsys.readouterr() == ("", "")


def test_an_empty_workspace_is_the_projects() -> None:
    asked = flags.ScriptFlags("doc", flags.add_root)
    assert asked.parse([]).local_root == PROJECT
    assert asked.parse(["--local-root", ""]).local_root == PROJECT
    assert asked.parse(["--local-root", "x/y"]).local_root == Path("x/y")
    with pytest.raises(Usage, match="unrecognized arguments: --loc"):
        asked.parse(["--loc", "x"])


def test_help_is_the_docstring_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    doc = "One line.\n\n    python x.py --tag 100%"
    with pytest.raises(SystemExit) as caught:
        flags.ScriptFlags(doc, flags.add_target).parse(["--help"])
    assert caught.value.code == 0
    assert f"{doc}\n" in capsys.readouterr().out
