"""A slice of the tamper matrix; the whole runs at night."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tamper_matrix
from harness import closed_workspace, factory, tampering, warm_script
from harness.closed_workspace import Ended
from harness.factory import make_run
from harness.workspace import Workspace

OWN = ("factory", "closed_workspace", "tampering", "warm_script")
MODULES = (tamper_matrix, closed_workspace, tampering, factory, warm_script)
SAMPLE = 10  # of all kinds; each takes a process of half a second


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with two closed runs. Only read it."""
    folder = tmp_path_factory.mktemp("tampered")
    workspace = Workspace(folder / "workstation", folder / "workspace")
    for number in (1, 2):
        tag = f"tampered{number}.{os.getpid()}"
        make_run(workspace.remote, tag=tag, stamp=f"2026-02-1{number}_031500")
        assert workspace.close(tag) == 0
    return workspace.local


def test_a_slice_is_named(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--workspace", str(closed), "--sample", str(SAMPLE), "--seed", "11"]
    code = tamper_matrix.main(flags)
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "named", "problem"),
    [
        (0, [], "exit code 0, named []"),
        (4, ["audit/other.json"], "named others only: ['audit/other.json']"),
        (4, ["closing_record.json"], "named others only"),
    ],
)
def test_what_is_not_named_is_listed(
    code: int,
    named: list[str],
    problem: str,
    closed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever judges a program must be able to find it wanting."""
    rows = [{"kind": "broken", "file": file} for file in named]
    whole = Ended(0, '{"findings": []}', "")
    answers = [whole, *[Ended(code, json.dumps({"findings": rows}), "")] * 3]
    monkeypatch.setattr(tamper_matrix, "verify", lambda *_: answers.pop(0))
    monkeypatch.setattr(tampering, "harmless", lambda _: [])
    assert tamper_matrix.main(["--workspace", str(closed), "--sample", "3"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sum(problem in line for line in lines if line.startswith("not named: ")) == 3


def test_a_harmless_change_must_not_be_named(
    closed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = closed_workspace.Made(closed.parent)
    (harmless, *_) = tampering.harmless(made)
    monkeypatch.setattr(tampering, "all_of", lambda *_: [harmless])
    answers = [Ended(0, '{"findings": []}', ""), Ended(4, '{"findings": []}', "")]
    monkeypatch.setattr(tamper_matrix, "verify", lambda *_: answers.pop(0))
    assert tamper_matrix.main(["--workspace", str(closed)]) == 1
    assert "not named: harmless: text above our marks: exit code 4" in capsys.readouterr().out


def test_a_broken_workspace_is_no_ground(closed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in tampering.files_of(closed):
        tampering.put(broken / name, (closed / name).read_bytes())
    tampering.flip("audit/stage_ledger.jsonl", 5, 0, broken)
    assert tamper_matrix.main(["--workspace", str(broken)]) == 1


def test_shards_have_everything_once(closed: Path) -> None:
    made = closed_workspace.Made(closed.parent)
    whole = tampering.all_of(made, 3)
    assert [str(row) for row in whole] == [str(row) for row in tampering.all_of(made, 3)]
    parts = []
    for part in (1, 2, 3):
        parts += tamper_matrix.choose(whole, f"{part}/3", None)
    assert sorted(map(str, parts)) == sorted(map(str, whole))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_nothing_is_imported_from_the_scripts(module: object) -> None:
    path = Path(str(module.__file__))  # type: ignore[attr-defined]
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name.name}" for name in node.names]
        for name in names:
            is_own = name.startswith(tuple(f"harness.{own}" for own in OWN))
            # Runs are made by the sample's own programs.
            is_own = is_own or name.partition(".")[0] == "made_runs"
            assert is_own or name.partition(".")[0] in sys.stdlib_module_names


def test_it_says_what_it_does() -> None:
    path = Path(str(tamper_matrix.__file__))
    done = subprocess.run(
        [sys.executable, str(path), "--help"], capture_output=True, text=True, check=True
    )
    assert "it must end" in done.stdout
    assert "--shard K/N" in done.stdout
