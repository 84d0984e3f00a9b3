"""A host that the user's own OpenSSH reaches: one login carries every command and every copy.

The facts behind each option and each step are in docs/ssh.md.
"""

import contextlib
import functools
import os
import re
import secrets
import select
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from postrun.core.errors import HostRejected, Missing, Unreachable
from postrun.remote import commands, ssh_errors
from postrun.remote.ssh_target import CommandOutput, Target, client_config

# A host block may be made for people: a command at login, a terminal, forwarded ports. None of it
# is for us. All options are known to OpenSSH 8.0.
_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "UpdateHostKeys=no",
    # At ERROR ssh is silent where algorithms do not match or a connection is closed.
    "LogLevel=INFO",
)
# The same for what came with OpenSSH 8.7; before it, an unknown option is an error.
_OPTIONS_8_7 = ("SessionType=default", "StdinNull=no", "ForkAfterAuthentication=no")
_MASTER = (
    "ControlMaster=yes",
    "ControlPersist=no",
    "ServerAliveInterval=15",  # three of these without an answer end the connection
    "ServerAliveCountMax=3",
)
_DIRECT = ("ControlMaster=no", "ControlPath=none")
_USERS_MASTER = ("ControlMaster=no",)
# ssh adds 17 characters to the path while it makes a socket; a path has room for 108 on Linux.
_LONGEST_SOCKET = 86  # bytes; macOS allows four fewer than Linux
_PLAIN_PATH = re.compile(r"/[\w./-]+", re.ASCII)
_LOGIN_TIMEOUTS = 4  # name, connection, key exchange and login may take a timeout each
_CONNECTION_ENDS_WITHIN = 1.0  # seconds
_END_TIMEOUT = 5.0  # seconds
_SSH_FAILED = 255
# `cat` ends when we do. By then the connection has ended by itself, unless a command holds it.
_GUARD = 'cat; sleep 0.3; kill -TERM "-$1"'


class OpenSshHost:
    """A host behind a control connection: the one that the user has open, else one of our own.

    Our own is a child process whose input is a pipe: when this process ends, however it is killed,
    the pipe closes, and the connection ends with it. After an error the next command connects
    again.
    """

    def __init__(self, target: Target, connect_timeout: float) -> None:
        self.name = target.name
        self._target = target
        self._timeout = connect_timeout  # seconds
        self._control: tuple[str, ...] | None = None  # options; None: there is no connection
        self._master: _Master | None = None
        self._answered = False
        self._had_users_master = False
        self._may_share = True
        # Two roots of one host are watched by two threads over one connection.
        self._lock = threading.RLock()

    def run(self, command: str, timeout: float, end_command: str) -> CommandOutput:
        """Return what a command wrote to stdout, and why, if ssh itself failed.

        Raises Unreachable when no answer comes within `timeout` seconds; `end_command` is run then.
        Raises HostRejected for a login that is refused.
        """
        control = self._connect()
        ssh = [*self._ssh(control), "--", self._target.host]
        try:
            result = commands.run([*ssh, command], timeout)
        except TimeoutError:
            # What hangs over there would do so for ever. The connection stays when it is well,
            # since another thread may be using it.
            try:
                commands.run([*ssh, end_command], _END_TIMEOUT)
            except TimeoutError:
                self._drop(control)
            raise too_slow(self.name, timeout) from None
        if "session request failed" in result.stderr and control != _USERS_MASTER:
            # The server allows one session in a connection: each command logs in by itself.
            self._may_share = False
            self._drop(control)
        if result.code != _SSH_FAILED:
            self._answered = True
            return CommandOutput(result.stdout, None)
        return CommandOutput(result.stdout, self._connection_error(control, result.stderr))

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Return rsync's name for a path, and its flag for an ssh over the same connection."""
        ssh = self._ssh(self._connect())
        return self._target.rsync_source(path), ["-e", shlex.join(ssh)]

    def close(self) -> None:
        """End our own connection, if there is one; one of the user's stays."""
        with self._lock:
            self._control = None
            if self._master is not None:
                self._master.close()
                self._master = None

    def _drop(self, control: tuple[str, ...]) -> None:
        """End a connection, unless another thread has done so and made another."""
        with self._lock:
            if self._control == control:
                self.close()

    def _connect(self) -> tuple[str, ...]:
        """Return the options of ssh for a connection; open one first when there is none.

        Raises Unreachable, HostRejected, Missing.
        """
        with self._lock:
            if self._master is not None and not self._master.is_alive():
                self.close()
            # The user's own may be closed at any time; ssh would log in by itself then.
            if self._control is None or self._control == _USERS_MASTER:
                self._control = self._open()
            return self._control

    def _open(self) -> tuple[str, ...]:
        """Return the options for the user's connection, else for a new one of our own.

        Without a place for a socket, each command will log in by itself.
        """
        if self._may_share and self._users_master_is_open():
            self._had_users_master = True
            return _USERS_MASTER
        self._control = None
        folder = _socket_folder() if self._may_share else None
        if folder is None:
            return _DIRECT
        socket = folder / secrets.token_hex(4)
        path = f"ControlPath={socket}"
        words = [*self._ssh((*_MASTER, path)), "--", self._target.host, "cat"]
        master = _Master(words, socket)
        message = master.log_in(self._timeout * _LOGIN_TIMEOUTS)
        if message is None:
            self._master = master
            self._answered = True
            return ("ControlMaster=no", path)
        # A login that takes too long is ended by us.
        shell_ended = master.remote_shell_ended()
        master.close()
        if "unix_listener" in message:
            # The socket could not be made.
            self._may_share = False
            return _DIRECT
        if shell_ended:
            said = " / ".join(message.strip().splitlines()) or "it printed nothing"
            found = f"one that ends by itself ({said[:400]})"
            raise HostRejected(f"workstation {self.name}", "a POSIX shell", found)
        raise self._login_error(message)

    def _users_master_is_open(self) -> bool:
        words = [*self._ssh(_USERS_MASTER), "-O", "check", "--", self._target.host]
        try:
            return commands.run(words, self._timeout).code == 0
        except TimeoutError:
            return False

    def _connection_error(self, control: tuple[str, ...], message: str) -> Unreachable | None:
        """Return why ssh failed; None when the connection is well and the command itself failed.

        `control` are the options that the command had.
        """
        with self._lock:
            if control == _USERS_MASTER:
                if self._users_master_is_open():
                    return None
                return ssh_errors.control_closed(self.name, message)
            # Another thread may have closed what this command went over.
            if self._master is not None and self._control == control:
                if not self._master.ends_within(_CONNECTION_ENDS_WITHIN):
                    return None
                message = self._master.message() or message
            self._drop(control)
            return self._login_error(message)

    def _login_error(self, message: str) -> Unreachable:
        """Return the error for an ssh that failed. A person can open a connection of his again."""
        error = ssh_errors.login_error(self.name, message, not self._answered)
        if self._had_users_master and isinstance(error, HostRejected):
            return ssh_errors.control_closed(self.name, message)
        return error

    def _ssh(self, control: tuple[str, ...]) -> list[str]:
        return [*ssh_command(self._timeout, control), *self._target.flags]


def ssh_command(connect_timeout: float, control: tuple[str, ...] = _DIRECT) -> list[str]:
    """Return ssh with its options; the flags of a target and `--` come next."""
    options = [*_OPTIONS, f"ConnectTimeout={max(1, int(connect_timeout))}"]
    if _version() >= (8, 7):
        options += _OPTIONS_8_7
    # The ssh of a jump host knows nothing of BatchMode, and would open a window to ask.
    words = ["env", "SSH_ASKPASS=false", "ssh"]
    config = client_config()
    if config is not None:
        words += ["-F", config]
    for option in (*options, *control):
        words += ["-o", option]
    return words


class _Master:
    """The control connection of our own: an ssh that runs `cat` over there."""

    def __init__(self, command: list[str], socket: Path) -> None:
        self._socket = socket
        # Children of ssh would keep a pipe open; a file can be read whenever it is needed.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the connection)
        self._logged_in_at = 0  # before it, the file has the words of a banner and a login profile
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        # A command that hangs over there would keep the connection open when we are killed.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def log_in(self, timeout: float) -> str | None:
        """Return None once we are logged in, else what ssh said. `timeout` is in seconds.

        What we send comes back when we are; noise of a login profile before it does not matter.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        nonce = secrets.token_hex(16).encode()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(nonce + b"\n")
            self._process.stdin.flush()
        deadline = time.monotonic() + timeout
        received = b""
        output = self._process.stdout
        while nonce not in received:
            patience = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([output], [], [], patience)
            if not readable:
                return f"{self.message()}\nno login within {timeout:g} s"
            piece = os.read(output.fileno(), 65536)
            if not piece:
                self.ends_within(_CONNECTION_ENDS_WITHIN)
                if self.remote_shell_ended():
                    return received.decode(errors="replace") or self.message()
                return self.message()
            received += piece
        self._logged_in_at = os.fstat(self._errors.fileno()).st_size
        return None

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ends_within(self, seconds: float) -> bool:
        """Return whether the connection is gone, or goes in a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.is_alive()

    def remote_shell_ended(self) -> bool:
        """Return whether the login was well and the program over there ended.

        255 is ssh's own exit code; a negative one is a signal on this machine.
        """
        code = self._process.returncode
        return code is not None and 0 <= code < _SSH_FAILED

    def message(self) -> str:
        """Return what ssh said so far, after the login if there was one."""
        file = self._errors.fileno()
        # ssh writes where the file's position is: it must not move.
        content = os.pread(file, os.fstat(file).st_size, self._logged_in_at)
        return content.decode(errors="replace")

    def close(self) -> None:
        """End the connection; without a network ssh would wait for it, so it is killed then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if not self.ends_within(_CONNECTION_ENDS_WITHIN):
            # With it goes the program that a ProxyCommand started.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()
        self._guard.kill()
        self._guard.communicate()
        self._socket.unlink(missing_ok=True)
        self._errors.close()


def too_slow(name: str, timeout: float) -> Unreachable:
    """Return the error for an answer that did not come in time."""
    return Unreachable(f"workstation {name}", f"an answer within {timeout:g} s", "none")


def _socket_folder() -> Path | None:
    """Return the folder for sockets, which belongs to this user alone; None: there is none.

    Its name is short, since the path of a socket must be.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folders = [Path(f"/tmp/postrun-{os.getuid()}")]
    if runtime:
        folders.insert(0, Path(runtime) / "postrun")
    for folder in folders:
        socket = str(folder / "12345678")
        if not _PLAIN_PATH.fullmatch(socket) or len(socket) > _LONGEST_SOCKET:
            continue
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            # Another user could have put a link or a folder of his there.
            status = folder.lstat()
            private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
            if private and status.st_uid == os.getuid():
                return folder
    return None


@functools.cache
def _version() -> tuple[int, int]:
    """Return the version of OpenSSH on this machine; (0, 0) for one that is not known.

    Raises Missing when there is none.
    """
    if shutil.which("ssh") is None:
        raise Missing("ssh", "a program on this machine", "nothing on PATH", "install it")
    printed = subprocess.run(
        ["ssh", "-V"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    match = re.search(r"OpenSSH\D*(\d+)\.(\d+)", printed.stderr)
    if match is None:
        return (0, 0)
    return int(match[1]), int(match[2])
