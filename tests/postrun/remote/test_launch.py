"""Starting a run on the workstation: what it needs is looked for first, and a lost
answer is said.
"""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from postrun.core import disk
from postrun.core.errors import AmbiguousRun, Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide.planning import RemoteFiles
from postrun.remote import launch
from postrun.remote.launch import RunStart

COMMAND = ["python", "launcher.py", "--tag", "run 1"]


class Workstation:
    """A workstation that has one file and one tag, and a launcher that ends as it is told."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.launched: list[list[str]] = []

    def __enter__(self) -> "Workstation":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def list_files(self, _: Sequence[str]) -> RemoteFiles:
        return RemoteFiles({"data.csv"}, {"taken"})

    def launch(self, command: Sequence[str]) -> tuple[int, str]:
        self.launched.append(list(command))
        if self.code is None:
            raise Unreachable("workstation bench", "an answer", "none")
        return self.code, "started\nrun folder x"


def start(
    monkeypatch: pytest.MonkeyPatch,
    station: Workstation,
    tag: str = "free",
    files: Sequence[str] = ("data.csv",),
    as_json: bool = False,
    scheduler: str | None = None,
) -> int:
    monkeypatch.setattr(launch, "open_workstation", lambda _: station)
    request = RunRequest(Path(), tag=tag, host="bench", scheduler=scheduler)
    run = RunStart("the planned run", tag, COMMAND, files)
    return launch.start(request, [run], "take another", as_json)


@pytest.mark.parametrize(("code", "exit_code"), [(0, 0), (1, 1), (7, 1)])
def test_the_launchers_words_and_code_are_handed_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, exit_code: int
) -> None:
    assert start(monkeypatch, Workstation(code)) == exit_code
    written = capsys.readouterr()
    assert written.out == "python launcher.py --tag 'run 1'\n"
    ending = f"the planned run: the launcher ended with exit code {code}"
    assert written.err.splitlines() == ["started", "run folder x", ending]


def test_json_is_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(monkeypatch, Workstation(0), as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["argv"]) == (0, COMMAND)
    assert document["environment"] == {}


def test_what_is_lacking_or_taken_is_said_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    station = Workstation(0)
    with pytest.raises(Missing, match=r"no other\.csv"):
        start(monkeypatch, station, files=["data.csv", "other.csv"])
    with pytest.raises(AmbiguousRun, match="take another"):
        start(monkeypatch, station, tag="taken")
    assert station.launched == []


def test_a_dry_run_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    station = Workstation(0)
    disk.DRY_RUN.set(True)
    assert start(monkeypatch, station) == 0
    assert station.launched == []


def test_a_lost_answer_may_have_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="make monitor-then-finalize TAG=free"):
        start(monkeypatch, Workstation(None))


def test_where_a_scheduler_starts_jobs_the_command_is_submitted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    station = Workstation(0)
    assert start(monkeypatch, station, scheduler="slurm") == 0
    [argv] = station.launched
    assert argv[:4] == ["sbatch", "--no-requeue", "--comment", "postrun:free"]
    assert argv[-1] == shlex.join(COMMAND)
    written = capsys.readouterr()
    assert shlex.split(written.out) == argv
    assert "the planned run: sbatch ended with exit code 0" in written.err
