"""The file of a shard: what is written is read again, and what tells the files of a run."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.archive import run_folder
from postrun.core import disk, locations
from postrun.core.errors import Invalid, Missing
from postrun.store import shard_files
from postrun.store.shard_files import Results

ONE, TWO = run_folder("2026-02-16_031500"), run_folder("2026-02-17_031500")
HEADER = {"shard": "1/2", "cut": "abc"}
GATE = "production_gates_2026-02-16_031500"


def path_in(root: Path) -> Path:
    return shard_files.own_folder(root) / "rebuild-rows-2" / "1.jsonl"


def test_what_is_written_is_read(local: Path) -> None:
    """Text of any kind, unknown values and numbers come back as they were."""
    value = {"a": None, "b": 0.1 + 0.2, "c": [True, 1], "d": "caf\u00e9\u2028\n\udc80"}
    results = Results({ONE: value}, {TWO: "broken"}, {ONE: "s1", TWO: "s2"})
    path = path_in(local)
    shard_files.write(path, HEADER, results)
    assert shard_files.read("a shard", path, HEADER, [ONE, TWO]) == results
    modes = [place.stat().st_mode & 0o777 for place in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_other_runs_are_refused(local: Path) -> None:
    path = path_in(local)
    shard_files.write(path, HEADER, Results({ONE: 1}, {}, {ONE: "s1"}))
    for runs in ([], [TWO], [ONE, TWO]):
        with pytest.raises(Invalid, match="the runs of its part, found others"):
            shard_files.read("a shard", path, HEADER, runs)


@pytest.mark.parametrize("name", sorted(HEADER))
def test_another_header_is_refused(local: Path, name: str) -> None:
    path = path_in(local)
    shard_files.write(path, HEADER, Results())
    with pytest.raises(Invalid, match=f"{HEADER[name]}1, found '{HEADER[name]}'"):
        shard_files.read("a shard", path, {**HEADER, name: f"{HEADER[name]}1"}, [])


def test_no_file(local: Path) -> None:
    with pytest.raises(Missing, match="a shard: expected its result, found none"):
        shard_files.read("a shard", path_in(local), HEADER, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another account")
def test_a_file_of_another_account_is_refused(local: Path) -> None:
    path = path_in(local)
    shard_files.write(path, HEADER, Results())
    for place in (path, path.parent, path.parent.parent):
        os.chown(place, 12345, -1)
        with pytest.raises(Invalid, match=f"another owner: {place}"):
            shard_files.read("a shard", path, HEADER, [])
        os.chown(place, 0, -1)
    shard_files.read("a shard", path, HEADER, [])


def test_a_dry_run_writes_nothing(local: Path) -> None:
    disk.DRY_RUN.set(True)
    shard_files.write(path_in(local), HEADER, Results())
    assert not (local / locations.CACHES).exists()


def make_run(root: Path) -> Path:
    folder = root / locations.RUNS / ONE
    (folder / "data_quality").mkdir(parents=True)
    (folder / "run_detection.json").write_text(f'{{"gate_folder": "{GATE}"}}')
    gate = root / locations.GATES / GATE
    gate.mkdir(parents=True)
    for file in (folder / "run.log", folder / "data_quality/report.json", gate / "report.json"):
        file.write_text("12345")
    (folder / "link").symlink_to(root / "outside")
    (root / "outside").write_text("1")
    return folder


def _same_bytes(root: Path) -> None:
    (root / locations.RUNS / ONE / "run.log").write_text("12345")


def _deep_in_the_gate_folder(root: Path) -> None:
    (root / locations.GATES / GATE / "report.json").write_text("54321")


def _times_put_back(root: Path) -> None:
    file = root / locations.RUNS / ONE / "data_quality/report.json"
    times = file.stat()
    file.write_text("54321")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def _one_more(root: Path) -> None:
    (root / locations.RUNS / ONE / "new").touch()


def _one_fewer(root: Path) -> None:
    (root / locations.RUNS / ONE / "run.log").unlink()


def _behind_a_link(root: Path) -> None:
    (root / "outside").write_text("2")


def _gone(root: Path) -> None:
    shutil.rmtree(root / locations.RUNS / ONE)


CHANGES = (
    _same_bytes,
    _deep_in_the_gate_folder,
    _times_put_back,
    _one_more,
    _one_fewer,
    _behind_a_link,
    _gone,
)


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_written_into_a_run_is_seen(
    local: Path, change: Callable[[Path], None]
) -> None:
    make_run(local)
    before = shard_files.stamp_all(local, [ONE, TWO])
    assert shard_files.stamp_all(local, [ONE, TWO]) == before
    time.sleep(0.05)  # within a tick of its clock, a file system gives the same times
    change(local)
    after = shard_files.stamp_all(local, [ONE, TWO])
    assert after[ONE] != before[ONE]
    assert after[TWO] == before[TWO]


def test_a_detection_leads_nowhere_else(local: Path) -> None:
    """What is no gate folder's name is no path."""
    folder = make_run(local)
    for gate in ('"../../x"', '"/etc"', "7", "null"):
        (folder / "run_detection.json").write_text(f'{{"gate_folder": {gate}}}')
        assert shard_files.stamp_all(local, [ONE])


def test_many_runs_are_looked_at_on_all_cores(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(local)
    alone = shard_files.stamp_all(local, [ONE, TWO])
    monkeypatch.setattr(shard_files, "_STAMPED_AT_ONCE", 1)
    assert shard_files.stamp_all(local, [ONE, TWO]) == alone
