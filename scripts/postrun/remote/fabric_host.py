"""A host that Fabric reaches, for machines whose OpenSSH has no control connections.

It is told what OpenSSH makes of the configuration (`ssh -G`) and of the known host keys
(`ssh-keygen -F`). rsync goes through ssh, with a login of its own.
"""

import contextlib
import logging
import shlex
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any, NoReturn

from postrun.core.errors import HostRejected, Unreachable
from postrun.remote import commands, ssh_target
from postrun.remote.openssh import ssh_command, too_slow
from postrun.remote.ssh_target import CommandOutput, Target

_KEEPALIVE = 15  # seconds
_END_TIMEOUT = 5.0  # seconds


class FabricHost:
    """One connection is kept; after an error the next command opens another."""

    def __init__(self, target: Target, connect_timeout: float) -> None:
        self.name = target.name
        self._target = target
        self._timeout = connect_timeout  # seconds
        self._connection: Any = None
        self._answered = False
        self._lock = threading.Lock()  # the connection is opened once, by one of many threads

    def run(self, command: str, timeout: float, end_command: str) -> CommandOutput:
        """Return what a command wrote to stdout.

        Raises Unreachable when no answer comes; after `timeout` seconds, `end_command` is run.
        """
        _silence_paramiko()
        from fabric.runners import Remote
        from invoke.exceptions import Failure, ThreadException
        from paramiko.hostkeys import InvalidHostKey
        from paramiko.ssh_exception import SSHException

        failures = (SSHException, InvalidHostKey, OSError, EOFError, ThreadException)
        try:
            runner = Remote(self._open())
            deadline = time.monotonic() + timeout
            output = _run(runner, command, timeout)
        except Failure:
            output = None
        except failures as error:
            self.close()
            raise self._unreachable(error) from None
        # Fabric does not always notice that it ended the command itself.
        if output is None or time.monotonic() > deadline:
            with contextlib.suppress(Failure, *failures):
                _run(Remote(self._open()), end_command, _END_TIMEOUT)
            self.close()
            raise too_slow(self.name, timeout)
        self._answered = True
        return CommandOutput(output, None)

    def rsync_source(self, path: str) -> tuple[str, list[str]]:
        """Return rsync's name for a path, and an ssh that is as strict as our own connection."""
        ssh = ssh_command(self._timeout)
        ssh += self._target.flags
        return self._target.rsync_source(path), ["-e", shlex.join(ssh)]

    def close(self) -> None:
        """End the connection, if there is one."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.close()

    def _open(self) -> Any:
        """Return the open connection; open it first when there is none."""
        with self._lock:
            if self._connection is None or not self._connection.is_connected:
                self.close()
                self._connect()
            return self._connection

    def _connect(self) -> None:
        from fabric import Config, Connection
        from paramiko import SSHConfig

        options = self._read_options()
        lines = ["Host *"]
        for key, values in options.items():
            lines += [f"{key} {value}" for value in values]
        configuration = SSHConfig.from_text("\n".join(lines))
        connection = Connection(
            self._target.host,
            config=Config(ssh_config=configuration),
            connect_timeout=self._timeout,
            connect_kwargs={
                "banner_timeout": self._timeout,
                "auth_timeout": self._timeout,
                "channel_timeout": self._timeout,
            },
        )
        self._accept_known_keys(connection, options)
        self._connection = connection
        connection.open()
        connection.transport.set_keepalive(_KEEPALIVE)

    def _read_options(self) -> dict[str, list[str]]:
        """Return what OpenSSH makes of the configuration: each option with its values.

        OpenSSH itself goes through jump hosts, since Fabric would read their configuration itself.
        """
        ssh = ssh_command(self._timeout)
        command = [*ssh, *self._target.flags, "-G", "--", self._target.host]
        printed = commands.run(command, self._timeout)
        if printed.code != 0:
            found = " ".join(printed.stderr.split())
            raise HostRejected(f"workstation {self.name}", "an SSH configuration", found)
        options: dict[str, list[str]] = {}
        for line in printed.stdout.decode().splitlines():
            key, _, value = line.partition(" ")
            options.setdefault(key, []).append(value)
        revoked = options.get("revokedhostkeys", ["none"])
        if revoked != ["none"]:
            raise HostRejected(
                f"workstation {self.name}",
                "no RevokedHostKeys, which Fabric cannot check",
                revoked[0],
            )
        # ssh goes on to the next key where a file is missing; Fabric would end.
        keys = options.pop("identityfile", [])
        options["identityfile"] = existing = []
        for key in keys:
            if Path(key).expanduser().is_file():
                existing.append(key)
        hops = options.pop("proxyjump", None)
        if hops:
            options["proxycommand"] = [self._jump_command(hops[0])]
        return options

    def _jump_command(self, hops: str) -> str:
        """Return the ProxyCommand that stands for a ProxyJump: `hops` are separated by commas."""
        hops_before, _, last = hops.rpartition(",")
        hop = ssh_target.parse(last)
        through = [*ssh_command(self._timeout), *hop.flags]
        if hops_before:
            through += ["-J", hops_before]
        through += ["-W", "[%h]:%p", "--", hop.host]
        return shlex.join(through)

    def _accept_known_keys(self, connection: Any, options: dict[str, list[str]]) -> None:
        """Accept only the host keys that OpenSSH finds in the files of known hosts."""
        from paramiko.client import RejectPolicy

        client = connection.client
        client.set_missing_host_key_policy(RejectPolicy())
        host = options["hostname"][0]
        port = options["port"][0]
        name = host if port == "22" else f"[{host}]:{port}"
        known_as = options.get("hostkeyalias", [name])[0]
        files = [*options["userknownhostsfile"], *options["globalknownhostsfile"]]
        lines = []
        for path in shlex.split(" ".join(files)):
            known_hosts = str(Path(path).expanduser())
            command = ["ssh-keygen", "-F", known_as, "-f", known_hosts]
            printed = commands.run(command, self._timeout)
            lines += printed.stdout.decode().splitlines()
        _add_keys(client, name, lines)

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
                "an unknown host, or one whose key is revoked",
                f"check it by: ssh {self.name}",
            )
        unknown_name = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
        # A name that nobody knows is wrong at first, and an outage of name servers later.
        if unknown_name and not self._answered:
            expected = "a host name that is known"
            return HostRejected(workstation, expected, _message(error), "see --host")
        no_key = "No authentication methods available" in str(error)
        if no_key or isinstance(error, AuthenticationException):
            return HostRejected(
                workstation,
                "a login by key",
                f"refused ({_message(error)})",
                f"does `ssh {self.name}` work without a question?",
            )
        return Unreachable(workstation, "an answer over SSH", _message(error))


def _add_keys(client: Any, name: str, lines: list[str]) -> None:
    """Make lines of known_hosts count for a host, but for keys that one of them revokes.

    Fabric knows no certificates of hosts (`@cert-authority`).
    """
    from paramiko.hostkeys import HostKeyEntry

    revoked = set()
    for line in lines:
        if line.startswith("@revoked"):
            revoked.update(line.split()[3:])
    for line in lines:
        if line.startswith(("#", "@")) or revoked & set(line.split()):
            continue
        entry = HostKeyEntry.from_line(line)
        if entry is not None:
            client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _silence_paramiko() -> None:
    """Keep paramiko's messages off the terminal; what they mean comes as one line of ours."""
    warnings.filterwarnings("ignore", module="paramiko")
    log = logging.getLogger("paramiko")
    log.addHandler(logging.NullHandler())
    log.propagate = False


def _run(runner: Any, command: str, timeout: float) -> bytes:
    """Return what a command wrote to stdout, run by Fabric."""

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
    )
    return str(result.stdout).encode("latin-1")


def _message(error: Exception) -> str:
    """Return the message of an error in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]
