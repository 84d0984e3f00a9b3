"""A real sshd on 127.0.0.1 for tests: throw-away keys, its own configuration, a free port, stopped
by its own pid.

def test_it(sshd: Sshd) -> None:
    workstation.connect(sshd.host, ...)  `sshd.host` is an alias in an ssh configuration of its own,
                                            named by POSTRUN_SSH_CONFIG for Fabric and rsync alike
    sshd.stop(); sshd.start()               an outage: same port, sessions are cut
    sshd.drop(); sshd.cut()                 sessions are cut: alone, or with all that runs in them
    sshd.change_host_key()                  somebody else answers
    sshd.forget_host_key()                  nobody ever knew this host
    sshd.alias("stranger", User="nobody")   another way to the same server

def test_it(ssh_host: str) -> None:         the name of a host behind a server that tests share:
                                            nothing of it is stopped or changed
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HOST = "bench"
_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 200
MaxSessions 100
PrintMotd no
LogLevel VERBOSE
Banner {folder}/banner
UsePAM {pam}
"""


class Sshd:
    """One server and one client configuration; everything is in `folder`."""

    host = HOST

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._options = ""
        self.port = free_port()
        self.known_hosts = folder / "known_hosts"
        self.client_config = folder / "ssh_config"
        self._server: subprocess.Popen[bytes] | None = None
        self.home = (
            folder / "home"
        )  # of every session, so that no developer's own profile runs in a test
        self.home.mkdir(parents=True)
        self._environment = {"HOME": str(self.home)}
        for key in ("host_key", "user_key"):
            make_key(folder / key)
        (folder / "banner").write_text("*** authorised use only ***\n")
        self._write_server_config()
        self.client_config.write_text("")
        self.alias(HOST)
        self.know_host_key()

    def alias(self, name: str, **options: str) -> str:
        """Add a host to the client's configuration; options replace the working ones.

        Return the name.
        """
        working = {
            "HostName": "127.0.0.1",
            "Port": str(self.port),
            "User": pwd.getpwuid(os.getuid()).pw_name,
            "IdentityFile": str(self.folder / "user_key"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
        }
        lines = [f"    {key} {value}\n" for key, value in {**working, **options}.items()]
        with self.client_config.open("a") as out:
            out.write(f"Host {name}\n{''.join(lines)}")
        return name

    def start(self) -> None:
        """Start, or start again on the same port; come back when it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd drops its privileges
        command = [_program(), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"sshd does not answer: {(self.folder / 'sshd.log').read_text()}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server and every session of it."""
        if self._server is None:
            return
        self.cut()
        self._server.terminate()
        self._server.wait(60)
        self._server = None

    @property
    def pid(self) -> int:
        """Return the server's process; its children are the sessions."""
        assert self._server is not None
        return self._server.pid

    def drop(self) -> None:
        """Kill the sessions' own processes alone: what was started in them goes on, as when a
        network goes away.
        """
        assert self._server is not None
        for pid in _children(self._server.pid):
            os.kill(pid, signal.SIGKILL)

    def cut(self) -> None:
        """Kill the sessions, and what runs in them, but not the server: a connection lost in the
        middle.
        """
        assert self._server is not None
        for pid in _descendants(self._server.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended with its parent

    def know_host_key(self) -> None:
        """Write the server's present key into known_hosts."""
        key = (self.folder / "host_key.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key[0]} {key[1]}\n")

    def forget_host_key(self) -> None:
        """Make the server a stranger."""
        self.known_hosts.write_text("")

    def change_host_key(self) -> None:
        """Return the server another key than known_hosts has; it is started again."""
        self.stop()
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink()
        make_key(self.folder / "host_key")
        self.start()

    def set_profile(self, script: str) -> None:
        """Have bash run this first in every session, as a noisy profile does."""
        (self.home / ".bashrc").write_text(script)

    def set_environment(self, **variables: str) -> None:
        """Set variables for every session; the server is started again."""
        self.stop()
        self._environment.update(variables)
        self._write_server_config()
        self.start()

    def set_options(self, lines: str) -> None:
        """Put more lines at the end of the server's configuration, before it is started."""
        self._options = lines
        self._write_server_config()

    def _write_server_config(self) -> None:
        text = _SERVER.format(
            port=self.port, folder=self.folder, pam="yes" if _locked_account() else "no"
        )
        path = self.folder / "sshd_config"
        text += (
            "SetEnv "
            + " ".join(f'"{key}={value}"' for key, value in self._environment.items())
            + "\n"
        )
        path.write_text(text + "PerSourcePenalties no\n" + self._options)
        if subprocess.run(
            [_program(), "-t", "-f", str(path)], capture_output=True, check=False
        ).returncode:
            path.write_text(text + self._options)  # OpenSSH before 9.8 has no penalties

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False


def _program() -> str:
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(
            "the tests need a real sshd: run `make setup`, or install openssh-server"
        )
    return found


def make_key(path: Path, passphrase: str = "") -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test"]
    command += ["-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _locked_account() -> bool:
    """Return whether the user's password is locked; without PAM sshd would not let such a user in
    by key either.
    """
    if os.getuid() != 0:
        return False
    name = pwd.getpwuid(0).pw_name
    lines = Path("/etc/shadow").read_text().splitlines() if Path("/etc/shadow").exists() else []
    return any(line.startswith(f"{name}:!") for line in lines)


def _children(*pids: int) -> list[int]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True, text=True
    ).stdout
    parents = {
        int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())
    }
    return [child for child, parent in parents.items() if parent in pids]


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    newest = [pid]
    while newest := _children(*newest):
        found += newest
    return found


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """Yield a running sshd of this test's own, which this project's SSH is pointed at."""
    server = Sshd(tmp_path / "sshd")
    monkeypatch.setenv("POSTRUN_SSH_CONFIG", str(server.client_config))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Yield a running sshd that all tests of this process share; use `ssh_host`."""
    server = Sshd(tmp_path_factory.mktemp("shared") / "sshd")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def ssh_host(shared_sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a host behind the shared sshd, which this project's SSH is pointed at."""
    monkeypatch.setenv("POSTRUN_SSH_CONFIG", str(shared_sshd.client_config))
    return shared_sshd.host
