"""The root that a team shares: what it is called, and that names are created once."""

from pathlib import Path

import pytest

from postrun.core.errors import Invalid, Missing, Usage
from postrun.team import stores


@pytest.mark.parametrize("place", ["", "hub", "relative/folder", "s3:", ":/x", "a b:/x"])
def test_a_place_that_is_none(place: str, tmp_path: Path) -> None:
    with pytest.raises((Usage, Missing, Invalid)):
        stores.open_store(place).read_push("ann", 1, tmp_path / "work")


def test_the_newest_push_of_each_member() -> None:
    names = ["ann/9.json", "ann/10.json", "bob/1.json"]
    assert stores.newest_pushes(names) == {"ann": 10, "bob": 1}


@pytest.mark.parametrize("name", ["Ann/1.json", "ann/01.json", "ann/x.json", "team/1.json", "a"])
def test_a_push_of_a_bad_name_is_named(name: str) -> None:
    with pytest.raises(Invalid, match="expected <member>/<number>"):
        stores.newest_pushes([name])


def test_an_object_is_never_written_again(tmp_path: Path) -> None:
    store = stores.open_store(str(tmp_path))
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("first")
    second.write_text("second")
    store.add({"ab" * 32: first}, tmp_path / "work1")
    store.add({"ab" * 32: second}, tmp_path / "work2")
    store.fetch(["ab" * 32], tmp_path / "work3")
    assert stores.object_in(tmp_path / "work3", "ab" * 32).read_text() == "first"


def test_a_push_is_created_once(tmp_path: Path) -> None:
    store = stores.open_store(str(tmp_path))
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("first")
    second.write_text("second")
    assert store.create_push("ann", 1, first, tmp_path / "work1")
    assert not store.create_push("ann", 1, second, tmp_path / "work2")
    assert store.read_push("ann", 1, tmp_path / "work3") == b"first"
    assert store.list_pushes() == {"ann": 1}
    # Nothing unfinished is left.
    assert [path.name for path in (tmp_path / "audit/team/members/ann").iterdir()] == ["1.json"]


def test_what_was_under_way_is_cleared_and_nothing_behind_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    work = tmp_path / "work"
    (work / "deep/er").mkdir(parents=True)
    (work / "deep/er/file").write_text("gone")
    (work / "deep/link").symlink_to(kept)
    stores.clear(work)
    assert not work.exists()
    assert (kept / "file").read_text() == "kept"
    stores.clear(work)
