"""The archive of a run: what is written is read back, and nothing else comes out."""

import errno
import hashlib
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import archive_files

RUN = "2026-02-21_031500_production_gates_t"
FOLDER = f"audit/workstation_runs/{RUN}"
LOG = f"{FOLDER}/run.log"
OTHER = f"{FOLDER}/superseded_evidence/1/x.csv"


def recorded(root: Path, name: str, content: bytes) -> dict[str, Any]:
    """Write a file; return what is recorded of it."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return {"path": name, "size": len(content), "sha256": sha256, "why": "nobody reads it"}


@pytest.fixture
def files(tmp_path: Path) -> list[dict[str, Any]]:
    return [recorded(tmp_path, LOG, b"line\n" * 1000), recorded(tmp_path, OTHER, b"")]


@pytest.fixture
def run_paths(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path, RUN, None)


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "audit/archive").glob("*"))


def test_two_files_are_written(run_paths: RunPaths, files: list[dict[str, Any]]) -> None:
    written = archive_files.write(run_paths, files)
    digits = written["archive_sha256"][:8]
    assert left(run_paths.root) == [f"{RUN}-{digits}.json", f"{RUN}-{digits}.tar.xz"]
    with tarfile.open(run_paths.root / written["archive"]) as archive:
        assert archive.getnames() == [LOG, OTHER]
        assert {(entry.uid, entry.uname) for entry in archive} == {(0, "")}


def test_the_same_files_make_the_same_bytes(
    run_paths: RunPaths, files: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = archive_files.write(run_paths, files)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    times = (run_paths.root / LOG).stat()
    os.utime(run_paths.root / LOG, ns=(times.st_atime_ns, times.st_mtime_ns // 10**9 * 10**9))
    assert archive_files.write(run_paths, files) == first


@pytest.mark.parametrize("content", [b"line\n" * 999, b"line\n" * 1001, b"LINE\n" * 1000])
def test_a_changed_file_is_refused(
    run_paths: RunPaths, files: list[dict[str, Any]], content: bytes
) -> None:
    (run_paths.root / LOG).write_bytes(content)
    with pytest.raises(Invalid, match=r"run\.log: expected the file that was recorded"):
        archive_files.write(run_paths, files)
    assert left(run_paths.root) == []


def test_a_file_that_becomes_shorter_is_refused(
    run_paths: RunPaths, files: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = archive_files._entry

    def cut(file: dict[str, Any], status: os.stat_result) -> tarfile.TarInfo:
        (run_paths.root / LOG).write_bytes(b"short")
        return entry(file, status)

    monkeypatch.setattr(archive_files, "_entry", cut)
    with pytest.raises(Invalid, match="a shorter one"):
        archive_files.write(run_paths, files)
    assert left(run_paths.root) == []


def test_a_fifo_is_not_waited_for(run_paths: RunPaths, files: list[dict[str, Any]]) -> None:
    (run_paths.root / LOG).unlink()
    os.mkfifo(run_paths.root / LOG)
    with pytest.raises(Missing, match="a regular file that can be read, found a FIFO"):
        archive_files.write(run_paths, files)


def test_what_was_written_is_read_back(
    run_paths: RunPaths, files: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not keep what is written is noticed before anything has its name."""
    fsync = os.fsync

    def spoil(descriptor: int) -> None:
        fsync(descriptor)
        os.pwrite(descriptor, b"\0" * 40, 60)

    monkeypatch.setattr(os, "fsync", spoil)
    with pytest.raises(Invalid, match="expected an archive that can be read to its end"):
        archive_files.write(run_paths, files)
    assert left(run_paths.root) == []


def test_another_file_of_its_name_stays(run_paths: RunPaths, files: list[dict[str, Any]]) -> None:
    archive = run_paths.root / archive_files.write(run_paths, files)["archive"]
    archive.write_text("mine")
    with pytest.raises(Invalid, match="expected nothing, or this very archive, found another"):
        archive_files.write(run_paths, files)
    assert archive.read_text() == "mine"


def test_a_full_disk_is_named(
    run_paths: RunPaths, files: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Missing, match="found No space left on device"):
        archive_files.write(run_paths, files)
    assert left(run_paths.root) == []


def test_files_come_out_as_they_were(run_paths: RunPaths, files: list[dict[str, Any]]) -> None:
    root = run_paths.root
    (root / LOG).chmod(0o600)
    written = archive_files.write(run_paths, files)
    before = (root / LOG).read_bytes()
    time = int((root / LOG).stat().st_mtime)
    (root / LOG).unlink()
    archive_files.extract(root, written["archive"], {LOG: files[0]})
    assert (root / LOG).read_bytes() == before
    status = (root / LOG).stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o600, time)


def test_nothing_comes_out_but_what_is_asked_for(
    run_paths: RunPaths, files: list[dict[str, Any]], tmp_path: Path
) -> None:
    """An archive may hold any names: only those of the index are written."""
    path = run_paths.root / "audit/archive/odd.tar.xz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:xz") as archive:
        entry = tarfile.TarInfo("../../outside")
        archive.addfile(entry)
    archive_files.extract(run_paths.root, "audit/archive/odd.tar.xz", {LOG: files[0]})
    assert not (tmp_path.parent / "outside").exists()


def test_another_content_is_not_given_a_name(
    run_paths: RunPaths, files: list[dict[str, Any]]
) -> None:
    written = archive_files.write(run_paths, files)
    (run_paths.root / LOG).unlink()
    wrong = {**files[0], "sha256": "0" * 64}
    with pytest.raises(Invalid, match=r"run.log in the archive: expected the file that was rec"):
        archive_files.extract(run_paths.root, written["archive"], {LOG: wrong})
    assert not (run_paths.root / LOG).exists()
    assert len(left(run_paths.root)) == 2
