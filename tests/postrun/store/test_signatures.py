"""Statements that real keys sign, as anybody may check them, and every way not to hold."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import signers
from harness.signers import Signer
from postrun.core.errors import Invalid, Missing
from postrun.store import json_files, signatures
from postrun.store.signatures import Check, Signed

SIGNED_AT = "2026-02-22T10:00:00Z"
PREDICATE = {
    "number": 1,
    "ledger_rows": 3,
    "recorded_at": SIGNED_AT,
    "program_version": "0.9.0",
}
SUBJECTS = {"audit/workspace_record.json": "d" * 64, "audit/stage_ledger.jsonl#3": "a" * 64}

Allow = Callable[..., Path]


@pytest.fixture
def hui(tmp_path: Path) -> Signer:
    return Signer.make(tmp_path / "keys", "hui")


@pytest.fixture
def allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Allow:
    return lambda *lines: signers.allow(monkeypatch, tmp_path, *lines)


def statement() -> Any:
    return signatures.make_statement("seal", SUBJECTS, PREDICATE)


def signed_by(signer: Signer) -> bytes:
    content, keyid = signatures.sign(statement(), signer.key)
    assert keyid == signer.fingerprint
    return content


def read(content: bytes) -> Signed:
    return signatures.read(content, "1.dsse.json", "seal")


def checked(content: bytes) -> Check:
    return signatures.check(read(content))


def edited(content: bytes, change: Callable[[Any], object]) -> bytes:
    envelope = json.loads(content)
    change(envelope)
    return json_files.encode(envelope)


def test_a_signature_of_an_allowed_signer_holds(hui: Signer, allow: Allow) -> None:
    allow(hui.line())
    content = signed_by(hui)
    assert checked(content) == Check(("hui",))
    assert read(content).statement == statement()
    assert read(content).subjects == SUBJECTS


def test_ssh_keygen_alone_can_check_it(hui: Signer, tmp_path: Path) -> None:
    """The runbook prints these commands: nothing of this project is needed for them."""
    envelope = json.loads(signed_by(hui))
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    (signature,) = envelope["signatures"]
    (tmp_path / "sig").write_bytes(base64.b64decode(signature["sig"]))
    (tmp_path / "signers").write_text(hui.line())
    command = ["ssh-keygen", "-Y", "verify", "-n", "postrun", "-I", "hui", "-f", "signers"]
    done = subprocess.run(
        [*command, "-s", "sig"], cwd=tmp_path, input=message, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert signature["keyid"] in done.stdout.decode()


def test_a_key_that_nobody_names_is_an_unknown_signer(
    hui: Signer, allow: Allow, tmp_path: Path
) -> None:
    mei = Signer.make(tmp_path, "mei")
    content = signed_by(hui)
    for lines in ((), (mei.line(),)):
        allow(*lines)
        found = checked(content)
        assert (found.principals, found.is_broken) == ((), False)
        assert found.problem == f"unknown signer {hui.fingerprint}: No principal matched."


@pytest.mark.parametrize(
    ("options", "is_good"),
    [
        ('valid-before="20260222"', False),
        ('valid-before="20260224"', True),
        ('valid-after="20260224"', False),
        ('valid-after="20260220",valid-before="20260224"', True),
        ('namespaces="git"', False),
        ('namespaces="git,postrun"', True),
    ],
)
def test_the_options_of_a_signer_count_at_the_time_of_the_statement(
    hui: Signer, allow: Allow, options: str, is_good: bool
) -> None:
    allow(hui.line(options=options))
    found = checked(signed_by(hui))
    assert (found.principals == ("hui",)) is is_good
    assert found.problem.startswith("unknown signer") is not is_good
    assert not found.is_broken


def test_a_certificate_of_an_allowed_authority_holds(
    hui: Signer, allow: Allow, tmp_path: Path
) -> None:
    authority = Signer.make(tmp_path, "authority")
    command = ["ssh-keygen", "-q", "-s", str(authority.key), "-I", "hui at desk", "-n", "hui"]
    subprocess.run([*command, "-V", "20260101:20270101", str(hui.public_file)], check=True)
    certificate = hui.key.with_name("hui_key-cert.pub")
    content, keyid = signatures.sign(statement(), certificate)
    assert keyid == hui.fingerprint
    allow(authority.line("*", "cert-authority"))
    assert checked(content) == Check(("hui",))
    allow(authority.line("mei", "cert-authority"))
    assert checked(content).problem.startswith("unknown signer")


def restate(envelope: Any) -> None:
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["predicate"]["ledger_rows"] = 2
    envelope["payload"] = base64.b64encode(json_files.encode(payload)).decode()


def sign_for_git(envelope: Any, signer: Signer, folder: Path) -> None:
    """Replace the signature with one that is good in another namespace."""
    payload = base64.b64decode(envelope["payload"])
    kind = signatures.PAYLOAD_TYPE
    message = folder / "message"
    message.write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(signer.key), "-n", "git", str(message)]
    subprocess.run(command, check=True, capture_output=True)
    armored = message.with_suffix(".sig").read_bytes()
    envelope["signatures"][0]["sig"] = base64.b64encode(armored).decode()


def test_an_edited_payload_is_broken(hui: Signer, allow: Allow) -> None:
    allow(hui.line())
    found = checked(edited(signed_by(hui), restate))
    assert found.is_broken
    assert found.problem.startswith("the signature does not hold: ")


def test_a_signature_for_another_purpose_is_broken(
    hui: Signer, allow: Allow, tmp_path: Path
) -> None:
    allow(hui.line())
    content = edited(signed_by(hui), lambda envelope: sign_for_git(envelope, hui, tmp_path))
    found = checked(content)
    assert found.is_broken
    assert "namespace" in found.problem


def test_the_key_must_be_the_one_that_the_file_names(
    hui: Signer, allow: Allow, tmp_path: Path
) -> None:
    mei = Signer.make(tmp_path, "mei")
    allow(hui.line(), mei.line())
    content = edited(
        signed_by(hui), lambda envelope: envelope["signatures"][0].update(keyid=mei.fingerprint)
    )
    assert checked(content).is_broken
    assert hui.fingerprint in checked(content).problem


@pytest.mark.parametrize(
    "change",
    [
        lambda envelope: envelope.update(payloadType="text/plain"),
        lambda envelope: envelope.update(note="x"),
        lambda envelope: envelope.update(payload=envelope["payload"] + "\n"),
        lambda envelope: envelope.update(payload=7),
        lambda envelope: envelope.pop("payload"),
        lambda envelope: envelope.update(signatures=[]),
        lambda envelope: envelope.update(signatures=["x"]),
        lambda envelope: envelope["signatures"].append(envelope["signatures"][0]),
        lambda envelope: envelope["signatures"][0].update(sig="not base64"),
        lambda envelope: envelope["signatures"][0].update(cert="x"),
    ],
)
def test_another_envelope_is_refused(hui: Signer, change: Callable[[Any], object]) -> None:
    with pytest.raises(Invalid, match=r"1\.dsse\.json: expected a DSSE envelope"):
        read(edited(signed_by(hui), change))


def test_another_kind_of_statement_is_refused(hui: Signer) -> None:
    with pytest.raises(Invalid, match=r"approval\.schema\.json"):
        signatures.read(signed_by(hui), "1.dsse.json", "approval")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        read(content)


def test_a_person_with_two_names_is_found_under_both(hui: Signer, allow: Allow) -> None:
    allow(hui.line("desk"), hui.line("hui,*@example.org"))
    signed = read(signed_by(hui))
    assert signatures.check(signed).principals == ("desk",)
    assert signatures.is_by(signed, "hui")
    assert signatures.is_by(signed, "hui@example.org")
    assert not signatures.is_by(signed, "mei")
    assert not signatures.is_by(signed, "-f\0")


def test_a_missing_ssh_keygen_is_named(
    hui: Signer, allow: Allow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(hui.line())
    content = signed_by(hui)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = r"ssh-keygen: expected the program of OpenSSH 8\.9 or newer, found No such file"
    with pytest.raises(Missing, match=words):
        checked(content)
    with pytest.raises(Missing, match=words):
        signed_by(hui)
