"""Writing: whole or not at all, also under kill -9; and locks that die with the process that held them."""

import errno
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postrun.core import disk
from postrun.core.errors import Locked, Missing

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
HEAD = f"import os, signal, sys, time; sys.path.insert(0, {str(SCRIPTS)!r}); from pathlib import Path\n"
HEAD += "from postrun import cli\nfrom postrun.core import disk\n"
HOLD = """
with disk.lock(Path(sys.argv[1]), wait=0, purpose="sync_run.py"):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
def work():
    with disk.lock(Path(sys.argv[1]), wait=float(sys.argv[2]), purpose="finalize_gate_run.py"):
        print("got it", flush=True)
    return 0
raise SystemExit(cli.guard(work))
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python programs that can import the project; none outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HEAD + program, *map(str, arguments)]
        pipe = subprocess.PIPE
        begun.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def held(start: Start, path: Path) -> "subprocess.Popen[str]":
    holder = start(HOLD, path)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replace_makes_folders_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a/b/x.json"
    assert disk.replace(path, b"one")
    assert path.read_bytes() == b"one"
    assert disk.replace(path, b"")
    assert path.read_bytes() == b""
    assert left(path.parent) == ["x.json"]


def test_equal_bytes_are_left_as_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    disk.replace(path, b"one")
    os.utime(path, (1, 1))
    before = path.stat()
    assert not disk.replace(path, b"one")
    assert (path.stat().st_mtime, path.stat().st_ino) == (1, before.st_ino)


def test_a_file_that_is_open_keeps_what_its_reader_saw(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    disk.replace(path, b"old")
    with path.open("rb") as reader:
        disk.replace(path, b"a new and longer one")
        assert reader.read() == b"old"


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_killed_in_mid_write_leaves_the_old_bytes(
    tmp_path: Path, start: Start, moment: str
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    program = f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    killed = start(program + "disk.replace(Path(sys.argv[1]), b'n' * 1_000_000)", path)
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    unfinished = [name for name in left(tmp_path) if name != "x.json"]
    assert len(unfinished) == 1, "it was killed while it wrote, not before"
    assert disk.replace(path, b"new"), "what it left behind is in nobody's way"
    assert path.read_bytes() == b"new"


def test_a_full_disk_leaves_the_old_bytes_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        Missing, match=r"x\.json: expected a place that can be written to, found No space left"
    ):
        disk.replace(path, b"new")
    assert (path.read_bytes(), left(tmp_path)) == (b"old", ["x.json"])


def test_a_line_that_the_disk_takes_half_of_is_none(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"{}\n")
    limit = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))\n"
    )
    program = (
        limit
        + "raise SystemExit(cli.guard(lambda: disk.append(Path(sys.argv[1]), b'n' * 99 + b'\\n')))"
    )
    full = start(program, path)
    _, told = full.communicate(timeout=30)
    assert (full.returncode, path.read_bytes()) == (3, b"{}\n")
    assert told == f"{path}: expected a place that can be written to, found File too large\n"


@pytest.mark.parametrize(
    "write",
    [
        lambda path: disk.replace(path, b""),
        lambda path: disk.append(path, b""),
        lambda path: disk.lock(path, 0, "").__enter__(),
    ],
)
def test_where_nothing_can_be_written_is_one_line(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(Missing, match="x: expected a place that can be written to, found "):
        write(tmp_path / "audit/x")
    assert left(tmp_path) == ["audit"]


def test_content_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        request.append("fsync")
        sync(handle)

    def moved(source: Path, target: Path) -> None:
        request.append("replace")
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    disk.replace(tmp_path / "x.json", b"new")
    assert request == ["fsync", "replace"]


@pytest.mark.parametrize(
    "name", ["x" * 255, "-rf", " ", "a\nb", "\u202egnp", "*", ".x.json.tmp", "é" * 100]
)
def test_any_name_that_the_disk_takes_can_be_written(tmp_path: Path, name: str) -> None:
    assert disk.replace(tmp_path / name, b"1")
    assert disk.replace(tmp_path / name, b"2")
    assert left(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"2"


def test_a_rehearsal_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"old")
    disk.DRY_RUN.set(True)
    assert disk.replace(path, b"new")
    assert capsys.readouterr().err == f"would write {path}\n"
    assert not disk.replace(path, b"old")
    assert disk.replace(tmp_path / "deep/y.json", b"new")
    disk.append(tmp_path / "log/z.jsonl", b"{}\n")
    disk.append(path, b"more")
    assert (left(tmp_path), path.read_bytes()) == (["x.json"], b"old")


def test_append_adds_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log/x.jsonl"
    disk.append(path, b"one\n")
    disk.append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_lines_of_two_processes_do_not_mix(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "x.jsonl"
    program = (
        "for _ in range(100): disk.append(Path(sys.argv[1]), sys.argv[2].encode() * 2000 + b'\\n')"
    )
    for writer in [start(program, path, letter) for letter in "ab"]:
        assert writer.communicate(timeout=60)[1] == ""
    lines = path.read_text().splitlines()
    assert sorted(lines) == ["a" * 2000] * 100 + ["b" * 2000] * 100


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_001])
def test_the_digest_is_sha256(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "x").write_bytes(content)
    assert disk.sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_a_lock_is_free_again_and_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "locks/workspace.lock"
    for purpose in ("a longer purpose", "short"):
        with disk.lock(path, wait=0, purpose=purpose):
            assert path.read_text().startswith(f"{purpose}, process {os.getpid()} on ")
    inode = path.stat().st_ino
    with pytest.raises(KeyError), disk.lock(path, wait=0, purpose="fails"):
        raise KeyError
    with disk.lock(path, wait=0, purpose="next"):
        assert path.stat().st_ino == inode


def test_who_waits_is_told_who_holds_and_gives_up_in_time(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "workspace.lock"
    holder = held(start, path)
    waiter = start(WAIT, path, 0.3)
    out, err = waiter.communicate(timeout=30)
    who = rf"sync_run\.py, process {holder.pid} on \S+"
    told = err.splitlines()
    assert (waiter.returncode, out, len(told)) == (Locked.exit_code, "", 2)
    assert re.fullmatch(f"waiting for {who}", told[0])
    assert re.fullmatch(
        rf"workspace\.lock: expected it free within 0\.3 s, found it held by {who}; .+", told[1]
    )


def test_without_patience_nothing_is_waited_for(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "workspace.lock"
    held(start, path)
    began = time.monotonic()
    with (
        pytest.raises(Locked, match=r"held by sync_run\.py"),
        disk.lock(path, wait=0, purpose="other"),
    ):
        pytest.fail("two hold one lock")
    assert time.monotonic() - began < 5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_the_waiter_gets_the_lock_when_the_holder(tmp_path: Path, start: Start, how: str) -> None:
    path = tmp_path / "workspace.lock"
    holder = held(start, path)
    waiter = start(WAIT, path, 60)
    assert waiter.stderr
    assert waiter.stderr.readline().startswith("waiting for sync_run.py"), (
        "only now is it sure to wait"
    )
    if how == "ends":
        holder.communicate(timeout=30)
    else:
        os.kill(holder.pid, signal.SIGKILL)
        assert holder.wait(timeout=30) == -signal.SIGKILL
    assert waiter.communicate(timeout=30)[0] == "got it\n"
    assert waiter.returncode == 0
