"""Which files are as they were: what the file system says is believed only when it is certain."""

import os
from pathlib import Path

import pytest

from postrun.core import disk
from postrun.store import known_files


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


def test_a_file_that_may_have_changed_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    digest = disk.digest

    def counted(path: Path) -> str:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(disk, "digest", counted)
    monkeypatch.setattr(known_files, "_CLOCK_TICK", 0)
    path = tmp_path / "page"
    path.write_bytes(b"one")
    digests = {"page": disk.content_digest(b"one"), "gone": disk.content_digest(b"")}
    for times in (1, 1):
        assert known_files.find_same(tmp_path, digests) == {"page"}
        assert read.count(path) == times
    # The same number of bytes, and the time of before.
    found = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert known_files.find_same(tmp_path, digests) == set()
    other = {"page": disk.content_digest(b"two")}
    assert known_files.find_same(tmp_path, other) == {"page"}
    assert known_files.find_same(tmp_path, digests) == set()


def test_a_file_of_this_moment_is_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_files, "_CLOCK_TICK", 10**12)
    path = tmp_path / "page"
    path.write_bytes(b"one")
    digests = {"page": disk.content_digest(b"one")}
    assert known_files.find_same(tmp_path, digests) == {"page"}
    path.write_bytes(b"two")
    assert known_files.find_same(tmp_path, digests) == set()
