"""The signed files of a workspace and their rows in the ledger: approvals and seals.

Files of one folder are numbered from 1. Each has a row in the ledger that follows from the file
alone, so that a lost ledger can be put together again. The file is written first: its row is added
by the next one when a process was killed in between. The callers hold the workspace lock.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.artifacts import SIGNED_SUFFIX
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.store import ledger, ledger_view, signatures
from postrun.store.signatures import Signed

_NUMBERED = re.compile(rf"([1-9][0-9]{{0,8}}){re.escape(SIGNED_SUFFIX)}")
# What a row says besides the file, where the statement says it.
_STATED = ("run", "decision_row", "principal", "program_version")

Json = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What there is to say of a file: good, or only worth knowing, or broken."""

    path: str  # relative to the root
    summary: str
    is_broken: bool = False


def list_numbered(folder: Path) -> dict[int, Path]:
    """Return the signed files of a folder by their numbers, in order.

    Raises Missing for a folder that cannot be listed.
    """
    numbered = {}
    for name in disk.list_names(folder):
        match = _NUMBERED.fullmatch(name)
        if match:
            number = int(match[1])
            numbered[number] = folder / name
    return dict(sorted(numbered.items()))


def is_numbered(name: str) -> bool:
    """Return whether a file of this name is one of them."""
    return _NUMBERED.fullmatch(name) is not None


def next_number(root: Path, folder: Path, kind: str) -> int:
    """Return the number of the next file of a folder.

    None takes the place of one that is gone: its row in the ledger says that it was there. Raises
    Missing, Invalid.
    """
    numbers = set(list_numbered(folder))
    for name in _rows_of(root, folder, kind):
        match = _NUMBERED.fullmatch(Path(name).name)
        if match:
            number = int(match[1])
            numbers.add(number)
    return max(numbers, default=0) + 1


def read(path: Path, kind: str) -> Signed:
    """Return what a signed file states. Raises Missing, Invalid."""
    content = disk.read(path)
    return signatures.read(content, path, kind)


def add(
    root: Path,
    folder: Path,
    content: bytes,
    kind: str,
) -> Path:
    """Write the next file of a folder, and the rows that the ledger lacks; return its path.

    Raises Invalid for a ledger that takes no row.
    """
    ledger.check(root)
    number = next_number(root, folder, kind)
    path = folder / f"{number}{SIGNED_SUFFIX}"
    disk.replace(path, content)
    files = list_numbered(folder)
    for file in files.values():
        row = row_of(root, file, kind)
        if not is_recorded(root, row):
            signed = read(file, kind)
            ledger.append(root, row, signed.predicate["recorded_at"])
    ledger_view.publish(root)
    return path


def row_of(root: Path, path: Path, kind: str) -> Json:
    """Return the row of the ledger that follows from a signed file. Raises Missing, Invalid."""
    content = disk.read(path)
    signed = signatures.read(content, path, kind)
    digest = disk.content_digest(content)
    row = {
        "kind": kind,
        "file": _relative(root, path),
        "file_sha256": digest,
        "keyid": signed.keyid,
        "writer": signed.keyid,
    }
    for name in _STATED:
        if name in signed.predicate:
            row[name] = signed.predicate[name]
    _check_run(path, signed)
    return row


def _check_run(path: Path, signed: Signed) -> None:
    """Raise Invalid for an approval in the folder of another run than it approves."""
    folder = path.parent.parent.name
    run = signed.predicate.get("run", folder)
    if run != folder:
        expected = f"an approval of {folder}"
        raise Invalid(path, expected, f"one of {run}", "move it away")


def is_recorded(root: Path, row: Json) -> bool:
    """Return whether the ledger has the row of a signed file. Raises Invalid."""
    rows = ledger.rows_of_kind(
        root,
        row["kind"],
    )
    return any(row.items() <= known.items() for known in rows)


def compare_with_ledger(
    root: Path,
    folder: Path,
    kind: str,
) -> Iterator[Finding]:
    """Yield what is missing or other among the files of a folder and their rows. Raises Invalid."""
    present: dict[str, str | None] = {}
    for path in list_numbered(folder).values():
        name = _relative(root, path)
        # What cannot be read is not the file that a row names.
        digest = None
        with suppress(Missing):
            digest = disk.sha256(path)
        present[name] = digest
    rows = _rows_of(root, folder, kind)
    for name, row in rows.items():
        by_row = f"row {row['number']} of the ledger"
        if name not in present:
            summary = f"gone, and {by_row} names it"
            yield Finding(name, summary, is_broken=True)
        elif present[name] != row["file_sha256"]:
            summary = f"not the file that {by_row} names"
            yield Finding(name, summary, is_broken=True)
    for name in present:
        if name not in rows:
            summary = _why_no_row(root, name, kind)
            yield Finding(name, summary, is_broken=True)


def _why_no_row(root: Path, name: str, kind: str) -> str:
    """Return what there is to say of a file that no row names."""
    try:
        row_of(root, root / name, kind)
    except PostRunError as error:
        problem = str(error).replace(f"{root}/", "")
        return f"no row of the ledger names it: {problem}"
    # Its writer was killed before the row, or the row is gone.
    return f"no row of the ledger names it; the next {kind} adds it"


def _rows_of(root: Path, folder: Path, kind: str) -> dict[str, Json]:
    """Return the rows about the files of a folder, by file."""
    rows = {}
    for row in ledger.rows_of_kind(root, kind):
        file = root / row["file"]
        if file.parent == folder:
            rows[row["file"]] = row
    return rows


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
