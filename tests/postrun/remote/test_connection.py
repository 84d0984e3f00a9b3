"""The one SSH connection of a process: one login for everything, nothing left behind however the
process ends, ssh's own words for every failure, and timeouts that end what they stop.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import factory, ssh_setups
from harness.factory import put
from harness.programs import SCRIPTS, Program, run_script, wait_for
from harness.ssh_setups import Client, Ground
from harness.sshd import HOST, Sshd
from harness.workspace import location_flags
from postrun.core.errors import HostRejected, PostRunError, Unreachable
from postrun.remote import hosts, openssh, workstation
from postrun.remote.workstation import Workstation

TAG = f"connection{os.getpid()}"  # tests side by side must not see each other's processes
RUN_PATH = f"audit/workstation_runs/2026-02-21_031500_production_gates_{TAG}"
ONE_SECOND = 1.0  # after the end of a process: nothing of its connection is left


def nightly(value: object) -> Any:
    return pytest.param(value, marks=pytest.mark.nightly)


@pytest.fixture(autouse=True)
def no_connections() -> Iterator[None]:
    """Begin and end without a connection, as a process does."""
    openssh._version.cache_clear()
    yield
    hosts.close_all()
    openssh._version.cache_clear()


@pytest.fixture
def client(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with ssh_setups.client(ground, monkeypatch) as made:
        made.write(made.block())
        yield made
        ground.server.set_profile("")


def connect(host: str, root: Path, **settings: float) -> Workstation:
    timeouts = {"connect_timeout_s": 5, "probe_timeout_s": 30}
    return workstation.connect(host, str(root), timeouts | settings)


def processes(words: str) -> list[str]:
    """Return the command lines of this machine that have these words."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listing.splitlines() if words in line]


def left_of(client: Client) -> list[str]:
    """Return what is left of connections: processes of ssh, and sockets."""
    sockets = [str(path) for path in client.runtime.rglob("*") if path.is_socket()]
    ours = [line for line in processes(str(client.config)) if " ssh " in line or "/ssh " in line]
    return ours + sockets


# --- one login


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ("post_run_sync_and_finalize", ("--tag", TAG)),
        ("monitor_then_finalize", ("--tag", TAG, "--grace", "0.1", "--interval", "0.1")),
        ("watch_runs", ("--once", "--all", "--grace", "0.1", "--interval", "0.1")),
    ],
)
def test_a_flow_logs_in_once(
    script: str, flags: tuple[str, ...], client: Client, remote: Path, local: Path
) -> None:
    factory.make_run(remote, tag=TAG)
    done = run_script(script, *flags, *location_flags(remote, local, HOST))
    assert done.code == 0, done.err
    assert client.logins() == 1
    hosts.close_all()
    assert left_of(client) == []


def test_the_users_open_connection_is_used_and_stays(client: Client, remote: Path) -> None:
    factory.make_run(remote, tag=TAG)
    client.write(client.block(ControlPath=f"{client.folder}/cm"))
    client.open_master(HOST)
    before = client.logins()
    opened = connect(HOST, remote)
    assert opened.list_run(TAG).folders
    copy = client.folder / "copy"
    opened.copy_files({RUN_PATH: ["context.json"]}, copy, show_progress=False)
    assert len(list(copy.glob("*/context.json"))) == 1
    opened.close()
    assert client.logins() == before
    assert client.is_open(HOST)


def test_threads_share_one_login(client: Client, remote: Path) -> None:
    """A monitor polls in threads while it closes a run."""
    factory.make_run(remote, tag=TAG)
    stations = [connect(HOST, remote) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        listings = list(pool.map(lambda station: station.list_run(TAG), stations))
    assert all(listing.folders for listing in listings)
    assert client.logins() == 1


# --- nothing left


def watch(root: Path, local: Path) -> Program:
    flags = [*location_flags(root, local, HOST), "--interval", "0.3", "--grace", "60", "--all"]
    return Program("watch_runs.py", flags)


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, signal.SIGTERM, nightly(signal.SIGINT), nightly(signal.SIGHUP)]
)
def test_nothing_is_left_of_a_monitor_that_is_killed(
    how: signal.Signals, client: Client, remote: Path, local: Path
) -> None:
    factory.make_run(remote, tag=TAG, change=_without_result)
    program = watch(remote, local)
    try:
        program.await_line(TAG)
        assert left_of(client) != []
        os.kill(program.pid, how)
        program.end(5)
        time.sleep(ONE_SECOND)
        assert left_of(client) == []
        wait_for(lambda: not ssh_sessions(client.ground.server), 5)
    finally:
        program.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, nightly(signal.SIGTERM), nightly(signal.SIGINT)])
def test_nothing_is_left_of_a_flow_that_is_killed_while_it_copies(
    how: signal.Signals, client: Client, remote: Path, local: Path, tmp_path: Path
) -> None:
    factory.make_run(remote, tag=TAG)
    flag = tmp_path / "copying"
    slow_rsync(client.ground.server, tmp_path / "bin", f"echo $$ > {flag}; exec sleep 60")
    flags = ["--tag", TAG, *location_flags(remote, local, HOST)]
    program = Program("post_run_sync_and_finalize.py", flags)
    try:
        wait_for(flag.exists)
        os.kill(program.pid, how)
        program.end(5)
        time.sleep(ONE_SECOND)
        assert left_of(client) == []
        assert processes(f"{local}/audit") == [], "rsync goes on by itself"
    finally:
        program.stop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(flag.read_text()), signal.SIGKILL)


def test_a_killed_flow_leaves_the_users_connection_open(
    client: Client, remote: Path, local: Path
) -> None:
    factory.make_run(remote, tag=TAG, change=_without_result)
    client.write(client.block(ControlPath=f"{client.folder}/cm"))
    client.open_master(HOST)
    program = watch(remote, local)
    try:
        program.await_line(TAG)
        program.kill()
        program.end(5)
        time.sleep(ONE_SECOND)
        assert client.is_open(HOST)
    finally:
        program.stop()


def test_ctrl_c_does_not_wait_for_a_login(client: Client, remote: Path, local: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client.write(client.block(Port=str(silent.getsockname()[1])))
        program = watch(remote, local)
        try:
            silent.settimeout(20)
            held, _ = silent.accept()
            program.interrupt()
            began = time.monotonic()
            assert program.end(20) == 130
            assert time.monotonic() - began < 3
            wait_for(lambda: left_of(client) == [], ONE_SECOND)
            held.close()
        finally:
            program.stop()


ENDS = """
import sys
from postrun.remote import hosts, openssh, workstation
opened = workstation.connect("bench", sys.argv[1], {"connect_timeout_s": 5, "probe_timeout_s": 30})
opened.list_run("x")
"""


@pytest.mark.parametrize(
    "end", ["", nightly("raise RuntimeError"), "import os; os._exit(0)", nightly("sys.exit(3)")]
)
def test_nothing_is_left_of_a_connection_that_nobody_closed(
    end: str, client: Client, remote: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-c", ENDS + end, str(remote)]
    subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30)
    assert client.logins() == 1
    time.sleep(ONE_SECOND)
    assert left_of(client) == []


def test_an_exception_closes_it(client: Client, remote: Path) -> None:
    opened = connect(HOST, remote)
    with pytest.raises(PostRunError):
        opened.digests(["nowhere"])
    opened.close()
    wait_for(lambda: left_of(client) == [], ONE_SECOND)


@pytest.mark.parametrize("kind", ["a link", "open to all", "a file", "long", "unset"])
def test_a_folder_for_the_socket_that_cannot_be_used_does_no_harm(
    kind: str, client: Client, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others could put a socket of theirs there."""
    factory.make_run(remote, tag=TAG)
    target = client.folder / "target"
    target.mkdir(mode=0o700)
    folder = client.runtime / "postrun"
    if kind == "a link":
        folder.symlink_to(target)
    elif kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "a file":
        folder.write_text("")
    elif kind == "long":
        long = client.folder / "long" / ("x" * 80)
        long.mkdir(parents=True)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    else:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    opened = connect(HOST, remote)
    assert opened.list_run(TAG).folders
    assert list(target.iterdir()) == []
    if folder.is_dir():
        assert list(folder.iterdir()) == []
    opened.close()


# --- what went wrong, in ssh's words

STUB = """\
case "$1 $2" in "-V "*) echo OpenSSH_9.2p1 >&2; exit 0;; esac
case " $* " in *" -O check "*) exit 255;; esac
printf '%s\\n' "$WORDS" >&2
exit "$CODE"
"""
REFUSALS = [
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
    "No ED25519 host key is known for bench and you have requested strict checking.\n"
    "Host key verification failed.",
    "@       WARNING: REVOKED HOST KEY DETECTED!               @\n"
    "The ED25519 host key for bench is marked as revoked.",
    "hui@bench: Permission denied (publickey,password).",
    "Received disconnect from 10.0.0.5 port 22:2: Too many authentication failures\n"
    "Disconnected from 10.0.0.5 port 22",
    "/home/hui/.ssh/config: line 3: Bad configuration option: bogus\n"
    "/home/hui/.ssh/config: terminating, 1 bad configuration options",
    "Bad owner or permissions on /home/hui/.ssh/config",
    "hostname contains invalid characters",
    "usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] [-B bind_interface]",
    'unix_listener: path "/run/x" too long for Unix domain socket',
]
FIRST_CONTACT = [
    "ssh: Could not resolve hostname bench: Name or service not known",
    "ssh: Could not resolve hostname bench: nodename nor servname provided, or not known",
]
OUTAGES = [
    "ssh: Could not resolve hostname bench: Temporary failure in name resolution",
    "ssh: connect to host bench port 22: Connection refused",
    "ssh: connect to host bench port 22: Connection timed out",
    "ssh: connect to host bench port 22: No route to host",
    "ssh: connect to host bench port 22: Network is unreachable",
    "kex_exchange_identification: read: Connection reset by peer",
    "Connection closed by 10.0.0.5 port 22",
    "client_loop: send disconnect: Broken pipe",
    "Timeout, server bench not responding.",
    "words that nobody has ever seen",
    "",
]
PADDED = "** authorised use only **\nConnection closed by UNKNOWN port 65535"


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Return how an ssh is put on PATH that only says some words."""
    put(tmp_path / "bin/ssh", f"#!/bin/sh\n{STUB}")
    (tmp_path / "bin/ssh").chmod(0o755)

    def make(words: str, code: int = 255) -> None:
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("WORDS", words)
        monkeypatch.setenv("CODE", str(code))

    return make


def refusal(host: str, root: Path) -> Unreachable:
    """Ask a workstation that cannot be reached; return the error."""
    opened = connect(host, root)
    with pytest.raises(Unreachable) as caught:
        opened.list_run(TAG)
    opened.close()
    return caught.value


@pytest.mark.parametrize("words", [*REFUSALS, *FIRST_CONTACT])
def test_a_refusal_in_the_words_of_ssh(words: str, stub: Callable[..., None], remote: Path) -> None:
    stub(words)
    error = refusal("bench", remote)
    assert isinstance(error, HostRejected)
    assert words.splitlines()[0].strip("@ ") in str(error) or words.splitlines()[-1] in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("words", [f"{line}\n{PADDED}" for line in REFUSALS])
def test_a_refusal_among_other_words(words: str, stub: Callable[..., None], remote: Path) -> None:
    """A jump host's refusal comes before the words of the ssh that waited for it."""
    stub(words)
    assert isinstance(refusal("bench", remote), HostRejected)


@pytest.mark.parametrize("words", OUTAGES)
def test_an_outage_in_the_words_of_ssh(words: str, stub: Callable[..., None], remote: Path) -> None:
    stub(words)
    error = refusal("bench", remote)
    assert not isinstance(error, HostRejected)
    assert words in str(error)


@pytest.mark.parametrize("code", [0, 1, 3, 127])
def test_a_remote_shell_that_ends_by_itself_is_a_refusal(
    code: int, stub: Callable[..., None], remote: Path
) -> None:
    stub("", code)
    assert isinstance(refusal("bench", remote), HostRejected)


def test_no_ssh_here(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostRunError, match="ssh: expected a program on this machine"):
        connect("bench", remote).list_run(TAG)


def test_a_name_that_is_lost_later_is_an_outage(client: Client, remote: Path) -> None:
    """A laptop that was moved has no name server for a while; at the first contact it is a typo."""
    opened = connect(HOST, remote)
    opened.list_run(TAG)
    client.write(client.block(HostName="no-such-host.invalid"))
    client.ground.server.cut()
    for _ in range(2):
        try:
            opened.list_run(TAG)
        except Unreachable as error:
            seen = error
    opened.close()
    assert re.search("Could not resolve hostname", str(seen))
    assert not isinstance(seen, HostRejected)


# --- the user's own connection, when it fails


def test_a_user_connection_that_was_closed_is_named(client: Client, remote: Path) -> None:
    """One-time codes: only a person can open it again, so it is waited for."""
    factory.make_run(remote, tag=TAG)
    keys = client.ground.folder / "own_keys"
    keys.write_text((client.ground.server.folder / "user_key.pub").read_text())
    client.write(client.block(port="own_keys", ControlPath=f"{client.folder}/cm"))
    client.open_master(HOST)
    keys.write_text("")
    opened = connect(HOST, remote)
    assert opened.list_run(TAG).folders
    client.ssh("-O", "exit", HOST)
    with pytest.raises(Unreachable, match="control connection") as caught:
        opened.list_run(TAG)
    assert not isinstance(caught.value, HostRejected)
    assert f"ssh {HOST}" in str(caught.value)
    keys.write_text((client.ground.server.folder / "user_key.pub").read_text())
    assert opened.list_run(TAG).folders, "opened by another way"
    opened.close()


def test_a_user_connection_that_hangs_does_not_hold_us(client: Client, remote: Path) -> None:
    factory.make_run(remote, tag=TAG)
    client.write(client.block(ControlPath=f"{client.folder}/cm"))
    client.open_master(HOST)
    assert client.master
    os.kill(client.master.pid, signal.SIGSTOP)
    try:
        opened = connect(HOST, remote, connect_timeout_s=1, probe_timeout_s=3)
        began = time.monotonic()
        with contextlib.suppress(Unreachable):
            assert opened.list_run(TAG).folders
        assert time.monotonic() - began < 8
        opened.close()
    finally:
        os.kill(client.master.pid, signal.SIGCONT)


# --- sentinels, not exit codes


@pytest.mark.parametrize("end", ["exit 255", "kill -9 $PPID", "kill -9 $$"])
def test_a_probe_that_ends_with_255_is_not_an_outage_of_the_host(
    end: str, client: Client, remote: Path, tmp_path: Path
) -> None:
    """The connection is there still: the next probe needs no login."""
    factory.make_run(remote, tag=TAG)
    put(tmp_path / "bin/ps", f"#!/bin/sh\n{end}\n")
    (tmp_path / "bin/ps").chmod(0o755)
    opened = connect(HOST, remote)
    assert opened.list_run(TAG).folders
    client.ground.server.set_profile(f"PATH={tmp_path / 'bin'}:$PATH")
    with pytest.raises(PostRunError) as caught:
        opened.list_run(TAG)
    assert not isinstance(caught.value, HostRejected)
    client.ground.server.set_profile("")
    assert opened.list_run(TAG).folders
    opened.close()


def test_words_of_a_login_profile_are_no_words_of_ssh(
    client: Client, remote: Path, tmp_path: Path
) -> None:
    """They look like an error in a configuration; the connection that is cut is an outage."""
    factory.make_run(remote, tag=TAG)
    flag = tmp_path / "asked"
    put(tmp_path / "bin/dd", f"#!/bin/sh\ntouch {flag}\nexec sleep 60\n")
    (tmp_path / "bin/dd").chmod(0o755)
    client.ground.server.set_profile(
        f"PATH={tmp_path / 'bin'}:$PATH\necho '/home/hui/.bashrc: line 3: x: not found' >&2"
    )
    opened = connect(HOST, remote)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(opened.list_run, TAG)
        wait_for(flag.exists)
        client.ground.server.cut()
        error = asked.exception(20)
    assert type(error) is Unreachable
    assert "bashrc" not in str(error)


# --- timeouts


@pytest.mark.parametrize("host", ["local", HOST])
def test_a_timeout_ends_the_whole_process_group(
    host: str, client: Client, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory.make_run(remote, tag=TAG)
    pids = tmp_path / "pids"
    script = f"#!/bin/sh\nsleep 300 &\necho $! >> {pids}\necho $$ >> {pids}\nexec sleep 300\n"
    put(tmp_path / "bin/dd", script)
    (tmp_path / "bin/dd").chmod(0o755)
    opened = connect(host, remote, probe_timeout_s=1)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    if host == "local":
        monkeypatch.setenv("PATH", path)
    else:
        client.ground.server.set_profile(f"PATH={path}")
    with pytest.raises(Unreachable, match="expected an answer within 1 s"):
        opened.list_run(TAG)
    opened.close()
    monkeypatch.undo()
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    try:
        wait_for(lambda: not any(map(is_alive, started)), 3)
    finally:
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    line = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return line.strip() != "" and "Z" not in line


def ssh_sessions(server: Sshd) -> list[str]:
    """Return the processes that the server has for sessions."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listing.splitlines() if line.split()[0] == str(server.pid)]


def slow_rsync(server: Sshd, folder: Path, script: str) -> None:
    """Have the workstation's rsync do something else when it is to send."""
    put(folder / "rsync", f"#!/bin/sh\n{script}\n")
    (folder / "rsync").chmod(0o755)
    server.set_profile(f"PATH={folder}:$PATH")


def _without_result(made: factory.Documents) -> None:
    made.result = None
    made.report = None
