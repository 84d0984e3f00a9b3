"""Moving archived files away and back: nothing is replaced, nothing leaves the run's folders."""

from pathlib import Path

import pytest

from harness import retained as runs
from harness.retained import Retained
from postrun.core.errors import Invalid
from postrun.retention import moving
from postrun.store import archives


def archived_files(retained: Retained) -> dict[str, dict[str, str]]:
    archived = archives.find(retained.run_paths())
    assert archived is not None
    return archived.files


def test_a_file_that_came_back_by_hand_stays_in_both_places(retained: Retained) -> None:
    log = retained.log()
    retained.must_archive()
    original = retained.original(log)
    log.write_bytes(original.read_bytes())
    moving.move_away(retained.run_paths(), archived_files(retained))
    assert log.read_bytes() == original.read_bytes()


def test_one_changed_file_keeps_all_in_their_places(retained: Retained) -> None:
    names = retained.names()
    retained.must_archive()
    files = archived_files(retained)
    assert retained.restore().code == 0
    runs.flip(retained.root / names[-1])
    with pytest.raises(Invalid, match="expected the file that was archived"):
        moving.move_away(retained.run_paths(), files)
    assert all((retained.root / name).exists() for name in names)


@pytest.mark.parametrize("path", ["configs/x.json", "audit/workstation_runs/another/run.log"])
def test_a_path_of_no_folder_of_the_run_is_refused(retained: Retained, path: str) -> None:
    (retained.root / path).parent.mkdir(parents=True, exist_ok=True)
    (retained.root / path).write_text("mine")
    with pytest.raises(Invalid, match="expected a path in the folders of"):
        moving.move_away(retained.run_paths(), {path: {"sha256": "0" * 64}})
    assert (retained.root / path).read_text() == "mine"


def test_a_row_without_its_copy_in_the_record_is_finished(retained: Retained) -> None:
    """As when the process was killed between the ledger and the record."""
    record = retained.run_paths().path("closing_record")
    before = record.read_bytes()
    retained.must_archive()
    after = record.read_bytes()
    record.write_bytes(before)
    assert str(record.relative_to(retained.root)) in retained.broken()
    assert retained.restore().code == 0
    assert record.read_bytes() != after
    assert retained.broken() == set()


def test_originals_are_below_the_folder_of_their_run(retained: Retained) -> None:
    path = moving.original_of(retained.run_paths(), "a/b")
    folder = Path("audit/archive/originals") / retained.run_paths().run
    assert path == retained.root / folder / "a/b"
