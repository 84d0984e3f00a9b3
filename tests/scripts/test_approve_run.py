"""`make approve`: who may promote a run, what is written, and what is refused."""

from pathlib import Path

import pytest

from harness import signers
from harness.committee import FIRST, Committee
from harness.programs import run_script
from postrun.core import locations
from postrun.core.locations import RunPaths
from postrun.store import approvals

AUDIT = "governance_audit_check"


def test_a_run_waits_for_the_approval_of_somebody_else(committee: Committee) -> None:
    assert committee.decision() == ("awaiting_approval", "no approval yet")
    done = committee.approve(committee.mei, "--notes", "as agreed on Friday")
    assert done.code == 0, done.err
    assert "pass, audit passed; approved by mei (SHA256:" in done.err
    assert "promote_candidate, score 84.5; 1 run; approval 1 by mei" in done.err
    assert committee.decision() == ("promote_candidate", "approval 1 by mei")
    stated = committee.statement["predicate"]
    assert (stated["principal"], stated["notes"]) == ("mei", "as agreed on Friday")
    (row,) = [row for row in committee.rows() if row.get("kind") == "approval"]
    assert (row["decision_row"], row["keyid"]) == (1, committee.mei.fingerprint)
    assert (row["principal"], row["recorded_at"]) == ("mei", stated["recorded_at"])
    assert committee.findings() == [("approved by mei", False)]


def test_an_approval_changes_no_other_byte_of_the_run(committee: Committee) -> None:
    before = committee.workspace.bytes()
    assert committee.approve(committee.mei).code == 0
    after = committee.workspace.bytes()
    path = committee.run_paths.relative(committee.folder / FIRST)
    own = {name for name in after if committee.run_paths.run in name or "gate_results" in name}
    assert own - before.keys() == {path}
    assert [name for name in own - {path} if before[name] != after[name]] == []
    # Closing the run again finds nothing to do.
    assert committee.workspace.close() == 0
    assert committee.workspace.bytes() == after


def test_the_owner_does_not_approve_his_own_run(committee: Committee) -> None:
    assert committee.approve(committee.hui).code == 0
    assert committee.decision() == ("awaiting_approval", "approval 1 is by the owner")
    assert committee.approve(committee.mei).code == 0
    assert committee.decision() == ("promote_candidate", "approval 2 by mei")


def test_the_owner_has_one_more_name_for_his_key(
    committee: Committee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signers.allow(monkeypatch, tmp_path, committee.hui.line("desk"), committee.hui.line())
    assert committee.approve(committee.hui).code == 0
    assert committee.decision() == ("awaiting_approval", "approval 1 is by the owner")


def test_the_owner_may_where_the_policy_says_so(committee: Committee) -> None:
    committee.rules["approval"] = {"asked": True, "by_other_than_owner": False}
    assert committee.approve(committee.hui).code == 0
    assert committee.decision() == ("promote_candidate", "approval 1 by hui")


def test_an_owner_whom_nobody_names_is_said(
    committee: Committee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signers.allow(monkeypatch, tmp_path, committee.mei.line())
    assert committee.approve(committee.mei).code == 0
    words = "no allowed signer has the name of the owner (hui)"
    assert committee.decision() == ("awaiting_approval", words)
    leaderboard = locations.workspace_path(
        committee.workspace.local, "factor_experiment_leaderboard"
    )
    assert f"awaiting_approval ({words})" in leaderboard.read_text()


def test_a_run_that_changes_while_somebody_signs_is_not_approved(
    committee: Committee, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = approvals.add

    def edit_first(run_paths: RunPaths, content: bytes) -> Path:
        path = run_paths.path(AUDIT)
        path.write_bytes(path.read_bytes().replace(b"true", b"null"))
        return add(run_paths, content)

    monkeypatch.setattr(approvals, "add", edit_first)
    done = committee.approve(committee.mei)
    assert done.code == 4
    assert f"{AUDIT}.json: expected the file that closing_record.json lists" in done.err
    assert not committee.folder.exists()


def test_an_edited_audit_is_not_approved(committee: Committee) -> None:
    path = committee.run_paths.path(AUDIT)
    path.write_bytes(path.read_bytes().replace(b'"passed": true', b'"passed": false'))
    assert committee.approve(committee.mei).code == 4
    assert not committee.folder.exists()


def test_a_dry_run_signs_nothing(committee: Committee) -> None:
    before = committee.workspace.bytes()
    done = committee.approve(committee.mei, "--dry-run")
    assert done.code == 0
    assert f"would approve {committee.run_paths.run} with " in done.err
    assert committee.workspace.bytes() == before


def test_a_run_that_is_not_closed_is_refused(committee: Committee) -> None:
    done = run_script(
        "approve_run", *committee.workspace.flags("nothing", "--key", str(committee.mei.key))
    )
    assert done.code == 3
    assert "detect and sync it first" in done.err


def test_no_approval_is_needed_where_none_is_asked(committee: Committee) -> None:
    committee.rules["approval"] = {"asked": False, "by_other_than_owner": True}
    assert committee.decision_now() == ("promote_candidate", "")
    assert committee.approve(committee.hui).code == 0
    assert committee.decision() == ("promote_candidate", "")
