"""What rsync met, in its own words. The copies themselves are in test_workstation.py."""

import os
from pathlib import Path

import pytest

from harness.factory import put
from postrun.core.errors import HostRejected, Invalid, Missing, PostRunError, Unreachable
from postrun.remote import rsync
from postrun.remote.local_host import LocalHost


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


def test_what_has_not_got_its_mode_comes_again(tmp_path: Path) -> None:
    """rsync moves a file to its place even when it could not set its mode."""
    source, destination = tmp_path / "source", tmp_path / "come/source"
    for folder in (source, destination):
        for name in ("ready", "unready", "folder/inside"):
            put(folder / name, name)
            os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    (destination / "unready").chmod(0o600)
    (destination / "folder").chmod(0o700)
    names = ["ready", "unready", "folder/inside"]
    rsync.copy(LocalHost(), {str(source): names}, tmp_path / "come", 5.0, show_progress=False)
    for name in ("ready", "unready", "folder", "folder/inside"):
        assert (destination / name).stat().st_mode == (source / name).stat().st_mode
