"""Signed statements: written with the user's own SSH key, read, and checked.

A signed file is a DSSE envelope (`*.dsse.json`) around an in-toto Statement v1. Its `sig` is the
base64 of the SSHSIG in its armored form, the text that `ssh-keygen -Y sign` writes, over the
envelope's pre-authentication encoding (PAE); the namespace is `postrun`, and `keyid` is the key's
fingerprint. So `base64 -d` makes of `sig` the file that `ssh-keygen -Y verify -s` reads. What the
lines of `configs/allowed_signers` demand is asked for the time that the statement names, not for
the time of the check.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from postrun.core.errors import Invalid, Missing
from postrun.store import json_files, signing_keys, ssh_keygen
from postrun.store.ssh_keygen import Signature

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_ENVELOPE = {"payload", "payloadType", "signatures"}
_SIGNATURE = {"keyid", "sig"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Signed:
    """A statement as it was read, with a signature that nobody has checked yet."""

    statement: Json
    payload: bytes
    keyid: str
    armored: bytes

    @property
    def predicate(self) -> Json:
        """Return what is stated."""
        predicate: Json = self.statement["predicate"]
        return predicate

    @property
    def subjects(self) -> dict[str, str]:
        """Return what it is stated of: the digest of each subject, by name."""
        digests = {}
        for subject in self.statement["subject"]:
            digests[subject["name"]] = subject["digest"]["sha256"]
        return digests

    @property
    def signature(self) -> Signature:
        """Return the signature with what it must fit."""
        return Signature(self.armored, _pae(self.payload), signing_keys.allowed_signers())

    @property
    def time(self) -> str:
        """Return the statement's time as ssh-keygen takes it: in the zone of this machine."""
        stated = datetime.fromisoformat(self.predicate["recorded_at"])
        return stated.astimezone().strftime("%Y%m%d%H%M%S")


@dataclass(frozen=True)
class Check:
    """What came of checking a signature."""

    principals: tuple[str, ...] = ()  # whom the allowed signers say has the key
    problem: str = ""  # why it is no good signature of one of them
    is_broken: bool = False  # it does not fit the statement at all


def make_statement(kind: str, subjects: dict[str, str], predicate: Json) -> Json:
    """Return a statement of ours, `approval` or `seal`, about digests. Raises Invalid."""
    listed = []
    for name in sorted(subjects):
        digest = {"sha256": subjects[name]}
        listed.append({"name": name, "digest": digest})
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": listed,
        "predicateType": f"urn:postrun:{kind}:1",
        "predicate": predicate,
    }
    json_files.check(statement, kind, f"statement of the {kind}")
    return statement


def sign(statement: Json, key: Path) -> tuple[bytes, str]:
    """Return the signed file of a statement, and the fingerprint of the key.

    Raises Missing when the key cannot sign.
    """
    payload = json_files.encode(statement)
    message = _pae(payload)
    armored = ssh_keygen.sign(message, key)
    keyid, problem = Signature(armored, message, b"").fingerprint()
    if problem:
        raise Missing(key, "a key whose signatures hold", problem)
    envelope = {
        "payload": _encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": keyid, "sig": _encode(armored)}],
    }
    return json_files.encode(envelope), keyid


def read(content: bytes, thing: object, kind: str) -> Signed:
    """Return what a signed file of ours states; its signature is not checked. Raises Invalid."""
    envelope = json_files.parse(content, thing).members
    try:
        (signature,) = envelope["signatures"]
        if envelope.keys() != _ENVELOPE or signature.keys() != _SIGNATURE:
            raise ValueError
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError
        payload = _decode(envelope["payload"])
        armored = _decode(signature["sig"])
        keyid = str(signature["keyid"])
    except (AttributeError, LookupError, TypeError, ValueError):
        expected = f"a DSSE envelope with one signature and a payload of {PAYLOAD_TYPE}"
        raise Invalid(thing, expected, "another document") from None
    statement = json_files.parse(payload, f"{thing}: payload", kind).value
    return Signed(statement, payload, keyid, armored)


def check(signed: Signed, signers: bytes | None = None) -> Check:
    """Return whose signature it is, by the allowed signers at the time of the statement.

    Raises Missing without ssh-keygen.
    """
    signature = signed.signature
    if signers is not None:
        signature = signature._replace(signers=signers)
    keyid, problem = signature.fingerprint()
    if not problem and keyid != signed.keyid:
        problem = f"it was made with {keyid}, not with {signed.keyid}"
    if problem:
        return Check((), f"the signature does not hold: {problem}", is_broken=True)
    named = signature.principals(signed.time)
    reason = named.reason
    principals = []
    for principal in named.lines:
        # The line may be for another namespace.
        answer = signature.is_by(principal, signed.time)
        reason = reason or answer.reason
        if answer.is_yes:
            principals.append(principal)
    if principals:
        return Check(tuple(principals))
    return Check((), f"unknown signer {keyid}: {reason}")


def is_by(signed: Signed, principal: str) -> bool:
    """Return whether a person is among those who have the key, by any line of the file."""
    return signed.signature.is_by(principal, signed.time).is_yes


def _pae(payload: bytes) -> bytes:
    """Return the bytes that are signed: type and payload, each after its length."""
    lengths = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
    return lengths.encode() + payload


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: Any) -> bytes:
    """Return the bytes of a base64 text. Raises ValueError for one that `_encode` does not make."""
    content = base64.b64decode(text, validate=True)
    if _encode(content) != text:
        raise ValueError
    return content
