"""Seals of a workspace: signed heads of the ledger, and signed digests of every closing record.

`audit/seals/<n>.dsse.json` signs the head of the ledger, those of the other members' ledgers in a
team, the heads that earlier seals named, the digest of every closing record, of the workspace
record, and of the seal before. So whoever has an earlier seal sees that a ledger was rewritten
since. A seal's own row in the ledger comes after the head that it signs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import clock, disk, locations, version
from postrun.core.artifacts import LEDGERS, SEALS
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import (
    json_files,
    ledger,
    records,
    run_folders,
    signatures,
    signed_files,
    signing_keys,
)
from postrun.store.signatures import Signed
from postrun.store.signed_files import Finding

_LEDGER = "audit/stage_ledger.jsonl"
_HEAD = re.compile(rf"{re.escape(_LEDGER)}#([1-9][0-9]{{0,8}})")
_OTHER_HEAD = re.compile(rf"{LEDGERS}/([a-z0-9_-]+)\.jsonl#([1-9][0-9]{{0,8}})")
_RECORD = re.compile(rf"{locations.RUNS}/([^/]+)/closing_record\.json")
_WORKSPACE = "audit/workspace_record.json"
_VERIFY = "see what else differs: make verify"
_AGAIN = "seal it again: make seal"

Json = dict[str, Any]


def make_statement(root: Path) -> Json | None:
    """Return what a person signs to seal a workspace; None when nothing is new since the last seal.

    Raises Invalid for a workspace that is not as its ledger and its last seal say.
    """
    ledger.check(root)
    rows, head = ledger.head(root)
    if head is None:
        return None
    subjects = _find_records(root) | _heads_of_others(root)
    earlier = signed_files.list_numbered(root / SEALS)
    if earlier:
        last = earlier[max(earlier)]
        signed = signed_files.read(last, ledger.SEAL)
        _check_last(root, signed)
        if _is_sealed(root, last, signed, subjects):
            return None
        subjects[_relative(root, last)] = disk.sha256(last)
        for name, digest in signed.subjects.items():
            if _HEAD.fullmatch(name) or _OTHER_HEAD.fullmatch(name):
                subjects[name] = digest
    records.check_ledger(root)
    subjects[f"{_LEDGER}#{rows}"] = head
    now = clock.now()
    predicate = {
        "number": signed_files.next_number(root, root / SEALS, ledger.SEAL),
        "ledger_rows": rows,
        "recorded_at": clock.stamp(now),
        "program_version": version.program_version(),
    }
    return signatures.make_statement(ledger.SEAL, subjects, predicate)


def _heads_of_others(root: Path) -> dict[str, str]:
    """Return the head of each other member's ledger, by the name that a seal has for it."""
    heads = {}
    for member, (rows, digest) in ledger.heads_of_others(root).items():
        heads[f"{LEDGERS}/{member}.jsonl#{rows}"] = digest
    return heads


def _check_last(root: Path, signed: Signed) -> None:
    """Raise Invalid when the workspace is not what the last seal and later rows say."""
    for finding in _compare(root, signed):
        if finding.is_broken:
            thing = root / finding.path
            raise Invalid(thing, "what was sealed", finding.summary, _VERIFY)


def _is_sealed(
    root: Path,
    last: Path,
    signed: Signed,
    subjects: dict[str, str],
) -> bool:
    """Return whether the last seal's own row is all that came after it."""
    row = signed_files.row_of(root, last, ledger.SEAL)
    *_, last_row = ledger.read_rows(root)
    is_last = row.items() <= last_row.items()
    return is_last and subjects.items() <= signed.subjects.items()


def add(root: Path, content: bytes) -> Path:
    """Write a seal that was signed, and its row in the ledger; return its path.

    Raises Invalid when the workspace has changed since.
    """
    signed = signatures.read(content, root / SEALS, ledger.SEAL)
    present = make_statement(root) or {}
    if present.get("subject") != signed.statement["subject"]:
        raise Invalid(root, "what you signed", "changes since", _AGAIN)
    return signed_files.add(
        root,
        root / SEALS,
        content,
        ledger.SEAL,
    )


def verify(root: Path) -> Iterator[Finding]:
    """Yield what there is to say of every seal, the newest first, and of what was sealed.

    Raises Missing without ssh-keygen, Invalid for a ledger that cannot be read.
    """
    folder = root / SEALS
    yield from signed_files.compare_with_ledger(root, folder, ledger.SEAL)
    # A seal of an unknown signer is vouched for by a later one of a known signer, which names it.
    # As long as nobody is allowed to sign, nobody is known.
    is_vouched = not signing_keys.allowed_signers()
    compared: set[str] = set()
    files = signed_files.list_numbered(folder)
    for path in reversed(files.values()):
        name = _relative(root, path)
        try:
            signed = signed_files.read(path, ledger.SEAL)
        except PostRunError as error:
            problem = str(error).replace(f"{root}/", "")
            yield Finding(name, problem, is_broken=True)
            continue
        answer = signatures.check(signed)
        is_vouched = is_vouched or bool(answer.principals)
        signers = ", ".join(answer.principals)
        summary = answer.problem or f"sealed by {signers}"
        is_broken = answer.is_broken or not is_vouched
        yield Finding(name, summary, is_broken)
        for finding in _compare(root, signed):
            # What changed since an earlier seal has been said of the later one.
            if finding.is_broken or finding.path not in compared:
                yield finding
        compared.update(signed.subjects)


@dataclass(frozen=True)
class Sealed:
    """What a seal signed: how many rows of the ledger, and the records by path."""

    rows: int
    records: dict[str, str]

    def holds(
        self,
        root: Path,
        run_paths: RunPaths,
    ) -> bool:
        """Return whether a run's closing record is the one that was sealed."""
        path = run_paths.path(records.CLOSING)
        name = _relative(root, path)
        digest = _digest(root, name)
        sealed = self.records.get(name)
        return digest is not None and digest == sealed


def newest(root: Path) -> Sealed | None:
    """Return what the newest good seal signed; None without one.

    It is of an allowed signer, where somebody is allowed, and the ledger still has its head and its
    row. Raises Missing without ssh-keygen, Invalid.
    """
    signers = signing_keys.allowed_signers()
    files = signed_files.list_numbered(root / SEALS)
    for path in reversed(files.values()):
        signed = signed_files.read(path, ledger.SEAL)
        answer = signatures.check(signed)
        # As long as nobody is allowed to sign, nobody is known.
        is_unknown = bool(signers) and not answer.principals
        row = signed_files.row_of(root, path, ledger.SEAL)
        is_recorded = signed_files.is_recorded(root, row)
        rows = signed.predicate["ledger_rows"]
        head = signed.subjects.get(f"{_LEDGER}#{rows}")
        has_head = ledger.has_row(root, rows, head)
        if is_recorded and has_head and not answer.is_broken and not is_unknown:
            return Sealed(rows, signed.subjects)
    return None


def _compare(root: Path, signed: Signed) -> Iterator[Finding]:
    """Yield what of the subjects of a seal is not as it was."""
    for name, digest in signed.subjects.items():
        head = _HEAD.fullmatch(name)
        other_head = _OTHER_HEAD.fullmatch(name)
        if head is not None:
            path, number = _LEDGER, int(head[1])
            is_there = ledger.has_row(root, number, digest)
        elif other_head is not None:
            path, number = name.partition("#")[0], int(other_head[2])
            is_there = ledger.has_row_of(root, other_head[1], number, digest)
        else:
            yield from _compare_file(root, signed, name, digest)
            continue
        if not is_there:
            seal = signed.predicate["number"]
            summary = f"row {number} is not the one that seal {seal} signed"
            yield Finding(path, summary, is_broken=True)


def _compare_file(
    root: Path,
    signed: Signed,
    name: str,
    digest: str,
) -> Iterator[Finding]:
    """Yield what there is to say of a file that is not as it was sealed."""
    seal = signed.predicate["number"]
    present = _digest(root, name)
    if present == digest:
        return
    summary = f"changed since seal {seal}"
    if present is None:
        summary = f"gone, or cannot be read any more, since seal {seal}"
    elif _is_recorded(root, name, present, signed):
        yield Finding(name, summary)
        return
    elif _RECORD.fullmatch(name):
        summary += ", and no later row of the ledger says so"
    yield Finding(name, summary, is_broken=True)


def _is_recorded(
    root: Path,
    name: str,
    present: str,
    signed: Signed,
) -> bool:
    """Return whether a change since a seal is one that closings make."""
    if name == _WORKSPACE:
        return True
    record = _RECORD.fullmatch(name)
    if record is None:
        return False
    newest = {}
    for row in ledger.rows_of(root, record[1]):
        if ledger.kind(row) == ledger.AUDIT:
            newest = row
    is_later = newest.get("number", 0) > signed.predicate["ledger_rows"]
    return is_later and bool(newest["closing_record_sha256"] == present)


def _find_records(root: Path) -> dict[str, str]:
    """Return the digest of every record of the workspace, by path. Raises Invalid."""
    names = [_WORKSPACE]
    for folder in run_folders.list_folders(root):
        run_paths = RunPaths(root, folder, None)
        path = run_paths.path(records.CLOSING)
        names.append(_relative(root, path))
    digests = {}
    for name in names:
        path = root / name
        if not disk.is_present(path):
            continue
        digest = _digest(root, name)
        if digest is None:
            expected = "a record that can be read"
            raise Invalid(path, expected, "another file", _VERIFY)
        digests[name] = digest
    return digests


def _digest(root: Path, name: str) -> str | None:
    """Return the present digest of a subject; None when it cannot be read.

    What of a record follows from the ledger is not in its digest.
    """
    path = root / name
    if name == _WORKSPACE or _RECORD.fullmatch(name):
        reading = json_files.try_load(path)
        document = reading.members
        # Every row of the ledger changes it.
        document.pop("ledger", None)
        return records.digest(document) if document else None
    if disk.is_file(path):
        return disk.sha256(path)
    return None


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
