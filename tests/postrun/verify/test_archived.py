"""`make verify` of archives: flipped, lost and added files, and what is allowed there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import retained as runs
from harness.retained import ARCHIVE, ORIGINALS, Retained
from postrun.store import ledger

Change = Callable[[Path], object]


def files_of_archive(retained: Retained) -> list[str]:
    row = retained.row()
    return [row["archive"], row["index"]]


@pytest.mark.parametrize("change", [runs.flip, Path.unlink])
@pytest.mark.parametrize("number", [0, 1])
def test_an_archive_in_force_is_named(retained: Retained, change: Change, number: int) -> None:
    retained.must_archive()
    retained.free()
    name = files_of_archive(retained)[number]
    change(retained.root / name)
    assert name in retained.broken()
    done = retained.verify("--tag", "loser")
    assert done.code == 4
    assert f"broken: {name}: expected the file that row {retained.row()['number']}" in done.out


def test_every_byte_of_an_archive_counts(retained: Retained) -> None:
    """A slice of them; the index is checked as a whole, too."""
    archive = retained.must_archive()
    content = archive.read_bytes()
    for offset in range(0, len(content), 97):
        changed = bytearray(content)
        changed[offset] ^= 1
        archive.write_bytes(changed)
        assert f"{ARCHIVE}/{archive.name}" in retained.broken(), offset
    archive.write_bytes(content)
    assert retained.broken() == set()


def test_a_file_that_is_in_no_place_is_named(retained: Retained) -> None:
    """Without its archive, an archived file is missing."""
    names = retained.names()
    archive = retained.must_archive()
    archive.unlink()
    assert {*names, f"{ARCHIVE}/{archive.name}"} <= retained.broken()


@pytest.mark.parametrize("change", [runs.flip])
def test_an_edited_original_is_named(retained: Retained, change: Change) -> None:
    retained.must_archive()
    original = retained.original(retained.log())
    change(original)
    assert retained.broken() == {str(original.relative_to(retained.root))}


def test_a_link_in_place_of_an_original_is_named(retained: Retained, tmp_path: Path) -> None:
    retained.must_archive()
    original = retained.original(retained.log())
    shutil.copy(original, tmp_path / "copy")
    original.unlink()
    original.symlink_to(tmp_path / "copy")
    assert retained.broken() == {str(original.relative_to(retained.root))}


def test_lost_originals_are_what_a_person_freed(retained: Retained) -> None:
    retained.must_archive()
    retained.original(retained.log()).unlink()
    assert retained.broken() == set()


STRAYS = [
    f"{ARCHIVE}/notes.txt",
    f"{ARCHIVE}/2026-02-20_031500_production_gates_loser-00000000.tar.xz",
    f"{ARCHIVE}/2026-02-20_031500_production_gates_loser-00000000.json",
    f"{ARCHIVE}/more/notes.txt",
    f"{ORIGINALS}/notes.txt",
    f"{ORIGINALS}/2026-02-20_031500_production_gates_loser/notes.txt",
    f"{ORIGINALS}/another/run.log",
]


@pytest.mark.parametrize("name", STRAYS)
@pytest.mark.parametrize("is_archived", [False, True])
def test_a_stray_is_named(retained: Retained, name: str, is_archived: bool) -> None:
    if is_archived:
        retained.must_archive()
    path = retained.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("stray")
    assert retained.broken() == {name}


def test_a_fifo_in_the_folder_is_named(retained: Retained) -> None:
    archive = retained.must_archive()
    archive.unlink()
    os.mkfifo(archive)
    assert f"{ARCHIVE}/{archive.name}" in retained.broken()


def test_an_unfinished_file_is_listed(retained: Retained) -> None:
    folder = retained.root / ARCHIVE
    folder.mkdir()
    (folder / f".{retained.run_paths().run}.tar.xz.999999999.0123abcd.tmp").write_text("half")
    assert retained.broken() == set()
    assert "none: it was not finished" in retained.verify().out
    retained.must_archive()
    assert "not finished" not in retained.verify().out


def test_rows_that_say_the_same_again_are_named(retained: Retained) -> None:
    retained.must_archive()
    said = ("kind", "run", "action", "archive", "archive_sha256")
    more = ("index", "index_sha256", "files", "bytes")
    row = retained.row()
    ledger.append(retained.root, {name: row[name] for name in (*said, *more)})
    assert "audit/stage_ledger.jsonl" in retained.broken()


def test_a_forged_index_changes_nothing(retained: Retained) -> None:
    """Its digest is in the ledger, whose row is in the closing record."""
    retained.must_archive()
    index = retained.root / retained.row()["index"]
    document = json.loads(index.read_text())
    document["files"] = document["files"][:1]
    index.write_text(json.dumps(document))
    assert retained.row()["index"] in retained.broken()


def test_the_run_of_an_archive_must_be_there(retained: Retained) -> None:
    archive = retained.must_archive()
    shutil.rmtree(retained.log().parent)
    archive.unlink()
    assert f"{ARCHIVE}/{archive.name}" in retained.broken()
