"""Which way leads to a host: this one function decides it.

Everything that is sent to a workstation goes through a host: `run` returns what one command wrote
to stdout and ends it when it takes too long, `rsync_source` returns rsync's name for a path and its
flags to connect, `close` ends the connection. Another way to connect is another class with these.
"""

from typing import Any

from postrun.remote import ssh_target
from postrun.remote.local_host import LocalHost
from postrun.remote.openssh import OpenSshHost

# One connection serves a whole process.
_hosts: dict[Any, Any] = {}


def host(name: str, connect_timeout: float, transport: str = "openssh") -> Any:
    """Return the host of this name; the same one when it is asked for again.

    `transport` says which program connects: `openssh` or `fabric`. Raises Usage for a name that ssh
    could take for another thing.
    """
    if name == "local":
        return LocalHost()
    key = (ssh_target.client_config(), name, transport)
    if key in _hosts:
        return _hosts[key]
    target = ssh_target.parse(name)
    if transport == "openssh":
        _hosts[key] = OpenSshHost(target, connect_timeout)
    else:
        # Few machines need it, and its libraries take long to load.
        from postrun.remote.fabric_host import FabricHost

        _hosts[key] = FabricHost(target, connect_timeout)
    return _hosts[key]


def close_all() -> None:
    """End every connection of this process."""
    for opened in _hosts.values():
        opened.close()
    _hosts.clear()
