"""`make seal`: what is signed, when there is nothing to sign, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.sealed import LEDGER, TAGS, Sealed
from harness.workspace import Workspace
from postrun.store import ledger, signatures


def test_a_seal_signs_the_head_and_every_record(sealed: Sealed) -> None:
    rows = sealed.rows()
    done = sealed.seal()
    assert done.code == 0
    assert done.err == f"seal: {len(rows)} rows of the ledger, with {sealed.hui.fingerprint}\n"
    assert done.out == f"{sealed.seal_file(1)}\n"
    subjects = sealed.subjects(1)
    assert set(subjects) == {
        f"{LEDGER}#{len(rows)}",
        "audit/workspace_record.json",
        *(sealed.record(tag).relative_to(sealed.root).as_posix() for tag in TAGS),
    }
    *_, last = sealed.rows()
    assert last["previous_sha256"] == subjects[f"{LEDGER}#{len(rows)}"]
    assert (last["kind"], last["file"], last["keyid"]) == (
        "seal",
        "audit/seals/1.dsse.json",
        sealed.hui.fingerprint,
    )
    assert sealed.findings() == [("audit/seals/1.dsse.json", "sealed by hui", False)]
    assert ledger.verify(sealed.root) == []


def test_nothing_new_is_said_and_writes_nothing(sealed: Sealed) -> None:
    sealed.must_seal()
    before = sealed.workspace.bytes()
    done = sealed.seal()
    assert done.code == 0
    assert done.err.startswith("seal: nothing to seal: ")
    assert sealed.workspace.bytes() == before


def test_a_closing_that_changes_nothing_leaves_nothing_to_seal(sealed: Sealed) -> None:
    sealed.must_seal()
    assert sealed.workspace.close("a") == 0
    assert sealed.seal().err.startswith("seal: nothing to seal: ")


def test_an_empty_workspace_has_nothing_to_seal(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Sealed(Workspace(tmp_path, tmp_path / "empty"), sealed.hui)
    assert empty.seal().err.startswith("seal: nothing to seal: ")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_workspace_that_changes_while_somebody_signs_is_not_sealed(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = signatures.sign

    def close_meanwhile(statement: Any, key: Path) -> tuple[bytes, str]:
        sealed.reclose(monkeypatch, "b")
        return sign(statement, key)

    monkeypatch.setattr(signatures, "sign", close_meanwhile)
    done = sealed.seal()
    assert done.code == 4
    assert "expected what you signed, found changes since; seal it again" in done.err
    assert not sealed.seal_file(1).exists()


def test_a_dry_run_signs_nothing(sealed: Sealed) -> None:
    before = sealed.workspace.bytes()
    done = sealed.seal(None, "--dry-run")
    assert done.code == 0
    assert done.err.startswith("seal: would seal 6 rows of the ledger with ")
    assert sealed.workspace.bytes() == before


def test_the_result_is_printed_as_json(sealed: Sealed) -> None:
    done = sealed.seal(None, "--json")
    assert json.loads(done.out)["wrote"] == [str(sealed.seal_file(1))]


def test_a_broken_ledger_is_not_sealed(sealed: Sealed) -> None:
    path = sealed.root / LEDGER
    path.write_bytes(path.read_bytes().replace(b'"owner": "hui"', b'"owner": "mei"', 1))
    done = sealed.seal()
    assert done.code == 4
    assert not sealed.seal_file(1).exists()
