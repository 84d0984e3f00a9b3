"""Where a file that a person asks for may be written."""

from pathlib import Path

import pytest

from postrun.core.errors import Missing, Usage
from postrun.store import outside_files

BEGINNING = b"# ours\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "ws"
    (root / "audit/workstation_runs").mkdir(parents=True)
    (root / "gate_results").mkdir()
    return root


def test_a_new_file_may_be_made_in_a_folder(root: Path, tmp_path: Path) -> None:
    for folder in (root, tmp_path):
        outside_files.check_new(root, folder / "new.csv", "--out")
        outside_files.check_replaced(root, folder / "new.csv", "--out", BEGINNING)
    (root / "new.csv").touch()
    with pytest.raises(Usage, match=r"--out: expected a new file, found .* there already"):
        outside_files.check_new(root, root / "new.csv", "--out")


@pytest.mark.parametrize("content", [b"", BEGINNING, BEGINNING + b"more"])
def test_what_was_written_here_is_replaced(root: Path, content: bytes) -> None:
    (root / "file").write_bytes(content)
    outside_files.check_replaced(root, root / "file", "--out", BEGINNING)


@pytest.mark.parametrize("content", [b"\n", b"# our", b" # ours\n", b"other"])
def test_another_file_stays(root: Path, content: bytes) -> None:
    (root / "file").write_bytes(content)
    with pytest.raises(Usage, match=r"or one that this command wrote, found .*, which is another"):
        outside_files.check_replaced(root, root / "file", "--out", BEGINNING)


def test_no_link_leads_into_the_workspace(root: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to(root / "audit")
    (tmp_path / "file").symlink_to(root / "gate_results/file")
    (root / "audit/up").symlink_to(tmp_path)
    places = (
        tmp_path / "folder/new",
        tmp_path / "file",
        root / "audit/new",
        root / "gate_results/../audit/new",
    )
    for place in places:
        with pytest.raises(Usage, match="outside of audit/ and gate_results/"):
            outside_files.check_place(root, place, "--out")
    # It is outside, whatever leads there.
    outside_files.check_place(root, root / "audit/up/new", "--out")
    with pytest.raises(Missing, match="a folder, found none; make it first"):
        outside_files.check_place(root, tmp_path / "nosuch/new", "--out")
