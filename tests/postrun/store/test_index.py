"""The index is a cache: whatever became of its file, the answer is that of the bytes of today."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postrun.core import disk
from postrun.store import index


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


def _files(caches: Path) -> list[Path]:
    return list(caches.glob("postrun/*.sqlite"))


def _word(connection: sqlite3.Connection) -> str:
    """Return a word that the index keeps; made anew when it is not there."""
    if not index.is_made_of(connection, "word", "of today"):
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DROP TABLE IF EXISTS word")
            connection.execute("CREATE TABLE word (word TEXT)")
            connection.execute("INSERT INTO word VALUES ('made')")
            index.note(connection, "word", "of today")
    (word,) = connection.execute("SELECT word FROM word").fetchone()
    return str(word)


def test_one_file_a_workspace_that_nobody_else_may_read(tmp_path: Path, caches: Path) -> None:
    for name in ("one", "two", "one"):
        assert index.use(tmp_path / name, _word) == "made"
    assert len(_files(caches)) == 2
    assert (caches / "postrun").stat().st_mode & 0o077 == 0


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    index.use(tmp_path, _word)

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE word SET word = 'found'")

    index.use(tmp_path, change)
    assert index.use(tmp_path, _word) == "found"


def test_a_damaged_file_is_no_obstacle(tmp_path: Path, caches: Path) -> None:
    index.use(tmp_path, _word)
    index.use(tmp_path, sqlite3.Connection.close)
    index._connections.clear()
    (file,) = _files(caches)
    file.write_bytes(os.urandom(8000))
    assert index.use(tmp_path, _word) == "made"
    assert not file.exists()
    assert index.use(tmp_path, _word) == "made"
    assert _files(caches) == [file]


@pytest.mark.parametrize("place", ["a file", "not writable"])
def test_a_folder_that_cannot_be_used(
    tmp_path: Path, caches: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(index, "_connections", {})
    if place == "a file":
        caches.write_text("not a folder")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert index.use(tmp_path, _word) == "made"


def test_whoever_only_checks_believes_no_file(tmp_path: Path) -> None:
    index.use(tmp_path, _word)

    def forge(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE word SET word = 'forged'")

    index.use(tmp_path, forge)
    with disk.captured():
        assert index.use(tmp_path, _word) == "made"


def test_a_child_opens_its_own(tmp_path: Path) -> None:
    index.use(tmp_path, _word)
    child = os.fork()
    if child == 0:
        os._exit(0 if index.use(tmp_path, _word) == "made" else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert index.use(tmp_path, _word) == "made"


def test_many_workspaces_leave_no_file_open(tmp_path: Path) -> None:
    index.use(tmp_path / "first", _word)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(20):
        index.use(tmp_path / str(number), _word)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_threads_take_turns(tmp_path: Path) -> None:
    index.use(tmp_path, _word)
    with ThreadPoolExecutor(8) as threads:
        words = threads.map(lambda number: index.use(tmp_path / str(number % 2), _word), range(40))
        assert set(words) == {"made"}
