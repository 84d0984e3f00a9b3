"""Which of the words of ssh mean that waiting may help."""

import pytest

from postrun.core.errors import HostRejected, Unreachable
from postrun.remote import ssh_errors

UNKNOWN = "ssh: Could not resolve hostname bench: Name or service not known"


@pytest.mark.parametrize(
    "message",
    [
        "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@\nIT IS POSSIBLE\nx\ny",
        "No ED25519 host key is known for bench.\r\nHost key verification failed.\r\n",
        "The host key for bench is marked as revoked.",
        "hui@bench: Permission denied (publickey).",
        "Received disconnect from 10.0.0.5: Too many authentication failures",
        "Unable to negotiate with 10.0.0.5 port 22: no matching cipher found.",
        "/home/hui/.ssh/config: line 3: Bad configuration option: foo",
        "/home/hui/.ssh/config line 3: missing argument.",
        "Bad owner or permissions on /home/hui/.ssh/config",
        "hostname contains invalid characters",
        "usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy]",
        "unix_listener: cannot bind to path /x: Permission denied",
        "Can't open user config file /x: No such file or directory",
        "Disconnected from 10.0.0.5 port 22: 14: No supported authentication methods available",
        "vdollar_percent_expand: unknown key %q",
        "jumphost loop via bench",
        UNKNOWN,
    ],
)
def test_a_refusal_shows_the_words_of_ssh(message: str) -> None:
    error = ssh_errors.login_error("bench", message, first_contact=True)
    assert type(error) is HostRejected
    assert message.splitlines()[-1].strip() in str(error) or "HAS CHANGED" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("message", "first_contact"),
    [
        (UNKNOWN, False),
        ("ssh: Could not resolve hostname bench: Temporary failure in name resolution", True),
        ("ssh: connect to host bench port 22: Connection refused", True),
        ("ssh: connect to host bench port 22: No route to host", True),
        ("kex_exchange_identification: read: Connection reset by peer", True),
        ("", True),
        # ssh goes on without an option that it was built without.
        (
            '/etc/ssh/ssh_config line 5: Unsupported option "gssapiauthentication"\r\n'
            "ssh: connect to host bench port 22: Connection refused",
            True,
        ),
        ("hui: Permission denied (publickey).\nTimeout, server not there.\r\n", True),
        ("/home/hui/.bashrc: line 3: module: command not found\nTimeout, server not there", True),
    ],
)
def test_an_outage_may_pass(message: str, first_contact: bool) -> None:
    error = ssh_errors.login_error("bench", message, first_contact)
    assert type(error) is Unreachable
    assert (message.strip() or "no words of ssh").splitlines()[-1] in str(error)


def test_a_banner_is_not_shown_beside_a_refusal() -> None:
    message = '** authorised use only **\nLoad key "k": bad permissions\r\n'
    message += "hui@bench: Permission denied (publickey).\r\n"
    error = ssh_errors.login_error("bench", message, first_contact=True)
    assert 'found Load key "k": bad permissions / hui@bench: Permission denied' in str(error)


def test_a_changed_key_comes_with_the_command_that_removes_the_old_one() -> None:
    lines = [
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
        "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
        "  remove with:",
        "  ssh-keygen -f known_hosts -R bench",
        "Host key for bench has changed and you have requested strict checking.",
        "Host key verification failed.",
    ]
    message = "".join(f"{line}\r\n" for line in lines)
    said = str(ssh_errors.login_error("bench", message, first_contact=True))
    assert "HAS CHANGED! / ssh-keygen -f known_hosts -R bench / Host key for bench" in said


def test_each_wrong_option_is_shown() -> None:
    options = [f"/c: line {n}: Bad configuration option: o{n}\n" for n in range(4)]
    broken = ssh_errors.login_error("bench", f"{''.join(options)}/c: terminating, 4 bad", True)
    assert "option: o0 / /c: line 1" in str(broken)
