"""What goes into a package. See also tests/scripts/test_package_run.py."""

import errno
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.sealed import Sealed
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import documents, packages


def run_paths(sealed: Sealed, tag: str = "b") -> RunPaths:
    run = sealed.record(tag).parent.name
    gate = documents.read(RunPaths(sealed.root, run, None), "run_detection")["gate_folder"]
    return RunPaths(sealed.root, run, gate)


def test_litter_and_temporary_files_stay_out(sealed: Sealed) -> None:
    where = run_paths(sealed)
    before = packages.collect(where)
    (sealed.record("b").with_name(".DS_Store")).write_text("x")
    assert packages.collect(where) == before


def test_a_link_stays_a_link(sealed: Sealed) -> None:
    where = run_paths(sealed)
    link = sealed.record("b").with_name("latest")
    link.symlink_to("result.json")
    contents = packages.collect(where)
    assert contents.links == (where.relative(link),)
    with zipfile.ZipFile(packages.write(contents)) as archive:
        entry = archive.getinfo(where.relative(link))
        assert archive.read(entry) == b"result.json"
    assert entry.external_attr >> 16 == 0o120777


def test_a_file_that_changes_meanwhile_is_refused(sealed: Sealed) -> None:
    contents = packages.collect(run_paths(sealed))
    log = sealed.record("b").with_name("run.log")
    log.write_bytes(log.read_bytes() + b"more\n")
    with pytest.raises(Invalid, match=r"run\.log: expected a file that does not change"):
        packages.write(contents)
    assert list((sealed.root / "packages").iterdir()) == []


def test_a_run_without_a_decision_is_refused(sealed: Sealed) -> None:
    where = run_paths(sealed)
    lines = (sealed.root / packages.LEDGER).read_text().splitlines(keepends=True)
    rows = [line for line in lines if json.loads(line).get("run") != where.run]
    (sealed.root / packages.LEDGER).write_text("".join(rows))
    with pytest.raises(Missing, match="expected a decision in the ledger, found none; close"):
        packages.collect(where)


def test_a_file_that_is_gone_is_named(sealed: Sealed) -> None:
    sealed.record("b").with_name("run.log").unlink()
    with pytest.raises(Invalid, match=r"run\.log: expected the file that was recorded, found no"):
        packages.collect(run_paths(sealed))


@pytest.mark.parametrize("place", ["approvals/1.dsse.json", "data_quality"])
def test_what_is_no_regular_file_is_named(sealed: Sealed, place: str) -> None:
    path = sealed.record("b").parent / place
    if path.exists():
        path.rename(path.with_name("moved"))
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    found = r"expected a regular file that can be read, found a FIFO, not a regular file"
    with pytest.raises(Missing, match=found):
        packages.collect(run_paths(sealed))


def test_a_folder_that_cannot_be_listed_is_named(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may list every folder, so the refusal is made here."""
    where = run_paths(sealed)
    walk = os.walk

    def refuse(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[Any]:
        onerror(OSError(errno.EACCES, "Permission denied", str(folder)))
        yield from walk(folder)

    monkeypatch.setattr(os, "walk", refuse)
    with pytest.raises(Missing, match="expected a folder that can be listed, found Permission"):
        packages.collect(where)


def test_no_two_files_have_one_name(sealed: Sealed) -> None:
    contents = packages.collect(run_paths(sealed))
    with zipfile.ZipFile(packages.write(contents)) as archive:
        names = archive.namelist()
    assert names == sorted(set(names))
    assert not [name for name in names if name.startswith("/") or ".." in Path(name).parts]
