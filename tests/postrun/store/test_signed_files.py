"""Signed files by their numbers, and the rows of the ledger that follow from them."""

import errno
import os
from pathlib import Path

import pytest

from harness.sealed import Sealed
from postrun.core.errors import Missing
from postrun.store import signed_files


def test_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ("10", "2", "1", "01", "0", "x", "1.edited-01234567")
    for name in names:
        (tmp_path / f"{name}.dsse.json").touch()
    (tmp_path / "3.json").touch()
    numbered = signed_files.list_numbered(tmp_path)
    assert list(numbered) == [1, 2, 10]
    assert [path.name for path in numbered.values()][-1] == "10.dsse.json"
    assert signed_files.list_numbered(tmp_path / "nothing") == {}


def test_a_row_follows_from_its_file_alone(sealed: Sealed) -> None:
    """So a lost ledger can be put together again."""
    sealed.must_seal()
    *_, row = sealed.rows()
    made = signed_files.row_of(sealed.root, sealed.seal_file(1), "seal")
    assert made.items() <= row.items()
    stated = signed_files.read(sealed.seal_file(1), "seal").predicate
    assert row["recorded_at"] == stated["recorded_at"]
    # What its place in the ledger says.
    assert set(row) - set(made) == {"schema_version", "number", "recorded_at", "previous_sha256"}
    assert row["writer"] == sealed.hui.fingerprint


def test_a_folder_that_cannot_be_listed_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(Missing, match="expected a folder that can be listed"):
        signed_files.list_numbered(tmp_path)
