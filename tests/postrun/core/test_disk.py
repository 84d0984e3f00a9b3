"""Files are written whole or not at all, also when the process is killed or the disk is full."""

import errno
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from postrun.core import disk
from postrun.core.errors import Missing
from postrun.core.locations import PROJECT

IMPORTS = "import os, resource, signal, sys; from pathlib import Path\n"
IMPORTS += "sys.path.insert(0, sys.argv[1]); from postrun.core import disk\n"


def program(code: str, *arguments: object) -> list[str]:
    """Return the command of a small Python program that can import the project."""
    return [sys.executable, "-S", "-c", IMPORTS + code, f"{PROJECT}/scripts", *map(str, arguments)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replace_makes_folders_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a/b/x.json"
    assert disk.replace(path, b"one")
    assert path.read_bytes() == b"one"
    assert disk.replace(path, b"")
    assert path.read_bytes() == b""
    assert names(path.parent) == ["x.json"]


def test_equal_bytes_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    disk.replace(path, b"one")
    os.utime(path, (1, 1))
    before = path.stat()
    assert not disk.replace(path, b"one")
    assert (path.stat().st_mtime, path.stat().st_ino) == (1, before.st_ino)


def test_an_open_file_keeps_what_its_reader_saw(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    disk.replace(path, b"old")
    with path.open("rb") as reader:
        disk.replace(path, b"a new and longer one")
        assert reader.read() == b"old"


def test_the_file_behind_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "log.md").write_text("old")
    (tmp_path / "docs").mkdir()
    chain = tmp_path / "chain.md"
    links = {chain: vault / "log.md", tmp_path / "docs/relative.md": Path("../vault/log.md")}
    links[tmp_path / "docs/absolute.md"] = chain
    for number, (link, target) in enumerate(links.items()):
        link.symlink_to(target)
        content = str(number).encode()
        assert disk.replace(link, content)
        assert not disk.replace(link, content)
        assert link.readlink() == target
        assert (vault / "log.md").read_bytes() == content
    assert names(vault) == ["log.md"]
    assert names(tmp_path) == ["chain.md", "docs", "vault"]


@pytest.mark.parametrize("target", ["nowhere.md", "/no/such/vault/log.md", "log.md"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, target: str) -> None:
    link = tmp_path / "log.md"
    link.symlink_to(target)
    message = f"log.md: expected a symbolic link to a file, found a link to {target} "
    with pytest.raises(Missing, match=message):
        disk.replace(link, b"new")
    assert names(tmp_path) == ["log.md"]


@pytest.mark.parametrize("mode", [0o664, 0o600, 0o2770, 0o444])
def test_mode_and_group_of_a_file_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.md"
    path.write_text("old")
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    path.chmod(mode)
    os.utime(path, (1, 1))
    before = path.stat()
    disk.replace(path, b"new")
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_mtime > 1


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.mkdir()
    with pytest.raises(Missing, match=r"x\.json: expected a place"):
        disk.replace(path, b"new")
    with pytest.raises(Missing, match=r"x\.json: expected a file that can be read, found Is a d"):
        disk.read(path)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_killed_while_it_writes_leaves_the_old_bytes(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    code = f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "disk.replace(Path(sys.argv[2]), b'n' * 1_000_000)"
    killed = subprocess.run(program(code, path), timeout=30, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    unfinished = [name for name in names(tmp_path) if name != "x.json"]
    assert len(unfinished) == 1, "it was killed while it wrote, not before"
    assert disk.replace(path, b"new"), "what it left behind does not matter"
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_bytes_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    message = r"x\.json: expected a place that can be written to, found No space left"
    with pytest.raises(Missing, match=message):
        disk.replace(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["x.json"])


def test_where_nothing_can_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(Missing, match="x: expected a place that can be written to, found "):
        disk.replace(tmp_path / "audit/x", b"")
    assert names(tmp_path) == ["audit"]


def test_content_is_on_the_disk_before_the_name_is_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        calls.append("fsync")
        sync(handle)

    def moved(source: Path, target: Path) -> None:
        calls.append("replace")
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    disk.replace(tmp_path / "x.json", b"new")
    assert calls == ["fsync", "replace", "fsync"]
    calls.clear()
    disk.replace(tmp_path / "a/b/x.json", b"new")
    # Each of the two new names in its folder, then as before.
    assert calls == ["fsync", "fsync", "fsync", "replace", "fsync"]


@pytest.mark.parametrize(
    "name", ["x" * 255, "-rf", " ", "a\nb", "\u202egnp", "*", ".x.json.tmp", "é" * 100]
)
def test_any_name_that_the_disk_takes_can_be_written(tmp_path: Path, name: str) -> None:
    assert disk.replace(tmp_path / name, b"1")
    assert disk.replace(tmp_path / name, b"2")
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"2"


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    disk.DRY_RUN.set(True)
    assert disk.replace(path, b"new")
    assert capsys.readouterr().err == f"would write {path}\n"
    assert not disk.replace(path, b"old")
    assert disk.replace(tmp_path / "deep/y.json", b"new")
    assert (names(tmp_path), path.read_bytes()) == (["x.json"], b"old")


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_the_digest_is_sha256(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "x").write_bytes(content)
    assert disk.sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL = [
    (os.mkfifo, "a FIFO, not a regular file"),
    (make_socket, "a socket, not a regular file"),
    (make_device, "a device, not a regular file"),
    (Path.mkdir, "Is a directory"),
]


@pytest.mark.parametrize(("make", "found"), SPECIAL)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None], found: str
) -> None:
    path = tmp_path / "x.json"
    make(path)
    for read in (disk.read, disk.read_optional, disk.sha256):
        with pytest.raises(Missing, match=f"expected a file that can be read, found {found}"):
            read(path)
    with pytest.raises(Missing, match=f"a place that can be written to, found {found}"):
        disk.replace(path, b"new")
    assert names(tmp_path) == ["x.json"]


def test_a_link_that_leads_nowhere_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").symlink_to("nowhere")
    (tmp_path / "audit").symlink_to("/no/such/disk")
    (tmp_path / "loop").symlink_to("loop")
    assert disk.read_optional(tmp_path / "y.json") is None
    for path in (tmp_path / "x.json", tmp_path / "audit/y.json"):
        with pytest.raises(Missing, match="expected a symbolic link to a file, found a link to"):
            disk.read_optional(path)
    for path in (tmp_path / "loop", tmp_path / "loop/y.json"):
        with pytest.raises(Missing, match="found Too many levels of symbolic links"):
            disk.is_present(path)


def test_a_folder_that_cannot_be_written_through_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fail_for_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    assert disk.replace(tmp_path / "a/x.json", b"new")


@pytest.mark.parametrize("look", [disk.is_file, disk.is_folder, disk.is_present])
def test_what_cannot_be_known_is_not_absent(look: Callable[[Path], bool], tmp_path: Path) -> None:
    assert look(tmp_path / "nothing") is False
    with pytest.raises(Missing, match="found File name too long"):
        look(tmp_path / ("x" * 300))


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (disk.is_file(tmp_path), disk.is_folder(tmp_path)) == (False, True)
    assert (disk.is_file(tmp_path / "file"), disk.is_folder(tmp_path / "file")) == (True, False)
