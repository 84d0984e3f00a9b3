"""The program ssh-keygen: keys in files and in agents, passphrases, and releases that lack what is
used.
"""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from harness import signers
from harness.programs import SCRIPTS
from harness.signers import Signer
from postrun.core.errors import Missing
from postrun.store import ssh_keygen
from postrun.store.ssh_keygen import Signature

MESSAGE = b"a message"
# A program that signs as we do, in a session with a terminal of its own.
SIGNING = """
import fcntl, os, sys, termios
from pathlib import Path
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
# As make and cron may leave it: our input is no terminal, but there is one.
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
from postrun.store import ssh_keygen
sys.stdout.buffer.write(ssh_keygen.sign(b"a message", Path(sys.argv[1])))
"""


def fingerprint(armored: bytes) -> str:
    return Signature(armored, MESSAGE, b"").fingerprint()[0]


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_keygen, "_TERMINAL", tmp_path / "no terminal")


def test_a_key_in_a_file_signs(tmp_path: Path) -> None:
    hui = Signer.make(tmp_path, "hui")
    assert fingerprint(ssh_keygen.sign(MESSAGE, hui.key)) == hui.fingerprint


def test_a_key_that_only_an_agent_has_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hui = Signer.make(tmp_path, "hui")
    with signers.agent(monkeypatch, hui.key):
        hui.key.unlink()
        assert fingerprint(ssh_keygen.sign(MESSAGE, hui.public_file)) == hui.fingerprint


@pytest.mark.usefixtures("no_terminal")
def test_a_key_that_no_agent_has_is_named(tmp_path: Path) -> None:
    hui = Signer.make(tmp_path, "hui")
    hui.key.unlink()
    with pytest.raises(Missing, match=r"hui_key\.pub: expected an SSH key that signs, found .*key"):
        ssh_keygen.sign(MESSAGE, hui.public_file)


@pytest.mark.usefixtures("no_terminal")
def test_without_a_terminal_nobody_is_asked_for_a_passphrase(tmp_path: Path) -> None:
    hui = Signer.make(tmp_path, "hui", passphrase="open sesame")
    with pytest.raises(Missing, match="incorrect passphrase"):
        ssh_keygen.sign(MESSAGE, hui.key)


def test_a_passphrase_is_asked_for_on_the_terminal(tmp_path: Path) -> None:
    hui = Signer.make(tmp_path, "hui", passphrase="open sesame")
    ours, external = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SIGNING, str(hui.key)],
        stdin=external,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    asked = b""
    while b"passphrase" not in asked:
        assert select.select([ours], [], [], 20)[0], "nobody asks"
        asked += os.read(ours, 1024)
    os.write(ours, b"open sesame\n")
    armored, _ = process.communicate(timeout=60)
    os.close(external)
    os.close(ours)
    assert process.returncode == 0
    assert fingerprint(armored) == hui.fingerprint


@pytest.mark.parametrize(
    "said",
    [
        "unknown option -- Y",
        'Unsupported operation for -Y: "match-principals"',
        'Invalid option "verify-time=20260222100000"',
    ],
)
def test_an_older_ssh_keygen_is_named(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh-keygen"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Missing, match=r"OpenSSH 8\.9 or newer, found an older one: "):
        ssh_keygen.names(b"", "hui")
    with pytest.raises(Missing, match=r"OpenSSH 8\.9 or newer, found an older one: "):
        ssh_keygen.sign(MESSAGE, tmp_path / "key")


def test_nothing_is_left_of_a_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hui = Signer.make(tmp_path / "keys", "hui")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    ssh_keygen.sign(MESSAGE, hui.key)
    assert ssh_keygen.names(hui.line().encode(), "hui")
    assert not ssh_keygen.names(hui.line().encode(), "mei")
    assert list(folder.iterdir()) == []
