"""Seals with real keys: every way in which a workspace is no longer what was sealed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness import signers
from harness.factory import make_run
from harness.sealed import LEDGER, Sealed
from harness.signers import Signer
from postrun.store import json_files


def test_a_later_seal_names_the_earlier_one_and_its_head(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal()
    sealed.reclose(monkeypatch, "b")
    sealed.must_seal()
    first, second = sealed.subjects(1), sealed.subjects(2)
    heads = {name: digest for name, digest in first.items() if "#" in name}
    assert heads.items() <= second.items()
    digest = hashlib.sha256(sealed.seal_file(1).read_bytes()).hexdigest()
    assert second["audit/seals/1.dsse.json"] == digest
    # Of what changed between the seals the second one speaks.
    assert sealed.findings() == [
        ("audit/seals/2.dsse.json", "sealed by hui", False),
        ("audit/seals/1.dsse.json", "sealed by hui", False),
    ]


def test_what_closings_changed_since_is_listed(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal()
    sealed.reclose(monkeypatch, "b")
    make_run(sealed.workspace.remote, tag="d", stamp="2026-02-25_031500")
    assert sealed.workspace.close("d") == 0
    record = sealed.record("b").relative_to(sealed.root).as_posix()
    assert sorted(sealed.findings()[1:]) == [
        ("audit/workspace_record.json", "changed since seal 1", False),
        (record, "changed since seal 1", False),
    ]


def drop_last_decision(rows: list[Any]) -> list[Any]:
    return rows[:4]


def edit_first(rows: list[Any]) -> list[Any]:
    return [{**rows[0], "owner": "somebody"}, *rows[1:]]


def edit_an_audit(rows: list[Any]) -> list[Any]:
    return [*rows[:3], {**rows[3], "passed": False}, *rows[4:]]


def drop_the_second(rows: list[Any]) -> list[Any]:
    return [rows[0], *rows[2:]]


@pytest.mark.parametrize("change", [drop_last_decision, edit_first, edit_an_audit, drop_the_second])
def test_a_ledger_that_was_rewritten_is_named(sealed: Sealed, change: Any) -> None:
    sealed.must_seal()
    sealed.rewrite_ledger(change)
    assert (LEDGER, "row 6 is not the one that seal 1 signed") in sealed.broken()
    done = sealed.seal()
    assert done.code == 4
    assert "row 6 is not the one that seal 1 signed" in done.err


def test_any_earlier_seal_names_it(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.must_seal()
    sealed.reclose(monkeypatch, "b")
    sealed.must_seal()
    sealed.rewrite_ledger(edit_first)
    words = [summary for path, summary in sealed.broken() if path == LEDGER]
    assert words == [
        "row 6 is not the one that seal 2 signed",
        "row 8 is not the one that seal 2 signed",
        "row 6 is not the one that seal 1 signed",
    ]


def test_a_record_that_no_row_explains_is_broken(sealed: Sealed) -> None:
    sealed.must_seal()
    path = sealed.record("b")
    document = json.loads(path.read_bytes())
    document["files"][0]["sha256"] = "0" * 64
    path.write_bytes(json_files.encode(document))
    sealed.record("c").unlink()
    names = [path.relative_to(sealed.root).as_posix() for path in (path, sealed.record("c"))]
    assert sorted(sealed.broken()) == [
        (names[0], "changed since seal 1, and no later row of the ledger says so"),
        (names[1], "gone, or cannot be read any more, since seal 1"),
    ]


def test_an_older_record_with_its_row_is_broken(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the older record is older than the seal, too."""
    older = sealed.record("b").read_bytes()
    sealed.reclose(monkeypatch, "b")
    sealed.must_seal()
    sealed.record("b").write_bytes(older)
    name = sealed.record("b").relative_to(sealed.root).as_posix()
    assert sealed.broken() == [
        (name, "changed since seal 1, and no later row of the ledger says so")
    ]


@pytest.mark.parametrize("member", ["payload", "keyid", "sig"])
def test_an_edited_seal_is_broken(sealed: Sealed, member: str, tmp_path: Path) -> None:
    sealed.must_seal()
    path = sealed.seal_file(1)
    envelope = json.loads(path.read_bytes())
    other = Signer.make(tmp_path / "other", "mei")
    if member == "payload":
        envelope["payload"] = envelope["payload"][:-8] + "AAAAAAA="
    elif member == "keyid":
        envelope["signatures"][0]["keyid"] = other.fingerprint
    else:
        envelope["signatures"][0]["sig"] = "LS0tLS0="
    path.write_bytes(json_files.encode(envelope))
    assert {name for name, _ in sealed.broken()} == {"audit/seals/1.dsse.json"}
    assert len(sealed.broken()) == 2  # the row of the ledger names another file, too


def test_a_removed_seal_is_named(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.must_seal()
    sealed.reclose(monkeypatch, "b")
    sealed.must_seal()
    sealed.seal_file(1).unlink()
    assert ("audit/seals/1.dsse.json", "gone, and row 7 of the ledger names it") in sealed.broken()
    assert sealed.seal().code == 4
    # A new one takes the place of none, also when none is left.
    sealed.seal_file(2).unlink()
    sealed.must_seal()
    assert sealed.seal_file(3).exists()
    gone = [path for path, summary in sealed.broken() if summary.startswith("gone")]
    assert gone == ["audit/seals/1.dsse.json", "audit/seals/2.dsse.json"]


def test_a_seal_of_a_stranger_proves_nothing(sealed: Sealed, tmp_path: Path) -> None:
    stranger = Signer.make(tmp_path, "stranger")
    sealed.must_seal(stranger)
    ((name, words),) = sealed.broken()
    assert name == "audit/seals/1.dsse.json"
    assert words == f"unknown signer {stranger.fingerprint}: No principal matched."


def test_a_later_seal_vouches_for_that_of_a_removed_signer(
    sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal(Signer.make(tmp_path, "stranger"))
    sealed.reclose(monkeypatch, "b")
    sealed.must_seal()
    assert sealed.broken() == []
    assert sealed.findings()[1][1].startswith("unknown signer")


def test_without_allowed_signers_a_seal_is_not_broken(
    sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal()
    signers.allow(monkeypatch, tmp_path)
    ((_, summary, is_broken),) = sealed.findings()
    assert summary.startswith("unknown signer")
    assert not is_broken
