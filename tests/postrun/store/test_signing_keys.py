"""Which key signs, and who the allowed signers are."""

from pathlib import Path

import pytest

from harness import signers
from harness.signers import Signer
from postrun.core.errors import Invalid, Missing
from postrun.store import configuration, signing_keys


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a user without keys and settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    configure(monkeypatch, None)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def configure(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    settings = {} if key is None else {"signing_key": key}
    monkeypatch.setattr(configuration, "workstation", lambda: settings)


def test_a_key_is_chosen_in_this_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / ".ssh"
    (folder / "id_rsa").touch()
    assert signing_keys.choose(None) == folder / "id_rsa"
    (folder / "id_ed25519.pub").touch()
    assert signing_keys.choose(None) == folder / "id_ed25519.pub"
    (folder / "id_ed25519").touch()
    assert signing_keys.choose(None) == folder / "id_ed25519"
    (folder / "desk.pub").touch()
    configure(monkeypatch, "~/.ssh/desk")
    assert signing_keys.choose(None) == folder / "desk"
    (home / "given").touch()
    assert signing_keys.choose(home / "given") == home / "given"


def test_a_key_that_is_not_there_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Missing, match=r"the key that signs: expected one of id_ed25519, .* KEY="):
        signing_keys.choose(None)
    configure(monkeypatch, str(home / "gone"))
    with pytest.raises(Missing, match="gone: expected an SSH key or its public half"):
        signing_keys.choose(None)


def test_rows_name_the_configured_key_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hui = Signer.make(home / ".ssh", "hui")
    assert signing_keys.configured_fingerprint() is None
    for setting in ("~/.ssh/hui_key", str(hui.public_file)):
        configure(monkeypatch, setting)
        assert signing_keys.configured_fingerprint() == hui.fingerprint
    hui.public_file.write_text("ssh-ed25519\n")
    with pytest.raises(Invalid, match=r"hui_key\.pub: expected the public half"):
        signing_keys.configured_fingerprint()
    hui.public_file.unlink()
    with pytest.raises(Missing, match="write it: ssh-keygen -y -f"):
        signing_keys.configured_fingerprint()


def test_both_files_are_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, own = home / "allowed_signers", home / "allowed_signers.local"
    monkeypatch.setattr(signing_keys, "ALLOWED_SIGNERS", (shared, own))
    assert signing_keys.allowed_signers() == b""
    shared.write_text("# names\n\nhui ssh-ed25519 AAAA")
    own.write_text("mei ssh-ed25519 BBBB\r\n")
    assert signing_keys.allowed_signers() == b"hui ssh-ed25519 AAAA\nmei ssh-ed25519 BBBB\n"
    own.unlink()
    own.symlink_to("gone")
    with pytest.raises(Missing, match="expected a symbolic link to a file"):
        signing_keys.allowed_signers()


def test_the_shipped_file_allows_nobody() -> None:
    shipped, own = signing_keys.ALLOWED_SIGNERS
    lines = shipped.read_text().splitlines()
    assert lines
    assert all(line.startswith("#") for line in lines)
    assert own.name == "allowed_signers.local"


def test_a_signer_claims_the_name_that_the_file_gives(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hui, mei = Signer.make(home, "hui"), Signer.make(home, "mei")
    signers.allow(monkeypatch, home, mei.line(), hui.line("hui", 'namespaces="postrun"'))
    assert signing_keys.claimed_principal(hui.key) == "hui"
    assert signing_keys.claimed_principal(hui.public_file) == "hui"
    signers.allow(monkeypatch, home, mei.line())
    assert signing_keys.claimed_principal(hui.key) is None
    assert signing_keys.claimed_principal(home / "in an agent") is None
