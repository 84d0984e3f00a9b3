"""What a host's name says: whom to ask for, where, and as whom."""

import ipaddress
import os
import re
from typing import NamedTuple

from postrun.core.errors import Unreachable, Usage

# What ssh itself refuses in a name, and what could be taken for an option or a path.
_USER = r"[^\s'\"`;&<>|(){}-][^\s'\"`;&<>|(){}]*(?<!\\)@"
_HOST = r"[^\s'\"`$\\;&<>|(){}\[\]/:@*?!-][^\s'\"`$\\;&<>|(){}\[\]/:@*?!]*"
_PORT = r":(?P<port>[0-9]{1,5})"
_NAME = re.compile(
    rf"(?P<user>{_USER})?(?:(?P<host>{_HOST})|\[(?P<literal>[\w:.%]+)\])(?:{_PORT})?"
)
# A path that every rsync hands to every remote shell unchanged.
_RSYNC_PATH = re.compile(r"/[\w./+,=@:~-]*", re.ASCII)


class Target(NamedTuple):
    """A host that SSH is asked for. `flags` are ssh's for user and port."""

    name: str  # as the user wrote it
    host: str
    flags: list[str]

    def rsync_source(self, path: str) -> str:
        """Return rsync's name for a path; without brackets it would cut an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{path}"


class CommandOutput(NamedTuple):
    """What a command wrote to stdout; `failure` says why the connection failed, if it did."""

    content: bytes
    failure: Unreachable | None


def parse(name: str) -> Target:
    """Return the target that a name means.

    Raises Usage for a name that ssh could take for another thing.
    """
    address = name.removeprefix("ssh://")
    user, at, host = address.rpartition("@")
    if _is_ipv6(host):
        address = f"{user}{at}[{host}]"
    match = _NAME.fullmatch(address)
    if match is None or (match["literal"] and not _is_ipv6(match["literal"])):
        expected = "`local`, or a name like bench, hui@bench, hui@10.0.0.5:2222 or [fe80::1]:22"
        raise Usage("host", expected, repr(name))
    flags = []
    if match["user"]:
        flags += ["-l", match["user"].removesuffix("@")]
    if match["port"]:
        flags += ["-p", match["port"]]
    return Target(name, match["host"] or match["literal"], flags)


def check_rsync_path(path: str) -> None:
    """Raise Usage for a path that rsync could change on its way."""
    if not _RSYNC_PATH.fullmatch(path):
        expected = "a path of letters, digits and . / _ + , = @ : ~ - (rsync)"
        raise Usage("remote root", expected, repr(path))


def client_config() -> str | None:
    """Return the ssh configuration that POSTRUN_SSH_CONFIG names; None: the user's own counts."""
    return os.environ.get("POSTRUN_SSH_CONFIG") or None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
