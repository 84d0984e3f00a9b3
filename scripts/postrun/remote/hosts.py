"""The two kinds of hosts: one that SSH reaches, and this machine with a folder that stands in.

Everything that is sent to a workstation goes through a host: `run` returns what one command wrote
to stdout, `rsync_source` returns rsync's name for a path and its flags to connect, `close` ends the
connection. Another way to connect is another class with these three.
"""

import logging
import os
import re
import shlex
import warnings
from pathlib import Path
from typing import Any, NoReturn

from postrun.core.errors import HostRejected, Unreachable, Usage

# A name that ssh cannot take for an option.
_NAME = re.compile(r"(?:[\w.-]+@)?\w[\w.-]*(?::[0-9]{1,5})?", re.ASCII)
# A path that every rsync hands to every remote shell unchanged.
_RSYNC_PATH = re.compile(r"/[\w./+,=@:~-]*", re.ASCII)
_KEEPALIVE = 15  # seconds


class LocalHost:
    """This machine: one of its folders stands in for the workstation."""

    name = "local"

    def run(self, command: str, timeout: float) -> bytes:
        """Return what a command wrote to stdout. Raises Unreachable when it takes too long."""
        from invoke import Context
        from invoke.config import Config
        from invoke.exceptions import Failure
        from invoke.runners import Local

        runner = Local(Context(Config(lazy=True)))
        try:
            return _run(runner, command, timeout, shell="/bin/sh")
        except Failure:
            raise _too_slow(self.name, timeout) from None

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Return the path as it is; it is absolute, so no colon in it names a host."""
        return path, []

    def close(self) -> None:
        """Close nothing: there is no connection."""


class SshHost:
    """A host that SSH reaches, by the user's own configuration.

    One connection is kept; after an error the next command opens another.
    """

    def __init__(self, name: str, connect_timeout: float) -> None:
        self.name = name
        self._timeout = connect_timeout  # seconds
        self._connection: Any = None

    def run(self, command: str, timeout: float) -> bytes:
        """Return what a command wrote to stdout. Raises Unreachable when no answer comes."""
        _silence_paramiko()
        from fabric.runners import Remote
        from invoke.exceptions import Failure, ThreadException
        from paramiko.hostkeys import InvalidHostKey
        from paramiko.ssh_exception import SSHException

        try:
            runner = Remote(self._open())
            return _run(runner, command, timeout)
        except Failure:
            self.close()
            raise _too_slow(self.name, timeout) from None
        except (SSHException, InvalidHostKey, OSError, EOFError, ThreadException) as error:
            self.close()
            raise self._unreachable(error) from None

    def _open(self) -> Any:
        """Return the open connection; open it first when there is none."""
        from fabric import Config, Connection

        if self._connection is not None and self._connection.is_connected:
            return self._connection
        self.close()
        connection = Connection(
            self.name,
            config=Config(runtime_ssh_path=_client_config()),
            connect_timeout=self._timeout,
            connect_kwargs={
                "banner_timeout": self._timeout,
                "auth_timeout": self._timeout,
                "channel_timeout": self._timeout,
                "compress": True,
            },
        )
        # Fabric would accept an unknown host key. It is refused, on every hop.
        hop: Any = connection
        while isinstance(hop, Connection):
            _refuse_unknown_keys(hop)
            hop = hop.gateway
        self._connection = connection
        connection.open()
        connection.transport.set_keepalive(_KEEPALIVE)
        return connection

    def _unreachable(self, error: Exception) -> Unreachable:
        """Return the error of ours for one of SSH's."""
        from paramiko.ssh_exception import AuthenticationException, BadHostKeyException

        workstation = f"workstation {self.name}"
        if isinstance(error, BadHostKeyException):
            return HostRejected(
                workstation,
                "the host key in known_hosts",
                "another key",
                "somebody may stand in between; if the change is known, "
                "remove the old key with ssh-keygen -R",
            )
        if "known_hosts" in str(error):
            return HostRejected(
                workstation,
                "a host key in known_hosts",
                "an unknown host",
                f"check it by: ssh {self.name}",
            )
        if isinstance(error, AuthenticationException):
            return HostRejected(
                workstation,
                "a login by key",
                f"refused ({_message(error)})",
                f"does `ssh {self.name}` work without a question?",
            )
        return Unreachable(workstation, "an answer over SSH", _message(error))

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Return `user@host:path`, and an ssh for rsync that is as strict as our own connection.

        Raises Usage for a path that rsync could change on its way.
        """
        if not _RSYNC_PATH.fullmatch(path):
            expected = "a path of letters, digits and . / _ + , = @ : ~ - (rsync)"
            raise Usage("remote root", expected, repr(path))
        seconds = max(1, int(self._timeout))
        ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        ssh += ["-o", f"ConnectTimeout={seconds}"]
        config = _client_config()
        if config is not None:
            ssh += ["-F", config]
        target, _, port = self.name.partition(":")
        if port:
            ssh += ["-p", port]
        return f"{target}:{path}", ["-e", shlex.join(ssh)]

    def close(self) -> None:
        """End the connection, if there is one."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.close()


Host = LocalHost | SshHost


def host(name: str, connect_timeout: float) -> Host:
    """Return the host of this name.

    Raises Usage for a name that ssh could take for another thing.
    """
    if name == "local":
        return LocalHost()
    if not _NAME.fullmatch(name):
        expected = "`local`, or a name like bench, hui@bench or hui@10.0.0.5:2222"
        raise Usage("host", expected, repr(name))
    return SshHost(name, connect_timeout)


def _client_config() -> str | None:
    """Return the ssh configuration that POSTRUN_SSH_CONFIG names; None: the user's own counts."""
    return os.environ.get("POSTRUN_SSH_CONFIG") or None


def _silence_paramiko() -> None:
    """Keep paramiko's messages off the terminal; what they mean comes as one line of ours."""
    warnings.filterwarnings("ignore", module="paramiko")
    log = logging.getLogger("paramiko")
    log.addHandler(logging.NullHandler())
    log.propagate = False


def _refuse_unknown_keys(connection: Any) -> None:
    """Accept known host keys only on this connection, from the files that ssh would read."""
    from paramiko.client import RejectPolicy

    connection.client.set_missing_host_key_policy(RejectPolicy())
    options = connection.ssh_config
    users = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
    everyones = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
    names = shlex.split(options.get("userknownhostsfile", users))
    names += shlex.split(options.get("globalknownhostsfile", everyones))
    for name in names:
        path = Path(name).expanduser()
        if path.is_file():
            connection.client.load_system_host_keys(str(path))


def _run(runner: Any, command: str, timeout: float, **options: str) -> bytes:
    """Return what a command wrote to stdout, run by Invoke or Fabric."""

    def stop(interrupt: BaseException) -> NoReturn:
        raise interrupt

    runner.read_chunk_size = 65536
    # Nobody waits for a prompt; the runner would join all that was read, at each piece.
    runner.respond = lambda _: None
    runner.send_interrupt = stop
    result = runner.run(
        command,
        timeout=timeout,
        hide=True,
        warn=True,
        echo=False,
        pty=False,
        in_stream=False,
        encoding="latin-1",  # maps each byte to one character and back
        **options,
    )
    return str(result.stdout).encode("latin-1")


def _too_slow(name: str, timeout: float) -> Unreachable:
    return Unreachable(f"workstation {name}", f"an answer within {timeout:g} s", "none")


def _message(error: Exception) -> str:
    """Return the message of an error in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
