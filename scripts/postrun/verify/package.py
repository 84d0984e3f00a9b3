"""Check the package of one run, which knows nothing of the workspace that it comes from.

Its ledger is a part of a chain, and the other subjects of its seal are elsewhere: what cannot be
checked here is listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postrun.core import artifacts
from postrun.core.artifacts import APPROVALS, SEALS
from postrun.core.errors import PostRunError
from postrun.store import (
    crate,
    json_files,
    packages,
    records,
    signatures,
    signed_files,
    signing_keys,
)
from postrun.store.signatures import Signed
from postrun.verify import closing, files
from postrun.verify.findings import Finding, broken, listed, of_error
from postrun.verify.ledger_rows import LEDGER, LedgerLines

_UNPACK = "unpack it again"
_ELSEWHERE = (
    "that no row was added, dropped or changed before the first and after the last row here",
    "registry, leaderboard and other runs: decision, score and q value are not computed again",
    "whether the files here are what the workstation had",
)


def is_package(root: Path) -> bool:
    """Return whether a folder is an unpacked package.

    A workspace has tables of its own: a description beside these makes no package of it.
    """
    has_tables = set(closing.workspace_files(root)) - {LEDGER}
    return files.is_file(root / crate.FILE) and not has_tables


@dataclass(frozen=True)
class Package:
    """An unpacked package with its part of the ledger."""

    root: Path
    ledger: LedgerLines

    @property
    def digests(self) -> dict[int, str]:
        """Return the digest of each row by its number."""
        digests = {}
        for row, digest in zip(self.ledger.rows, self.ledger.digests, strict=True):
            number = row.get("number", 0)
            digests[number] = digest
        return digests

    def digest(self, name: str) -> str | None:
        """Return the digest of what was signed; None when it is not in the package."""
        file, _, number = name.partition("#")
        if number:
            return self.digests.get(int(number))
        path = self.root / file
        if path.name == f"{records.CLOSING}.json":
            document = json_files.try_load(path).members
            return records.digest(document) if document else None
        return files.digest(path).sha256


def check(root: Path, known: LedgerLines) -> Iterator[Finding]:
    """Yield what is wrong with a package beside its run, and what cannot be checked in it."""
    package = Package(root, known)
    yield from _check_files(root)
    yield from _check_chain(package)
    for kind, folder in _signed_folders(root):
        for path in signed_files.list_numbered(folder).values():
            yield from _check_signed(package, path, kind)
    if not signed_files.list_numbered(root / SEALS):
        yield listed(SEALS, "a seal", "none after the last row: only the package vouches for it")
    for what in _ELSEWHERE:
        yield listed(crate.FILE, f"to know {what}", "not checked: it is not in the package")


def _signed_folders(root: Path) -> Iterator[tuple[str, Path]]:
    yield "seal", root / SEALS
    for folder in root.glob(f"audit/workstation_runs/*/{APPROVALS}"):
        yield "approval", folder


def _check_files(root: Path) -> Iterator[Finding]:
    """Yield each file that is not as the package describes it, and each that it does not name."""
    path = root / crate.FILE
    try:
        described = crate.read_files(files.read(path), crate.FILE)
    except (PostRunError, files.Unreadable) as error:
        yield broken(crate.FILE, "the description of the package", str(error), _UNPACK)
        return
    for name, sha256 in described.items():
        actual = files.digest(root / name)
        if actual.sha256 != sha256:
            yield broken(name, files.shown(sha256), str(actual), _UNPACK)
    for name in files.walk(root, ".", {}):
        relative = name.removeprefix("./")
        is_link = files.is_link(root / relative)
        if relative in described or relative == crate.FILE or is_link or artifacts.is_litter(name):
            continue
        yield broken(relative, "nothing: the package does not name it", "a file")


def _check_chain(package: Package) -> Iterator[Finding]:
    """Yield each row that does not follow the row before."""
    known = package.ledger
    if not known.rows:
        yield broken(LEDGER, "rows of the ledger", known.problem or "none", _UNPACK)
        return
    digests = known.digests
    for index, row in enumerate(known.rows[1:]):
        # What came before the first row here is elsewhere.
        last = known.rows[index].get("number", 0)
        number = row.get("number")
        is_next = row.get("previous_sha256") == digests[index]
        if number != last + 1 or not is_next:
            yield broken(
                LEDGER,
                f"row {last + 1} with the digest of row {last}",
                f"row {number} with another",
                _UNPACK,
            )
            return


def _check_signed(package: Package, path: Path, kind: str) -> Iterator[Finding]:
    """Yield whose signature a file has, and what of its subjects is not as it was signed."""
    name = path.relative_to(package.root).as_posix()
    try:
        signed = signed_files.read(path, kind)
        yield from _check_signer(package, name, signed)
    except PostRunError as error:
        yield of_error(name, error)
        return
    elsewhere = 0
    for subject, sha256 in signed.subjects.items():
        actual = package.digest(subject)
        if actual is None:
            elsewhere += 1
        elif actual != sha256:
            expected = f"{subject} as it was signed, {files.shown(sha256)}"
            make = listed
            # An approval of a former audit does not count any more: that is no break.
            if kind == "seal":
                make = broken
            yield make(name, expected, files.shown(actual))
    if elsewhere:
        yield listed(name, "everything that it signs", f"{elsewhere} of it are not in the package")


def _check_signer(package: Package, name: str, signed: Signed) -> Iterator[Finding]:
    own = signing_keys.allowed_signers()
    answer = signatures.check(signed, own)
    whose = "the allowed signers of this program"
    if not answer.is_broken and not own:
        # Better than nothing, as long as it is said.
        signers_here = files.read(package.root / packages.SIGNERS)
        answer = signatures.check(signed, signers_here)
        whose = "the package itself, which proves nothing: compare the key with the signer"
    expected = f"a signature of somebody known to {whose}"
    if answer.is_broken:
        yield broken(name, expected, answer.problem)
    else:
        signers = ", ".join(answer.principals)
        yield listed(name, expected, answer.problem or f"{signers}, {signed.keyid}")
