"""Approvals with real keys: what they do not survive, and which of them is broken."""

import base64
import copy
import csv
import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from harness import signers
from harness.committee import FIRST, Committee
from harness.factory import TAG, make_run
from harness.programs import run_script
from harness.signers import Signer
from postrun.core import locations
from postrun.store import configuration, ledger

AUDIT = "governance_audit_check"


def test_a_key_that_nobody_names_does_not_count(committee: Committee, tmp_path: Path) -> None:
    stranger = Signer.make(tmp_path, "stranger")
    done = committee.approve(stranger)
    assert "approved by a key that configs/allowed_signers does not name" in done.err
    decision, words = committee.decision()
    assert decision == "awaiting_approval"
    assert words.startswith("approval 1 does not count: unknown signer SHA256:")


@pytest.mark.parametrize("options", [None, 'valid-before="20200101"', 'namespaces="git"'])
def test_a_signer_who_is_removed_later_does_not_count(
    committee: Committee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: str | None
) -> None:
    assert committee.approve(committee.mei).code == 0
    lines = [committee.hui.line()]
    if options:
        lines.append(committee.mei.line(options=options))
    signers.allow(monkeypatch, tmp_path, *lines)
    decision, words = committee.decision_now()
    assert decision == "awaiting_approval"
    assert words.startswith("approval 1 does not count: unknown signer")
    ((summary, is_broken),) = committee.findings()
    assert summary.startswith("does not count: unknown signer")
    assert not is_broken


def test_a_new_signer_counts_in_every_row(
    committee: Committee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever is closed next: the allowed signers belong to the policy of every row."""
    signers.allow(monkeypatch, tmp_path, committee.hui.line())
    assert committee.approve(committee.mei).code == 0
    assert committee.decision()[0] == "awaiting_approval"
    signers.allow(monkeypatch, tmp_path, committee.hui.line(), committee.mei.line())
    make_run(committee.workspace.remote, tag="other", stamp="2026-02-22_010101")
    assert committee.workspace.close("other") == 0
    path = locations.workspace_path(committee.workspace.local, "factor_experiment_registry")
    incremental = path.read_bytes()
    assert b"approval 1 by mei" in incremental
    where = ("--local-root", str(committee.workspace.local))
    assert run_script("update_factor_experiment_registry", "--rebuild", *where).code == 0
    assert path.read_bytes() == incremental


def test_an_approval_of_an_earlier_audit_does_not_count(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert committee.approve(committee.mei).code == 0
    load = configuration.load
    catalogue = copy.deepcopy(load("governance_checks"))
    catalogue["checks"][-1]["question"] = "Is it so?"
    monkeypatch.setattr(
        configuration, "load", lambda name: catalogue if name == "governance_checks" else load(name)
    )
    assert committee.run("post_run_sync_and_finalize", "--from", "governance-audit") == 0
    words = f"approval 1 does not count: changed since it was signed: {AUDIT}.json"
    assert committee.decision() == ("awaiting_approval", words)
    assert committee.findings() == [(words.removeprefix("approval 1 "), False)]
    assert committee.approve(committee.mei).code == 0
    assert committee.decision() == ("promote_candidate", "approval 2 by mei")


def test_an_approval_of_an_earlier_decision_does_not_count(committee: Committee) -> None:
    assert committee.approve(committee.mei).code == 0
    log = committee.run_paths.path("run_log")
    remote_log = committee.workspace.remote / committee.run_paths.relative(log)
    remote_log.write_bytes(remote_log.read_bytes() + b"one more line\n")
    assert committee.workspace.close(TAG, "--accept-changed-evidence", "log was cut") == 0
    decision, words = committee.decision()
    assert decision == "awaiting_approval"
    assert "evidence_manifest.json" in words
    assert "stage_ledger.jsonl#" in words


def test_an_edited_approval_does_not_count_and_is_broken(committee: Committee) -> None:
    assert committee.approve(committee.mei).code == 0
    path = committee.folder / FIRST
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b'"notes": null', b'"notes": "yes"')
    envelope["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(envelope))
    decision, words = committee.decision_now()
    assert decision == "awaiting_approval"
    assert words.startswith("approval 1 does not count: the signature does not hold")
    summaries = dict(committee.findings())
    assert summaries["not the file that row 3 of the ledger names"]
    assert [is_broken for _, is_broken in committee.findings()] == [True, True]


def test_an_approval_of_another_run_does_not_count(committee: Committee) -> None:
    other = make_run(committee.workspace.remote, tag="other", stamp="2026-02-22_010101")
    assert committee.workspace.close("other") == 0
    assert committee.approve(committee.mei).code == 0
    copied = other.run_dir(committee.workspace.local) / "approvals"
    shutil.copytree(committee.folder, copied)
    assert committee.workspace.run("update_factor_experiment_registry", "other") == 0
    path = locations.workspace_path(committee.workspace.local, "factor_experiment_registry")
    with path.open(newline="", encoding="utf-8") as table:
        rows = {row["decision_tag"]: row for row in csv.DictReader(table)}
    assert rows["other"]["decision"] == "awaiting_approval"
    assert "changed since it was signed" in rows["other"]["approval"]
    # Nor does the ledger take it.
    key = ("--key", str(committee.mei.key))
    assert committee.workspace.run("approve_run", "other", *key) == 4
    assert [row["run"] for row in committee.rows() if row["kind"] == "approval"] == [
        committee.run_paths.run
    ]


def test_a_removed_approval_is_named(committee: Committee) -> None:
    assert committee.approve(committee.mei).code == 0
    (committee.folder / FIRST).unlink()
    assert committee.findings() == [("gone, and row 3 of the ledger names it", True)]
    assert committee.decision_now() == ("awaiting_approval", "no approval yet")
    # The next one has a number of its own.
    assert committee.approve(committee.mei).code == 0
    assert (committee.folder / "2.dsse.json").exists()
    assert committee.findings()[0] == ("gone, and row 3 of the ledger names it", True)


def test_the_row_that_a_killed_approval_left_out_is_added_by_the_next(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(ledger, "append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert committee.approve(committee.mei).code == 130
    summaries = [summary for summary, _ in committee.findings()]
    assert summaries[0].startswith("no row of the ledger names it; the next approval adds it")
    assert committee.approve(committee.hui).code == 0
    rows = [row for row in committee.rows() if row.get("kind") == "approval"]
    assert [row["principal"] for row in rows] == ["mei", "hui"]
    assert [is_broken for _, is_broken in committee.findings()] == [False, False]


def test_approvals_that_cannot_be_listed_do_not_count(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert committee.approve(committee.mei).code == 0
    listdir = os.listdir

    def refuse(path: Path) -> list[str]:
        if path == committee.folder:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    # The run is the one that is closed here; of another run this refuses nothing.
    assert committee.run("update_factor_experiment_registry") == 3
    decision, said = committee.decision()
    assert decision == "awaiting_approval"
    assert said.endswith("approvals: expected a folder that can be listed, found Permission denied")
    # Its number would be that of an approval that is there.
    assert committee.approve(committee.mei).code == 3
