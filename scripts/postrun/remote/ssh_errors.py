"""Turn what ssh said into an error of ours.

Its own words are shown. The question is only whether waiting may help: an outage passes, a
refusal does not.
"""

import re

from postrun.core.errors import HostRejected, Unreachable

# Words of OpenSSH 8.0 to 9.9 for what no waiting mends.
_LOGIN_REFUSED = re.compile(
    r"HAS CHANGED|Host key verification failed|is marked as revoked"
    r"|Too many authentication failures|No supported authentication methods"
    r"|Unable to negotiate with"
    # rsync has the number of the error there.
    r"|Permission denied \((?!\d)"
)
_CONFIGURATION_REFUSED = re.compile(
    r"[Bb]ad configuration option|Bad owner or permissions|invalid characters|usage: ssh"
    # ssh has no colon before "line"; a shell that reads its profile has.
    r"|unix_listener|Can't open user config file|[^:\n] line \d+: (?!Unsupported|Deprecated)"
    # Names that ssh fills in itself: it knows the names only once it connects.
    r"|percent_expand|jumphost loop"
)
_REFUSED = re.compile(f"{_LOGIN_REFUSED.pattern}|{_CONFIGURATION_REFUSED.pattern}")
_UNKNOWN_NAME = re.compile(r"Could not resolve hostname(?!.*[Tt]emporary failure)")
_SEVERAL_LINES = 3


def login_error(name: str, message: str, first_contact: bool) -> Unreachable:
    """Return the error for an ssh that ended before it was logged in, with ssh's own words.

    A name that nobody knows is wrong at the first contact, and an outage of name servers later.
    """
    workstation = f"workstation {name}"
    said = _ssh_lines(message)
    message = _own_lines(message)
    if is_refused(message):
        hint = f"does `ssh {name}` work without a question?"
        if "HAS CHANGED" in message:
            hint = "somebody may stand in between; if the change is known: ssh-keygen -R"
        return HostRejected(workstation, "a login over SSH", said, hint)
    if _CONFIGURATION_REFUSED.search(message):
        hint = "mend the SSH configuration of this machine"
        return HostRejected(workstation, "a login over SSH", said, hint)
    if first_contact and _UNKNOWN_NAME.search(message):
        return HostRejected(workstation, "a host name that is known", said, "see --host")
    return Unreachable(workstation, "an answer over SSH", said)


def control_closed(name: str, message: str) -> Unreachable:
    """Return the error for a control connection of the user's that was closed."""
    found = f"a closed one ({_ssh_lines(message)})"
    hint = f"`ssh {name}` opens it again"
    return Unreachable(f"workstation {name}", "the control connection that was open", found, hint)


def is_refused(message: str) -> bool:
    """Return whether ssh says that a login was refused."""
    return bool(_LOGIN_REFUSED.search(_own_lines(message)))


def _own_lines(message: str) -> str:
    """Return the lines of ssh itself, which it ends with a carriage return; all if none is.

    A banner, a login profile and other programs do not.
    """
    lines = message.splitlines(keepends=True)
    return "".join(line for line in lines if line.endswith("\r\n")) or message


def _ssh_lines(message: str) -> str:
    """Return what ssh said in one line: the last lines, which say most, and what matters."""
    if is_refused(message):
        message = _own_lines(message)
    lines: list[str] = []
    for line in message.splitlines():
        plain = line.strip("@ \r")
        if plain and plain not in lines:
            lines.append(plain)
    last = lines[-_SEVERAL_LINES:]
    earlier = lines[:-_SEVERAL_LINES]
    reasons = filter(_REFUSED.search, earlier)
    shown = " / ".join([*reasons, *last])
    return shown[:400] or "no words of ssh"
