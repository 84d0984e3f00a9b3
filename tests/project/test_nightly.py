"""`make nightly`: everything is run, one table says what is worse than expected."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postrun.core.locations import PROJECT

Cases = Callable[..., Path]


def load() -> Any:
    """Return the program, which is in a folder that no import finds."""
    spec = importlib.util.spec_from_file_location("nightly", PROJECT / ".ci/nightly.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["nightly"] = module
    spec.loader.exec_module(module)
    return module


nightly = load()


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cases:
    """Return what makes a folder of cases and the list of those that are right; no check is run."""
    monkeypatch.setattr(nightly, "CHECKS", {"tests": ("true",)})
    monkeypatch.setattr(nightly, "RIGHT_CASES", tmp_path / "right")

    def make(right: str, **scripts: str) -> Path:
        (tmp_path / "right").write_text(right)
        for name, script in scripts.items():
            (tmp_path / "cases" / name).mkdir(parents=True)
            (tmp_path / "cases" / name / "run.sh").write_text(script)
        return tmp_path / "cases"

    return make


def run(folder: Path, *flags: str) -> int:
    code: int = nightly.main(["--cases", str(folder), *flags])
    return code


def test_a_case_that_is_known_to_be_wrong_fails_nothing(
    cases: Cases, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = cases("good\n", good='test -d "$1/scripts"', bad="exit 1", new="exit 0")
    assert run(folder) == 0
    table = capfd.readouterr().out.splitlines()[-5:]
    assert [line.split()[0] for line in table] == ["right", "wrong", "right", "right", "4"]
    assert table[3].endswith("new  now right: add it to .ci/cases_right")
    assert table[4] == "4 run, 0 worse than expected"


def test_a_case_that_was_right_fails_the_night(
    cases: Cases, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(cases("good\n", good="exit 1")) == 1
    assert "good  WORSE" in capfd.readouterr().out


def test_a_check_that_fails_fails_the_night(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nightly, "CHECKS", {"tests": ("false",)})
    assert run(cases("")) == 1


def test_a_case_without_an_end_is_ended_with_all_it_started(
    cases: Cases, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = cases("", slow=f"(sleep 3; touch {tmp_path}/left) & wait")
    assert run(folder, "--minutes", "0.001") == 0
    assert "no end within" in capfd.readouterr().err
    assert not (tmp_path / "left").exists()


def test_a_case_that_changes_the_machine_runs_when_it_is_asked_for(
    cases: Cases, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nightly, "SKIPPED_CASES", ("adds",))
    folder = cases("adds\n", adds="exit 1")
    assert run(folder) == 0
    assert "skipped" in capfd.readouterr().out
    assert run(folder, "--every-case") == 1


def test_without_cases_beside_the_checkout_there_are_none(cases: Cases, tmp_path: Path) -> None:
    cases("")
    assert run(tmp_path / "nowhere") == 0


def test_the_list_of_right_cases_names_each_once() -> None:
    names = (PROJECT / ".ci/cases_right").read_text().splitlines()
    assert names == sorted(set(names))
