"""What rsync met, in its own words. The copies themselves are in test_workstation.py."""

import pytest

from postrun.core.errors import HostRejected, Invalid, Missing, PostRunError, Unreachable
from postrun.remote import rsync


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (127, "sh: rsync: not found", Missing),
        (12, "rsync: Command not found.", Missing),
        (30, "bash: module: command not found", Unreachable),
        (12, "rsync: [sender] open /x: Permission denied (13)\nConnection reset", Unreachable),
        (23, "rsync: [Receiver] mkdir /x failed: Permission denied (13)", Missing),
        (11, "rsync: write failed on /x: No space left on device (28)", Missing),
        (23, "rsync: [receiver] mkstemp /x/.a failed: Permission denied (13)", Missing),
        (23, "rsync: [sender] send_files failed to open /x: Permission denied (13)", Invalid),
        (12, "protocol version mismatch -- is your shell clean?", HostRejected),
        (2, "rsync error: protocol incompatibility (code 2)", HostRejected),
        (255, "hui@bench: Permission denied (publickey).", HostRejected),
        (255, "client_loop: send disconnect: Broken pipe", Unreachable),
        (30, "rsync error: timeout in data send/receive (code 30)", Unreachable),
        (12, "rsync: connection unexpectedly closed (0 bytes received so far)", Unreachable),
    ],
)
def test_what_rsync_met(code: int, message: str, kind: type[PostRunError]) -> None:
    error = rsync._error("audit/x", "bench", code, message)
    assert type(error) is kind
    assert "bench" in str(error)


def test_the_line_before_the_last_is_shown() -> None:
    said = "protocol version mismatch -- is your shell clean?\n"
    said += "(see the rsync manpage for an explanation)\n"
    said += "rsync error: protocol incompatibility (code 2) at compat.c(622)\n"
    assert "is your shell clean?" in str(rsync._error("audit/x", "bench", 2, said))
