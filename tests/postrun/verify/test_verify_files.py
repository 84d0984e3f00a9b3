"""Reading whatever is in place of a file: nothing is waited for, nothing is a traceback."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from postrun.verify import files

WORKS = Path("/dev/zero")


def test_the_digest_of_a_file_and_of_one_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    digest = hashlib.sha256(b"content").hexdigest()
    for name in ("file", "link"):
        assert files.digest(tmp_path / name) == files.Digest(digest)
    assert str(files.Digest(digest)) == f"SHA-256 {digest[:16]}..."
    assert files.read(tmp_path / "link") == b"content"


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dead").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        found = {path.name: str(files.digest(path)) for path in tmp_path.iterdir()}
    assert found == {
        "fifo": "a FIFO",
        "folder": "a folder",
        "loop": "Too many levels of symbolic links",
        "dead": "nothing there",
        "socket": "a socket",
    }
    assert str(files.digest(WORKS)) == "a device"
    assert str(files.digest(tmp_path / "gone")) == "nothing there"
    assert files.kind_of(tmp_path / "dead") == "a symbolic link"
    with pytest.raises(files.Unreadable, match="a FIFO"):
        files.read(tmp_path / "fifo")


def test_a_walk_enters_folders_but_no_links(tmp_path: Path) -> None:
    (tmp_path / "top/deep").mkdir(parents=True)
    for name in ("top/b", "top/a", "top/deep/c"):
        (tmp_path / name).touch()
    (tmp_path / "top/link").symlink_to("deep")
    unreadable: dict[str, str] = {}
    assert list(files.walk(tmp_path, "top", unreadable)) == [
        "top/a",
        "top/b",
        "top/deep/c",
        "top/link",
    ]
    assert list(files.list_files(tmp_path, "top", unreadable)) == ["top/a", "top/b"]
    (tmp_path / "top/loop").symlink_to("loop")
    assert list(files.list_files(tmp_path, "top", unreadable)) == ["top/a", "top/b", "top/loop"]
    assert list(files.walk(tmp_path, "gone", unreadable)) == []
    assert unreadable == {}
    assert list(files.walk(tmp_path, "top/a", unreadable)) == []
    assert unreadable == {"top/a": "Not a directory"}
