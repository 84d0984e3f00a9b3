"""What of a run is archived, as the ledger says."""

import pytest

from harness import retained as runs
from harness.retained import Retained
from postrun.core.errors import Invalid
from postrun.store import archives, evidence


def test_nothing_is_archived_before_a_row(retained: Retained) -> None:
    run_paths = retained.run_paths()
    assert archives.newest_row(retained.root, run_paths.run) is None
    assert archives.find(run_paths) is None


def test_the_newest_row_is_in_force(retained: Retained) -> None:
    names = retained.names()
    retained.must_archive()
    run_paths = retained.run_paths()
    archived = archives.find(run_paths)
    assert archived is not None
    assert sorted(archived.files) == names
    assert archived.row["action"] == archives.ARCHIVED
    assert archives.find(retained.run_paths("changed")) is None
    assert retained.restore().code == 0
    assert archives.find(run_paths) is None


@pytest.mark.parametrize("name", ["archive", "index"])
def test_another_archive_than_the_ledgers_is_refused(retained: Retained, name: str) -> None:
    retained.must_archive()
    path = retained.root / retained.row()[name]
    runs.flip(path)
    expected = rf"{path.name}: expected the file that row \d+ of the ledger names \(\w+\), found an"
    with pytest.raises(Invalid, match=expected):
        archives.find(retained.run_paths())
    path.unlink()
    with pytest.raises(Invalid, match="found nothing there; restore it from a backup"):
        archives.find(retained.run_paths())


def test_archived_evidence_counts_as_if_in_its_place(retained: Retained) -> None:
    run_paths = retained.run_paths()
    before = evidence.digest_local(run_paths)
    archive = retained.must_archive()
    retained.free()
    assert evidence.digest_local(run_paths) == before
    runs.flip(archive)
    unreadable: dict[str, str] = {}
    present = evidence.digest_local(run_paths, unreadable)
    assert set(unreadable) == {"audit/archive"}
    assert present.files.items() < before.files.items()
    with pytest.raises(Invalid, match="expected the file that row"):
        evidence.digest_local(run_paths)
