"""Every way to tamper with a workspace of closed runs that `make verify` must name.

    for tampering in all_of(made, seed=7):
        tampering.change(copy_of_the_workspace)

Nothing is imported from `scripts/`, and digests are taken with hashlib alone: what judges the
programs must not share their mistakes. Files are replaced, never written in place: the copies of
the workspace share them.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

from harness.closed_workspace import STAGE_LOG, Made

RUNS, GATES = "audit/workstation_runs", "gate_results"
LEDGER = "audit/stage_ledger.jsonl"
SEALS, SITE = "audit/seals", "audit/site/"
WORKSPACE_RECORD = "audit/workspace_record.json"
RECORD, MANIFEST = "closing_record.json", "evidence_manifest.json"
EDITED_MEMBERS = 3  # of each row of the ledger
BEGIN, END = b"<!-- stage-ledger:begin", b"<!-- stage-ledger:end -->"
_LAST_ROW = re.compile(rb"(stage-ledger:last-row sha256=)[0-9a-f]{64}")
_DIGEST_BEFORE = re.compile(rb'("previous_sha256": ?)(?:"[0-9a-f]{64}"|null)')
_NUMBER_OF_ROW = re.compile(rb'("(?:number|decision_row|corrects)": ?)(\d+)')

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Tampering:
    """One thing done to a workspace: what, and the files of which one must be named.

    Without such a file the workspace must be found whole.
    """

    kind: str
    what: str
    change: Change
    names: tuple[str, ...] = ()  # files or folders, relative to the root

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.kind}: {self.what}"


# --- files


def put(path: Path, content: bytes) -> None:
    """Replace a file. Its mode and times stay: whoever tampers takes care of that."""
    status = path.stat() if path.exists() else None
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if status is not None:
        path.chmod(status.st_mode & 0o7777)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def sha256(content: bytes) -> str:
    """Return a digest in hex."""
    return hashlib.sha256(content).hexdigest()


def encode(document: Any) -> bytes:
    """Return a JSON document with sorted keys and an indent of two spaces."""
    return f"{json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode()


def files_of(root: Path) -> list[str]:
    """Return every file of a workspace that counts, relative to its root."""
    names = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(("audit/.locks/", "audit/.cache/")):
            names.append(name)
    return names


def run_folders(root: Path) -> list[str]:
    """Return the run folders of a workspace, relative to its root."""
    return [f"{RUNS}/{path.name}" for path in sorted((root / RUNS).iterdir())]


def gate_folder(root: Path, run: str) -> str | None:
    """Return the gate folder of a run folder, relative to the root."""
    gate = json.loads((root / run / MANIFEST).read_bytes())["gate_folder"]
    return f"{GATES}/{gate}" if gate else None


# --- one file


def flip(name: str, position: int, bit: int, root: Path) -> None:
    """Flip one bit of a file."""
    content = bytearray((root / name).read_bytes())
    content[position] ^= 1 << bit
    put(root / name, bytes(content))


def edit_digit(name: str, choice: int, root: Path) -> None:
    """Replace one digit of a file by another."""
    content = bytearray((root / name).read_bytes())
    digits = [place for place, byte in enumerate(content) if 0x30 <= byte <= 0x39]
    place = digits[choice % len(digits)] if digits else choice % len(content)
    content[place] = 0x30 + (content[place] - 0x30 + 1) % 10
    put(root / name, bytes(content))


def delete(name: str, root: Path) -> None:
    """Delete a file or a folder."""
    if (root / name).is_dir():
        shutil.rmtree(root / name)
    else:
        (root / name).unlink(missing_ok=True)


def add(name: str, content: bytes, root: Path) -> None:
    """Add a file."""
    put(root / name, content)


def our_part(name: str, content: bytes) -> tuple[int, int]:
    """Return where the part of a file is that is not the user's own."""
    if name == STAGE_LOG:
        return content.index(BEGIN), content.index(END) + len(END)
    return 0, len(content)


def of_files(root: Path, seed: int) -> Iterator[Tampering]:
    """Yield what is done to every single file, and beside it."""
    for name in files_of(root):
        random = Random(f"{seed} {_stable(name)}")
        content = (root / name).read_bytes()
        first, end = our_part(name, content)
        places = {"first": first, "middle": (first + end) // 2, "last": end - 1}
        if end > first:
            places["seeded"] = random.randrange(first, end)
        else:
            places.clear()
        for which, place in places.items():
            change = partial(flip, name, place, random.randrange(8))
            yield Tampering("one byte flipped", f"{which} of {name}", change, (name,))
        emptied = partial(put_at, name, b"")
        if content:
            yield Tampering("file emptied", name, emptied, (name,))
        yield Tampering("file deleted", name, partial(delete, name), (name,))
        if name == STAGE_LOG:
            continue  # its folder is the user's own
        folder, _, last = name.rpartition("/")
        stray = f"{folder}/copy_of_{last}"
        yield Tampering("stray file", stray, partial(add, stray, content), (stray,))


def put_at(name: str, content: bytes, root: Path) -> None:
    """Replace a file below a root."""
    put(root / name, content)


def _stable(name: str) -> str:
    """Return a path without the process id in tags, so that one seed means one choice."""
    return re.sub(r"\.\d+(?=/|$)", "", name)


# --- records


def with_record(name: str, record: str, choice: int, root: Path) -> None:
    """Edit a digit of a file, and the digest that its record has of it."""
    edit_digit(name, choice, root)
    document = json.loads((root / record).read_bytes())
    for row in document["files"]:
        if row["path"] == name:
            row["sha256"] = sha256((root / name).read_bytes())
    put(root / record, encode(with_own_digest(document)))


def with_own_digest(document: Any) -> Any:
    """Return a record with the digest that it has of itself, where it has one, made to fit."""
    if "sha256" not in document:
        return document
    others = {name: value for name, value in document.items() if name != "sha256"}
    return {**others, "sha256": sha256(encode(others))}


def with_audit_row(name: str, record: str, choice: int, root: Path) -> None:
    """Edit a digit of a file, its digest in the record, and every row that names one of these."""
    with_record(name, record, choice, root)
    document = json.loads((root / record).read_bytes())
    own = {key: value for key, value in document.items() if key != "ledger_rows"}
    lines = (root / LEDGER).read_bytes().splitlines()
    about = [place for place, line in enumerate(lines) if _is_audit_of(line, document)]
    row = json.loads(lines[about[-1]])
    row["closing_record_sha256"] = sha256(encode(own))
    if name.endswith("governance_audit_check.json"):
        row["audit_sha256"] = sha256((root / name).read_bytes())
    lines[about[-1]] = json.dumps(row, sort_keys=True, ensure_ascii=False).encode()
    write_ledger(root, rehash(lines, about[-1]), everywhere=True)


def _is_audit_of(line: bytes, record: Any) -> bool:
    row = json.loads(line)
    return (row.get("kind"), row.get("run")) == ("audit", record["run_folder"])


def recorded(root: Path, record: str) -> list[str]:
    """Return the files that a record lists; none when there is no record."""
    if not (root / record).exists():
        return []
    return [row["path"] for row in json.loads((root / record).read_bytes())["files"]]


def of_records(made: Made, seed: int) -> Iterator[Tampering]:
    """Yield what is done to files together with what vouches for them."""
    root = made.root
    records = [f"{folder}/{RECORD}" for folder in run_folders(root)]
    lines = (root / LEDGER).read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    # What was closed after the last seal is vouched for by nothing but the records.
    sealed = {row.get("run") for row in rows[: _last_seal(rows)]}
    unsealed = {row.get("run") for row in rows[_last_seal(rows) :]}
    for record in [*records, WORKSPACE_RECORD]:
        if not (root / record).exists():
            continue
        for name in recorded(root, record):
            choice = Random(f"{seed} {_stable(name)}").randrange(10**6)
            change = partial(with_record, name, record, choice)
            yield Tampering("edited with its record", name, change, (name, record))
            run = record.split("/")[-2]
            if record != WORKSPACE_RECORD and run in sealed - unsealed:
                change = partial(with_audit_row, name, record, choice)
                yield Tampering("edited with record and row", name, change, (name, record, LEDGER))
    all_records = (*records, WORKSPACE_RECORD)
    yield Tampering("records deleted", "all", partial(_delete_all, all_records), all_records)


def _delete_all(names: tuple[str, ...], root: Path) -> None:
    for name in names:
        delete(name, root)


# --- the ledger


def rehash(lines: list[bytes], first: int) -> list[bytes]:
    """Return the lines with the chain computed again from one of them on."""
    chained = lines[:first]
    for line in lines[first:]:
        before = f'"{sha256(chained[-1])}"' if chained else "null"
        chained.append(_DIGEST_BEFORE.sub(rb"\g<1>" + before.encode(), line))
    return chained


def without(lines: list[bytes], dropped: int) -> list[bytes]:
    """Return the lines without one; every number that pointed behind it is one less."""

    def renumber(found: re.Match[bytes]) -> bytes:
        number = int(found[2])
        return found[1] + str(number - (number > dropped + 1)).encode()

    kept = lines[:dropped] + lines[dropped + 1 :]
    return [_NUMBER_OF_ROW.sub(renumber, line) for line in kept]


def write_ledger(root: Path, lines: list[bytes], everywhere: bool) -> None:
    """Replace the ledger; `everywhere`: also what other files hold of it."""
    put(root / LEDGER, b"".join(line + b"\n" for line in lines))
    if not everywhere:
        return
    last = sha256(lines[-1]) if lines else "none"
    view = root / STAGE_LOG
    put(view, _LAST_ROW.sub(rb"\g<1>" + last.encode(), view.read_bytes()))
    record = root / WORKSPACE_RECORD
    if record.exists():
        document = json.loads(record.read_bytes())
        rows = min(document["ledger"]["rows"], len(lines))
        document["ledger"] = {"rows": rows, "sha256": sha256(lines[rows - 1]) if rows else None}
        put(record, encode(with_own_digest(document)))
    for folder in run_folders(root):
        _write_held_rows(root / folder / RECORD, lines)


def _write_held_rows(path: Path, lines: list[bytes]) -> None:
    """Write the ledger's rows about a run into its record, which its digest does not cover."""
    if not path.exists():
        return
    document = json.loads(path.read_bytes())
    held = []
    for line in lines:
        row = json.loads(line)
        kind = row.get("kind", "decision")
        if row.get("run") == document["run_folder"] and kind in ("decision", "audit"):
            held.append(line.decode())
    put(path, encode({**document, "ledger_rows": held}))


def edit_row(number: int, member: str, chain: str, root: Path) -> None:
    """Edit one member of a row of the ledger; `chain` says what is made to fit."""
    lines = (root / LEDGER).read_bytes().splitlines()
    row = json.loads(lines[number])
    row[member] = _other(row[member])
    lines[number] = json.dumps(row, sort_keys=True, ensure_ascii=False).encode()
    _write_chain(root, lines, number, chain)


def _other(value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [*value, "edited"]
    text = str(value)
    swapped = {"pass": "fail", "fail": "pass"}.get(text)
    if swapped:
        return swapped
    return re.sub(r"[0-9a-z](?=[^0-9a-z]*$)", _other_character, text) or "edited"


def _other_character(found: re.Match[str]) -> str:
    return "1" if found[0] == "0" else "0"


def _write_chain(root: Path, lines: list[bytes], first: int, chain: str) -> None:
    if chain != "as it was":
        lines = rehash(lines, first)
    write_ledger(root, lines, everywhere=chain == "rehashed everywhere")


def drop_row(number: int, chain: str, root: Path) -> None:
    """Drop one row of the ledger."""
    lines = (root / LEDGER).read_bytes().splitlines()
    if chain == "as it was":
        del lines[number]
    else:
        lines = without(lines, number)
    _write_chain(root, lines, number, chain)


def shorten(rows: int, chain: str, root: Path) -> None:
    """Keep the first rows of the ledger only."""
    lines = (root / LEDGER).read_bytes().splitlines()[:rows]
    _write_chain(root, lines, rows, chain)


def swap_rows(number: int, chain: str, root: Path) -> None:
    """Swap a row with the one after it."""
    lines = (root / LEDGER).read_bytes().splitlines()
    lines[number : number + 2] = lines[number : number + 2][::-1]
    _write_chain(root, lines, number, chain)


def double_row(number: int, chain: str, root: Path) -> None:
    """Write a row twice, the second time at the end."""
    lines = (root / LEDGER).read_bytes().splitlines()
    row = {**json.loads(lines[number]), "number": len(lines) + 1}
    lines.append(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
    _write_chain(root, lines, len(lines) - 1, chain)


def delete_ledger(others: tuple[str, ...], root: Path) -> None:
    """Delete the ledger and other files that hold something of it."""
    for name in (LEDGER, *others):
        delete(name, root)


def of_ledger(made: Made, seed: int) -> Iterator[Tampering]:
    """Yield what is done to the ledger. Its own chain, then who else holds its rows, names it."""
    rows = [json.loads(line) for line in (made.root / LEDGER).read_bytes().splitlines()]
    for chain in ("as it was", "rehashed", "rehashed everywhere"):
        # What is after the last seal is vouched for by nothing but the copies.
        sealed = len(rows)
        if chain == "rehashed everywhere":
            sealed = _last_seal(rows)
        yield from _of_rows(rows, sealed, chain, seed)
    others: tuple[tuple[str, ...], ...] = ((), (STAGE_LOG,), (STAGE_LOG, WORKSPACE_RECORD))
    others += ((STAGE_LOG, SEALS), (STAGE_LOG, SEALS, WORKSPACE_RECORD))
    for names in others:
        what = " and ".join((LEDGER, *names))
        # Without its ledger every run is named, too.
        yield Tampering("ledger deleted", what, partial(delete_ledger, names), (LEDGER,))


def _of_rows(rows: list[Any], sealed: int, chain: str, seed: int) -> Iterator[Tampering]:
    names = (LEDGER, STAGE_LOG, SEALS, WORKSPACE_RECORD, RUNS)
    random = Random(f"{seed} {chain}")
    for number in range(sealed):
        row = rows[number]
        kind = row.get("kind", "decision")
        what = f"{kind} row {number + 1}, {chain}"
        yield Tampering("row dropped", what, partial(drop_row, number, chain), names)
        for member in random.sample(_editable(row), EDITED_MEMBERS):
            change = partial(edit_row, number, member, chain)
            yield Tampering("row edited", f"{member} of {what}", change, names)
        if number + 1 < len(rows):
            yield Tampering("rows swapped", what, partial(swap_rows, number, chain), names)
        yield Tampering("row doubled", what, partial(double_row, number, chain), names)
        change = partial(shorten, number, chain)
        yield Tampering("ledger shortened", f"to {number} rows, {chain}", change, names)


def _editable(row: Any) -> list[str]:
    """Return the members of a row that hold something of its own."""
    chained = {"schema_version", "kind", "number", "previous_sha256"}
    return sorted(name for name in row.keys() - chained if row[name] is not None)


def _last_seal(rows: list[Any]) -> int:
    """Return how many rows the last seal vouches for: all before its own."""
    for number in reversed(range(len(rows))):
        if rows[number].get("kind") == "seal":
            return number
    return 0


# --- earlier states, and whole runs


def restore(names: tuple[str, ...], earlier: Path, root: Path) -> None:
    """Put files back as they were; what was not there is deleted."""
    for name in names:
        delete(name, root)
        if (earlier / name).is_file():
            put(root / name, (earlier / name).read_bytes())


def groups_of(earlier: Path, root: Path) -> dict[str, tuple[str, ...]]:
    """Return the files that are other than they were, by artifact; the site is one."""
    groups: dict[str, tuple[str, ...]] = {}
    for name in sorted({*files_of(earlier), *files_of(root)}):
        before, now = earlier / name, root / name
        if before.exists() and now.exists() and before.read_bytes() == now.read_bytes():
            continue
        artifact = name.rpartition("/")[2].partition(".")[0]
        # The pages of the site are made together: as many combinations of them are no more proof.
        if name.startswith(SITE):
            artifact = "site"
        groups[artifact] = (*groups.get(artifact, ()), name)
    return groups


def of_restored(made: Made) -> Iterator[Tampering]:
    """Yield every combination of earlier files that are put back, the ledger staying as it is."""
    for state, earlier in made.earlier.items():
        groups = groups_of(earlier, made.root)
        for name in ("stage_ledger", "STAGE_AUDIT_LOG", "seals"):
            groups.pop(name, None)
        # Files of runs that were not there then are deletions, which are tried file by file.
        groups = {name: _known_then(files, earlier) for name, files in groups.items()}
        groups = {name: files for name, files in groups.items() if files}
        sizes = {1, 2, 3, len(groups) - 1, len(groups)}
        for size in sorted(size for size in sizes if 0 < size <= len(groups)):
            for chosen in combinations(sorted(groups), size):
                names = tuple(file for group in chosen for file in groups[group])
                what = f"{', '.join(chosen)} as {state}"
                change = partial(restore, names, earlier)
                listed = _files_of_records(names, made.root)
                yield Tampering("older files put back", what, change, (*names, *listed))


def _files_of_records(names: tuple[str, ...], root: Path) -> list[str]:
    """Return what the records among these files list: one of another time names others."""
    found = []
    for name in names:
        if name.endswith("_record.json"):
            found += recorded(root, name)
    return found


def _known_then(files: tuple[str, ...], earlier: Path) -> tuple[str, ...]:
    return tuple(name for name in files if (earlier / name).exists())


def swap(pairs: tuple[tuple[str, str], ...], root: Path) -> None:
    """Swap two files or folders, for each pair."""
    for left, right in pairs:
        aside = root / "aside"
        (root / left).rename(aside)
        (root / right).rename(root / left)
        aside.rename(root / right)


def copy_folder(source: str, target: str, root: Path) -> None:
    """Copy a folder."""
    shutil.copytree(root / source, root / target, symlinks=True)


def rename(source: str, target: str, root: Path) -> None:
    """Rename a folder."""
    (root / source).rename(root / target)


def of_runs(made: Made) -> Iterator[Tampering]:
    """Yield what is done to whole runs."""
    root = made.root
    runs = run_folders(root)
    # Each with the next, and the last with the first.
    for left, right in zip(runs, runs[1:] + runs[:1], strict=True):
        if left != right:
            yield from _swapped(root, left, right)
    for run in runs:
        gate = gate_folder(root, run)
        folders = (run, gate) if gate else (run,)
        for folder in folders:
            yield Tampering("folder deleted", folder, partial(delete, folder), (folder, LEDGER))
            other = folder.replace("2026-02-1", "2026-03-1")
            change = partial(copy_folder, folder, other)
            yield Tampering("folder copied", folder, change, (other,))
            change = partial(rename, folder, other)
            yield Tampering("folder renamed", folder, change, (folder, other, LEDGER))


def _swapped(root: Path, left: str, right: str) -> Iterator[Tampering]:
    gates = gate_folder(root, left), gate_folder(root, right)
    pairs = [(left, right)]
    what = f"{_stable(left)} and {_stable(right)}"
    change = partial(swap, ((left, right),))
    yield Tampering("run folders swapped", what, change, (left, right))
    if gates[0] and gates[1]:
        pairs.append((gates[0], gates[1]))
        change = partial(swap, (pairs[1],))
        yield Tampering("gate folders swapped", what, change, pairs[1])
        change = partial(swap, tuple(pairs))
        yield Tampering("whole runs swapped", what, change, (left, right, *pairs[1]))
    for name in (RECORD, MANIFEST, "governance_audit_check.json", "run_detection.json"):
        names = (f"{left}/{name}", f"{right}/{name}")
        if (root / names[0]).exists() and (root / names[1]).exists():
            change = partial(swap, (names,))
            yield Tampering("files swapped", f"{name} of {what}", change, names)


# --- what is no tampering


def harmless(made: Made) -> Iterator[Tampering]:
    """Yield what a user does every day: nothing may be named."""
    root = made.root
    view = (root / STAGE_LOG).read_bytes()
    texts = {"above": b"More above.\n" + view, "below": view + b"\nMore below.\n"}
    for where, text in texts.items():
        yield Tampering("harmless", f"text {where} our marks", partial(put_at, STAGE_LOG, text))
    for name in ("notes.txt", "docs/ours.md", "data/panel.csv", "audit/.locks/other.lock"):
        yield Tampering("harmless", f"a file {name}", partial(add, name, b"mine\n"))
    yield Tampering("harmless", "times of files", _touch_all)
    for run in run_folders(root)[:1]:
        change = partial(add, f"{run}/.DS_Store", b"\0\0\0\1Bud1")
        yield Tampering("harmless", "what a desktop leaves", change)


def _touch_all(root: Path) -> None:
    for name in files_of(root):
        content = (root / name).read_bytes()
        (root / name).unlink()
        (root / name).write_bytes(content)


def all_of(made: Made, seed: int) -> list[Tampering]:
    """Return every way to tamper with a workspace, in an order that one seed gives."""
    found = [*of_files(made.root, seed), *of_records(made, seed), *of_ledger(made, seed)]
    found += [*of_restored(made), *of_runs(made), *harmless(made)]
    Random(seed).shuffle(found)
    return found
