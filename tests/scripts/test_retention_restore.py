"""`make retention-restore`: archived files come back byte for byte, from originals or archive."""

import os
import shutil
from pathlib import Path

import pytest

from harness import retained as runs
from harness.retained import ARCHIVE, ORIGINALS, Retained
from postrun.store import ledger

LEDGER = "audit/stage_ledger.jsonl"


def contents(retained: Retained, names: list[str]) -> dict[str, tuple[bytes, int]]:
    """Return bytes and mode of files."""
    found = {}
    for name in names:
        path = retained.root / name
        found[name] = path.read_bytes(), path.stat().st_mode
    return found


@pytest.mark.parametrize("is_freed", [False, True])
@pytest.mark.parametrize("tag", ["loser", "changed"])
def test_every_byte_comes_back(retained: Retained, tag: str, is_freed: bool) -> None:
    names = retained.names(tag)
    (retained.root / names[0]).chmod(0o640)
    times = {name: int((retained.root / name).stat().st_mtime) for name in names}
    before = contents(retained, names)
    retained.must_archive(tag)
    if is_freed:
        retained.free(tag)
    done = retained.restore(tag)
    assert done.code == 0, done.err
    assert f"{len(names)} files in their places again, row " in done.err
    assert done.out.splitlines() == [str(retained.root / name) for name in sorted(names)]
    assert contents(retained, names) == before
    for name in names:
        assert int((retained.root / name).stat().st_mtime) == times[name]
    assert retained.row()["action"] == "restored"
    assert retained.verify().code == 0
    assert "found archived in" not in retained.verify().out


def test_a_second_restore_says_so(retained: Retained) -> None:
    retained.must_archive()
    assert retained.restore().code == 0
    before = retained.bytes()
    done = retained.restore()
    assert done.code == 0
    assert "3 files restored already, row " in done.err
    assert retained.bytes() == before


def test_a_run_without_archive_is_refused(retained: Retained) -> None:
    done = retained.restore()
    assert done.code == 3
    assert "expected an archive of it that the ledger names, found none" in done.err


def test_an_edited_original_stays_and_the_archive_is_used(retained: Retained) -> None:
    before = retained.log().read_bytes()
    retained.must_archive()
    original = retained.original(retained.log())
    runs.flip(original)
    edited = original.read_bytes()
    assert retained.restore().code == 0
    assert retained.log().read_bytes() == before
    assert original.read_bytes() == edited


def test_an_edited_archive_gives_nothing(retained: Retained) -> None:
    archive = retained.must_archive()
    retained.free()
    runs.flip(archive)
    before = retained.bytes()
    done = retained.restore()
    assert done.code == 4
    assert f"{archive}: expected the file that row " in done.err
    assert len(done.err.splitlines()) == 1
    assert retained.bytes() == before


def test_an_edited_archive_does_no_harm_to_originals(retained: Retained) -> None:
    runs.flip(retained.must_archive())
    assert retained.restore().code == 0


def test_another_file_in_a_place_stays(retained: Retained) -> None:
    retained.must_archive()
    retained.log().write_text("mine")
    done = retained.restore()
    assert done.code == 4
    assert f"{retained.log()}: expected the file that was archived" in done.err
    assert retained.log().read_text() == "mine"
    assert retained.row()["action"] == "archived"
    retained.log().unlink()
    assert retained.restore().code == 0


def test_a_file_that_was_put_back_by_hand_is_taken(retained: Retained) -> None:
    retained.must_archive()
    shutil.copy(retained.original(retained.log()), retained.log())
    assert retained.verify().code == 0
    assert retained.plan()["loser"]["state"] == "archived"
    assert retained.restore().code == 0
    assert retained.verify().code == 0


def test_nothing_is_written_behind_a_link(retained: Retained, tmp_path: Path) -> None:
    names = retained.names()
    retained.must_archive()
    retained.free()
    shard = (retained.root / names[-1]).parent
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shard.rmdir()
    shard.symlink_to(elsewhere)
    done = retained.restore()
    assert done.code == 4
    assert f"{shard}: expected a folder, found a symbolic link" in done.err
    assert list(elsewhere.iterdir()) == []


def test_a_fifo_in_a_place_is_not_waited_for(retained: Retained) -> None:
    retained.must_archive()
    os.mkfifo(retained.log())
    done = retained.restore()
    assert done.code == 4
    assert "found a FIFO" in done.err


def test_a_shortened_ledger_is_refused(retained: Retained) -> None:
    retained.must_archive()
    path = retained.root / LEDGER
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    done = retained.restore()
    assert done.code == 4
    assert "make restore-ledger" in done.err
    assert LEDGER in retained.broken()
    # The closing record holds the row.
    assert retained.run("restore_ledger").code == 0
    assert path.read_bytes() == whole
    assert retained.restore().code == 0


def test_a_dry_run_writes_nothing(retained: Retained) -> None:
    retained.must_archive()
    before = retained.bytes()
    done = retained.restore("loser", "--dry-run")
    assert (done.code, done.err) == (0, "retention-restore: would restore 3 files\n")
    assert retained.bytes() == before


def test_the_archive_stays(retained: Retained) -> None:
    archive = retained.must_archive()
    assert retained.restore().code == 0
    assert archive.is_file()
    assert retained.verify().code == 0
    runs.flip(archive)
    assert retained.broken() == {f"{ARCHIVE}/{archive.name}"}
    archive.unlink()
    assert retained.verify().code == 0, "nothing depends on it any more"


def test_the_row_holds_in_record_and_ledger(retained: Retained) -> None:
    retained.must_archive()
    assert retained.restore().code == 0
    record = retained.run_paths().path("closing_record").read_text()
    assert record.count('\\"kind\\": \\"retention\\"') == 2
    assert ledger.verify(retained.root) == []
    assert not any(path.is_file() for path in (retained.root / ORIGINALS).rglob("*"))
