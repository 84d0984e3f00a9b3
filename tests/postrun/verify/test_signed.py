"""Approvals and seals in a verification: what is broken, and what is only said."""

from pathlib import Path

import pytest

from harness.committee import FIRST, Committee
from harness.programs import Ended, run_script
from harness.sealed import LEDGER, Sealed
from postrun.core.artifacts import SEALS
from postrun.core.locations import RunPaths
from postrun.store import approvals
from postrun.verify import signed
from postrun.verify.findings import Finding, Kind


def found(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.file) for finding in findings]


def test_a_good_seal_is_listed(sealed: Sealed) -> None:
    sealed.must_seal()
    (finding,) = signed.check_seals(sealed.root)
    assert finding.kind is Kind.LISTED
    assert finding.actual == "sealed by hui"


def test_a_rewritten_ledger_is_broken(sealed: Sealed) -> None:
    sealed.must_seal()
    sealed.rewrite_ledger(lambda rows: [{**rows[0], "owner": "somebody"}, *rows[1:]])
    assert ("broken", LEDGER) in found(list(signed.check_seals(sealed.root)))


def test_an_approval_is_listed_and_an_edited_one_is_broken(committee: Committee) -> None:
    assert committee.approve(committee.mei).code == 0
    (finding,) = signed.check_approvals(committee.run_paths)
    name = committee.run_paths.relative(committee.folder / FIRST)
    assert (finding.kind, finding.file) == (Kind.LISTED, name)
    assert finding.actual == "approved by mei"
    path = committee.folder / FIRST
    path.write_bytes(path.read_bytes()[:-40])
    kinds = found(list(signed.check_approvals(committee.run_paths)))
    assert kinds == [("broken", name), ("broken", name)]


def test_an_edited_audit_does_not_break_the_approval(committee: Committee) -> None:
    """What is broken then is the audit; other checks name it."""
    assert committee.approve(committee.mei).code == 0
    audit = committee.run_paths.path("governance_audit_check")
    audit.write_bytes(audit.read_bytes().replace(b"true", b"null"))
    (finding,) = signed.check_approvals(committee.run_paths)
    assert finding.kind is Kind.LISTED
    assert finding.actual.startswith("does not count: audit/workstation_runs/")


def test_without_ssh_keygen_it_is_said(
    sealed: Sealed, committee: Committee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal()
    assert committee.approve(committee.mei).code == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    for findings, folder in (
        (signed.check_seals(sealed.root), SEALS),
        (
            signed.check_approvals(committee.run_paths),
            committee.run_paths.relative(approvals.folder_of(committee.run_paths)),
        ),
    ):
        (finding,) = findings
        assert (finding.kind, finding.file) == (Kind.LISTED, folder)
        assert "ssh-keygen: expected the program of OpenSSH 8.9" in finding.actual


def test_a_ledger_that_cannot_be_read_is_broken(sealed: Sealed) -> None:
    sealed.must_seal()
    (sealed.root / LEDGER).write_bytes(b"half a line")
    (finding,) = signed.check_seals(sealed.root)
    assert finding.kind is Kind.BROKEN
    # Nobody has approved a run here: there is nothing to say of its approvals.
    run_paths = RunPaths(sealed.root, sealed.record("a").parent.name, None)
    assert list(signed.check_approvals(run_paths)) == []


def verify(root: Path) -> Ended:
    return run_script("verify_workspace", "--local-root", str(root))


def test_a_sealed_workspace_is_verified_with_its_seals(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.must_seal()
    sealed.reclose(monkeypatch, "b")
    done = verify(sealed.root)
    assert "sealed by hui" in done.out
    assert "changed since seal 1" in done.out
    sealed.rewrite_ledger(lambda rows: [{**rows[0], "owner": "somebody"}, *rows[1:]])
    done = verify(sealed.root)
    assert done.code == 4
    assert "row 6 is not the one that seal 1 signed" in done.out


def test_an_approved_run_is_verified_with_its_approvals(committee: Committee) -> None:
    assert committee.approve(committee.mei).code == 0
    done = verify(committee.workspace.local)
    assert done.code == 0, done.out
    assert "approved by mei" in done.out
    (committee.folder / FIRST).unlink()
    done = verify(committee.workspace.local)
    assert done.code == 4
    assert "gone, and row 3 of the ledger names it" in done.out
