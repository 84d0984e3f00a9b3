"""Approvals of a run: what they sign, which there are, and which of them count.

`approvals/<n>.dsse.json` in the run folder signs the digests of the evidence manifest, of the
decision's row in the ledger and of the audit. It counts as long as these are the present ones and
the allowed signers name its key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postrun.core import clock, disk, version
from postrun.core.artifacts import APPROVALS, Home
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import (
    checked_files,
    documents,
    ledger,
    signatures,
    signed_files,
    signing_keys,
    ssh_keygen,
)
from postrun.store.signatures import Check, Signed
from postrun.store.signed_files import Finding

_AUDIT = "governance_audit_check"
_CLOSE = "close the run first: make finalize TAG=..."
_AGAIN = "approve it again: make approve TAG=..."

Json = dict[str, Any]


def make_statement(run_paths: RunPaths, key: Path, notes: str | None) -> Json:
    """Return what the owner of a key signs to approve a run as it is. Raises Missing, Invalid."""
    subjects = find_subjects(run_paths)
    decision = _decision(run_paths)
    audit = documents.read(run_paths, _AUDIT)
    now = clock.now()
    predicate = {
        "run": run_paths.run,
        "decision_row": decision["number"],
        "result": decision["result"],
        "audit_passed": audit["passed"],
        "principal": signing_keys.claimed_principal(key),
        "notes": notes,
        "recorded_at": clock.stamp(now),
        "program_version": version.program_version(),
    }
    return signatures.make_statement(ledger.APPROVAL, subjects, predicate)


def find_subjects(run_paths: RunPaths) -> dict[str, str]:
    """Return what an approval signs: the present digest of each, by name. Raises Missing, Invalid.

    A row of the ledger has the ledger's name and its number.
    """
    decision = _decision(run_paths)
    path = run_paths.relative(run_paths.path("stage_ledger"))
    row = f"{path}#{decision['number']}"
    subjects = {row: ledger.row_digest(decision)}
    for name in ("evidence_manifest", _AUDIT):
        file = run_paths.path(name)
        content = checked_files.read(run_paths, file, name, _CLOSE)
        digest = disk.content_digest(content)
        subjects[run_paths.relative(file)] = digest
    return subjects


def _decision(run_paths: RunPaths) -> Json:
    ledger.check(run_paths.root)
    ledger.check_own(run_paths.root, run_paths.run)
    decision = ledger.decision(run_paths.root, run_paths.run)
    if decision is None:
        raise Missing(f"run {run_paths.run}", "a decision in the ledger", "none", _CLOSE)
    return decision


def add(run_paths: RunPaths, content: bytes) -> Path:
    """Write a signed approval into the run folder and the ledger; return its path.

    Raises Invalid when the run has changed since.
    """
    thing = f"run {run_paths.run}"
    signed = signatures.read(content, thing, ledger.APPROVAL)
    present = find_subjects(run_paths)
    changed = _changed(signed, present)
    if changed:
        raise Invalid(thing, "what you signed", changed, _AGAIN)
    folder = folder_of(run_paths)
    return signed_files.add(run_paths.root, folder, content, ledger.APPROVAL)


def find_owner(name: str | None) -> Json:
    """Return the owner of a run, and whether the allowed signers know the name. Raises Missing."""
    is_named = False
    if name is not None:
        signers = signing_keys.allowed_signers()
        is_named = ssh_keygen.names(signers, name)
    return {"name": name, "is_named": is_named}


def why_unreadable(run_paths: RunPaths) -> str:
    """Return why the approvals of a run cannot be listed; an empty text when they can."""
    try:
        signed_files.list_numbered(folder_of(run_paths))
    except Missing as error:
        return run_paths.without_root(error)
    return ""


def read(run_paths: RunPaths, owner: str | None) -> list[Json]:
    """Return every approval of a run, each with the problem why it does not count.

    Raises Missing without ssh-keygen, and for a folder that cannot be listed.
    """
    approvals = []
    files = signed_files.list_numbered(folder_of(run_paths))
    for number, path in files.items():
        signed, check, problem = _check(run_paths, path)
        is_by_owner = False
        if signed is not None and owner is not None:
            # The owner may be named in another line for the same key.
            is_by_owner = signatures.is_by(signed, owner)
        approval = {
            "number": number,
            "principals": check.principals,
            "is_by_owner": is_by_owner,
            "problem": problem,
        }
        approvals.append(approval)
    return approvals


def _check(run_paths: RunPaths, path: Path) -> tuple[Signed | None, Check, str]:
    """Return an approval, what came of checking its signature, and why it does not count."""
    try:
        signed = signed_files.read(path, ledger.APPROVAL)
    except PostRunError as error:
        problem = run_paths.without_root(error)
        return None, Check(is_broken=True), problem
    check = signatures.check(signed)
    if check.problem:
        return signed, check, check.problem
    try:
        present = find_subjects(run_paths)
    except PostRunError as error:
        return signed, check, run_paths.without_root(error)
    return signed, check, _changed(signed, present)


def _changed(signed: Signed, present: dict[str, str]) -> str:
    """Return what differs from what was signed; an empty text when nothing does."""
    names = []
    for name, digest in present.items():
        if signed.subjects.get(name) != digest:
            names.append(name.rpartition("/")[2])
    if not names:
        return ""
    return f"changed since it was signed: {', '.join(names)}"


def verify(run_paths: RunPaths) -> Iterator[Finding]:
    """Yield what there is to say of every approval of a run. Raises Missing, Invalid."""
    folder = folder_of(run_paths)
    yield from signed_files.compare_with_ledger(run_paths.root, folder, ledger.APPROVAL)
    files = signed_files.list_numbered(folder)
    for path in files.values():
        _, check, problem = _check(run_paths, path)
        # That it does not count any more is no break.
        summary = f"does not count: {problem}"
        if not problem:
            signers = ", ".join(check.principals)
            summary = f"approved by {signers}"
        yield Finding(run_paths.relative(path), summary, check.is_broken)


def folder_of(run_paths: RunPaths) -> Path:
    """Return where the approvals of a run are."""
    return run_paths.folder(Home.RUN) / APPROVALS
