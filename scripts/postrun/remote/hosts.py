"""The two hosts behind the door. Both run one command and give its bytes; both say where rsync finds a path."""

import logging
import os
import re
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from postrun.core.errors import HostRejected, Unreachable, Usage

_NAME = re.compile(r"(?:[\w.-]+@)?\w[\w.-]*(?::[0-9]{1,5})?", re.ASCII)  # never an option for ssh
_RSYNC_PATH = re.compile(
    r"/[\w./+,=@:~-]*", re.ASCII
)  # what every rsync hands to every remote shell unchanged
_KEEPALIVE = 15  # seconds


class Host(Protocol):
    """What the door needs of a host."""

    name: str

    def run(self, command: str, timeout: float) -> bytes:
        """Run a command, give what it wrote to stdout. Raises Unreachable."""

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Give rsync's name for a path on this host, and the flags of the way there."""

    def close(self) -> None:
        """Let go of the connection."""


def host(name: str, connect_timeout: float) -> Host:
    """Choose the host by its name. Raises Usage for a name that ssh could take for something else."""
    if name == "local":
        return LocalHost()
    if not _NAME.fullmatch(name):
        raise Usage(
            "host", "`local`, or a name like bench, hui@bench or hui@10.0.0.5:2222", repr(name)
        )
    return SshHost(name, connect_timeout)


class LocalHost:
    """This machine: a directory of it stands in for the workstation."""

    name = "local"

    def run(self, command: str, timeout: float) -> bytes:
        """Run a command in a shell of its own. Raises Unreachable when it takes too long."""
        from invoke import Context
        from invoke.config import Config
        from invoke.exceptions import Failure
        from invoke.runners import Local

        try:
            return _run(Local(Context(Config(lazy=True))), command, timeout, shell="/bin/sh")
        except Failure:
            raise _too_slow(self.name, timeout) from None

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Give the path as it is; absolute, so that no colon in it names a host."""
        return path, []

    def close(self) -> None:
        """Do nothing: there is no connection."""


class SshHost:
    """A host that SSH reaches, by the user's own configuration. One connection is kept; after an error a new one."""

    def __init__(self, name: str, connect_timeout: float) -> None:
        self.name = name
        self._timeout = connect_timeout
        self._connection: Any = None

    def run(self, command: str, timeout: float) -> bytes:
        """Run a command over SSH. Raises Unreachable for whatever keeps the answer from coming."""
        _quiet()
        from fabric.runners import Remote
        from invoke.exceptions import Failure, ThreadException
        from paramiko.hostkeys import InvalidHostKey
        from paramiko.ssh_exception import SSHException

        try:
            return _run(Remote(self._open()), command, timeout)
        except Failure:
            self.close()
            raise _too_slow(self.name, timeout) from None
        except (SSHException, InvalidHostKey, OSError, EOFError, ThreadException) as error:
            self.close()
            raise self._unreachable(error) from None

    def _open(self) -> Any:
        """Give the open connection; unknown host keys are refused (Fabric would accept them), on every hop."""
        from fabric import Config, Connection

        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        patience = dict.fromkeys(
            ("banner_timeout", "auth_timeout", "channel_timeout"), self._timeout
        )
        config = Config(runtime_ssh_path=_client_config())
        connection = Connection(
            self.name,
            config=config,
            connect_timeout=self._timeout,
            connect_kwargs={**patience, "compress": True},
        )
        hop: Any = connection
        while isinstance(hop, Connection):
            _be_strict(hop)
            hop = hop.gateway
        self._connection = connection
        connection.open()
        connection.transport.set_keepalive(_KEEPALIVE)
        return connection

    def _unreachable(self, error: Exception) -> Unreachable:
        from paramiko.ssh_exception import AuthenticationException, BadHostKeyException

        thing = f"workstation {self.name}"
        if isinstance(error, BadHostKeyException):
            hint = "somebody may stand in between; if the change is known, remove the old key with ssh-keygen -R"
            return HostRejected(thing, "the host key in known_hosts", "another key", hint)
        if "known_hosts" in str(error):
            return HostRejected(
                thing,
                "a host key in known_hosts",
                "an unknown host",
                f"check it by: ssh {self.name}",
            )
        if isinstance(error, AuthenticationException):
            hint = f"does `ssh {self.name}` work without a question?"
            return HostRejected(thing, "a login by key", f"refused ({_words(error)})", hint)
        return Unreachable(thing, "an answer over SSH", _words(error))

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Give `user@host:path`, and an ssh that is as strict and reads the same configuration. Raises Usage."""
        if not _RSYNC_PATH.fullmatch(path):
            raise Usage(
                "remote root",
                "a path of letters, digits and . / _ + , = @ : ~ - (rsync)",
                repr(path),
            )
        ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        ssh += ["-o", f"ConnectTimeout={max(1, int(self._timeout))}"]
        config = _client_config()
        ssh += ["-F", config] if config else []
        target, _, port = self.name.partition(":")
        ssh += ["-p", port] if port else []
        return f"{target}:{path}", ["-e", shlex.join(ssh)]

    def close(self) -> None:
        """End the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _client_config() -> str | None:
    """Name the ssh configuration that stands in for the user's ~/.ssh/config, if POSTRUN_SSH_CONFIG names one."""
    return os.environ.get("POSTRUN_SSH_CONFIG") or None


def _quiet() -> None:
    """Keep paramiko's own talk off the terminal; what it means comes as one line of ours."""
    warnings.filterwarnings("ignore", module="paramiko")
    log = logging.getLogger("paramiko")
    log.addHandler(logging.NullHandler())
    log.propagate = False


def _be_strict(connection: Any) -> None:
    from paramiko.client import RejectPolicy

    connection.client.set_missing_host_key_policy(RejectPolicy())
    for path in _known_hosts(connection.ssh_config):
        if path.is_file():
            connection.client.load_system_host_keys(str(path))


def _known_hosts(options: dict[str, str]) -> Sequence[Path]:
    """List the files that ssh would look into; Fabric looks into none."""
    users = options.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2")
    everyone = options.get(
        "globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    )
    return [Path(name).expanduser() for name in (*shlex.split(users), *shlex.split(everyone))]


def _run(runner: Any, command: str, timeout: float, **more: str) -> bytes:
    """Run with Invoke or Fabric, bytes for bytes: Latin-1 maps each byte to one character and back."""

    def stop(interrupt: BaseException) -> NoReturn:
        raise interrupt

    runner.read_chunk_size = 65536
    runner.respond = lambda _: (
        None
    )  # nobody waits for a prompt; it would join all that was read, at each piece
    runner.send_interrupt = stop
    given = {
        "hide": True,
        "warn": True,
        "echo": False,
        "pty": False,
        "in_stream": False,
        "encoding": "latin-1",
    }
    done = runner.run(command, timeout=timeout, **given, **more)
    return str(done.stdout).encode("latin-1")


def _too_slow(name: str, timeout: float) -> Unreachable:
    return Unreachable(f"workstation {name}", f"an answer within {timeout:g} s", "none")


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
