"""Locks die with the process that held them, and those who wait learn who holds them."""

import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from postrun.core import disk, locks
from postrun.core.errors import Locked, Missing
from postrun.core.locations import PROJECT

IMPORTS = "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
IMPORTS += "from postrun.core import locks; from postrun.core.errors import Locked\n"
HOLD = """
with locks.hold(Path(sys.argv[2]), wait=0, purpose="sync_run.py"):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
try:
    with locks.hold(Path(sys.argv[2]), wait=float(sys.argv[3]), purpose="finalize_gate_run.py"):
        print("got it", flush=True)
except Locked as error:
    print(error, file=sys.stderr)
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python programs that can import the project; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-S", "-c", IMPORTS + code, f"{PROJECT}/scripts"]
        command += map(str, arguments)
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def start_holder(start: Start, path: Path) -> "subprocess.Popen[str]":
    holder = start(HOLD, path)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_lock_is_free_again_and_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "locks/workspace.lock"
    path.parent.mkdir()  # new folders would go with it
    for purpose in ("a longer purpose", "short"):
        with locks.hold(path, wait=0, purpose=purpose):
            assert path.read_text().startswith(f"{purpose}, process {os.getpid()} on ")
    inode = path.stat().st_ino
    with pytest.raises(KeyError), locks.hold(path, wait=0, purpose="fails"):
        raise KeyError
    with locks.hold(path, wait=0, purpose="next"):
        assert path.stat().st_ino == inode


def test_who_waits_in_a_line_that_moves_is_not_refused(start: Start, tmp_path: Path) -> None:
    """One of 16 writers had waited for 600 s while the others went before it."""
    path = tmp_path / "workspace.lock"
    holder = start_holder(start, path)
    waiter = start(WAIT, path, 1)
    for _ in range(8):
        time.sleep(0.3)
        os.utime(path)  # as when the next holder writes its name
    assert waiter.poll() is None
    holder.communicate("")
    assert waiter.communicate(timeout=60)[0] == "got it\n"


def test_where_nothing_can_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    message = "x: expected a place that can be written to, found "
    with pytest.raises(Missing, match=message), locks.hold(tmp_path / "audit/x", 0, ""):
        pytest.fail("there is no such folder")


def test_who_waits_learns_who_holds_and_gives_up_in_time(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "workspace.lock"
    holder = start_holder(start, path)
    out, err = start(WAIT, path, 0.3).communicate(timeout=30)
    who = rf"sync_run\.py, process {holder.pid} on \S+"
    first, second = err.splitlines()
    assert out == ""
    assert re.fullmatch(f"waiting for {who}", first)
    expected = rf"workspace\.lock: expected it free within 0\.3 s, found it held by {who}; .+"
    assert re.fullmatch(expected, second)


def test_without_a_wait_the_answer_comes_at_once(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "workspace.lock"
    start_holder(start, path)
    began = time.monotonic()
    locked = pytest.raises(Locked, match=r"held by sync_run\.py")
    with locked as caught, locks.hold(path, wait=0, purpose="other"):
        pytest.fail("two hold one lock")
    assert caught.value.exit_code == 9
    assert time.monotonic() - began < 5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_the_waiter_gets_the_lock_when_the_holder(tmp_path: Path, start: Start, how: str) -> None:
    path = tmp_path / "workspace.lock"
    holder = start_holder(start, path)
    waiter = start(WAIT, path, 60)
    assert waiter.stderr
    assert waiter.stderr.readline().startswith("waiting for sync_run.py"), "now it waits"
    if how == "ends":
        holder.communicate(timeout=30)
    else:
        os.kill(holder.pid, signal.SIGKILL)
        assert holder.wait(timeout=30) == -signal.SIGKILL
    assert waiter.communicate(timeout=30) == ("got it\n", "")


def test_a_lock_file_that_its_holder_removed_is_not_held_twice(
    start: Start, tmp_path: Path
) -> None:
    """Who waited for the removed file, and who makes a new one, would both hold a lock."""
    path = tmp_path / "new/run.lock"
    holder = start_holder(start, path)
    waiting = start(HOLD.replace("wait=0", "wait=20"), path)
    assert waiting.stderr
    assert waiting.stderr.readline().startswith("waiting for sync_run.py")
    assert holder.stdin
    holder.stdin.close()
    holder.stdin = None  # or the fixture would flush it again
    assert waiting.stdout
    assert waiting.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=r"held by sync_run\.py"), locks.hold(path, 0, "x"):
        pytest.fail("held twice")


def test_folders_that_only_a_lock_was_put_into_are_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "audit/.locks/run.lock"
    with locks.hold(path, wait=0, purpose="x"):
        assert path.exists()
    assert list(tmp_path.iterdir()) == []
    with locks.hold(path, wait=0, purpose="x"):
        (tmp_path / "audit/kept.txt").touch()
    assert path.exists()
    with locks.hold(path, wait=0, purpose="x"):
        pass
    assert path.exists(), "the folders were there before"


def test_a_folder_that_another_holder_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit/.locks/run.lock"
    real_open = disk.open_to_append
    removed: list[Path] = []

    def open_late(file: Path) -> FileIO:
        if not removed:
            file.parent.rmdir()
            removed.append(file)
        return real_open(file)

    monkeypatch.setattr(disk, "open_to_append", open_late)
    with locks.hold(path, wait=0, purpose="x"):
        assert path.exists()
    assert removed == [path]


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_link(path: Path) -> None:
    (path.parent / "notes.txt").write_text("a user's")
    path.symlink_to("notes.txt")


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (make_fifo, "a FIFO, not a regular file"),
        (make_socket, "a socket, not a regular file"),
        (make_link, "a symbolic link, not a regular file"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_what_is_no_regular_file_is_no_lock(
    tmp_path: Path, make: Callable[[Path], None], found: str
) -> None:
    path = tmp_path / "run.lock"
    make(path)
    before = {file.name for file in tmp_path.iterdir()}
    with pytest.raises(Missing, match=f"that can be written to, found {found}"):  # noqa: SIM117
        with locks.hold(path, wait=60, purpose="x"):
            pytest.fail("held")
    assert {file.name for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    expected = r"run\.lock: expected a file system with kernel locks \(flock\), found "
    with pytest.raises(Missing, match=expected + os.strerror(number)):  # noqa: SIM117
        with locks.hold(tmp_path / "run.lock", wait=600, purpose="x"):
            pytest.fail("held")


def test_a_folder_that_goes_while_a_lock_is_given_back(tmp_path: Path) -> None:
    """Two first closings at once: one's copy is complete as the other gives its lock back."""
    is_done = threading.Event()

    def work() -> None:
        number = 0
        while not is_done.is_set():
            number += 1
            folder = tmp_path / f"root/audit/copy{number % 50}"
            # The lock's owner may take the root away while it is empty.
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                folder.rmdir()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(1500):
            # As a lock whose folders were made for it.
            locks._remove_unused(tmp_path / f"{number}.lock", [tmp_path / "root"])
    finally:
        is_done.set()
        worker.join()
