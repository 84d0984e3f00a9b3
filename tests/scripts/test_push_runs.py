"""`make push`: files are only added, under names that nobody else uses."""

import json
import shutil

import pytest

from harness.team import Team, race
from postrun.core import disk


def test_a_second_push_of_the_same_writes_nothing(
    pair: Team, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pair.push("ann") == 0
    before = {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()}
    capfd.readouterr()
    assert pair.push("ann") == 0
    assert {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()} == before


def test_every_object_has_its_digest_for_its_name(pair: Team) -> None:
    assert pair.push("ann") == pair.push("bob") == 0
    objects = [path for path in (pair.hub / "audit/team/objects").rglob("*") if path.is_file()]
    assert len(objects) > 40
    assert all(disk.digest(path) == path.name for path in objects)


def test_a_name_is_given_once(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    assert pair.push("bob", "--member", "stage_ledger") == 2
    assert pair.push("bob", "--member", "../bob") == 2
    assert pair.push("bob") == 0
    assert pair.push("bob", "--member", "robert") == 4
    assert "member robert: expected bob, as before" in capfd.readouterr().err


def test_without_a_name_nothing_is_pushed(pair: Team) -> None:
    import push_runs

    flags = ["--to", str(pair.hub), "--local-root", str(pair.root("ann"))]
    assert push_runs.main(flags) == 2
    assert not (pair.hub / "audit").exists()


def test_a_copied_root_cannot_push_over_the_first(
    pair: Team, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pair.push("ann") == 0
    copy = Team(pair.folder / "copy", pair.members, str(pair.hub))
    shutil.copytree(pair.folder / "ann", copy.root("ann"))
    shutil.copytree(pair.remote, copy.remote)
    assert pair.close("ann", pair.make(4), "-q") == 0
    assert copy.close("ann", copy.make(5), "-q") == 0
    assert pair.push("ann") == 0
    before = {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()}
    assert copy.push("ann") == 4
    assert "another root pushes under this name" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()} == before


def test_of_two_pushes_with_one_number_the_second_is_refused(pair: Team) -> None:
    """Many create the same file at the same time: one succeeds, and its bytes stay."""
    from postrun.team.stores import open_store

    sources = []
    for number in range(6):
        source = pair.folder / f"content{number}"
        source.write_text(str(number))
        sources.append(source)

    def create(number: int) -> bool:
        store = open_store(str(pair.hub))
        work = pair.folder / f"work{number}"
        return store.create_push("ann", 1, sources[number], work)

    (winner,) = race(create)
    assert (pair.hub / "audit/team/members/ann/1.json").read_text() == str(winner)


def test_a_run_that_was_edited_is_not_pushed(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    (report,) = [*pair.root("ann").rglob("production_gates_report.json")]
    report.write_bytes(report.read_bytes() + b"\n")
    assert pair.push("ann") == 4
    assert "production_gates_report.json" in capfd.readouterr().err
    assert not (pair.hub / "audit/team/members").exists()


def test_a_push_says_what_it_has(pair: Team) -> None:
    assert pair.push("ann") == 0
    push = json.loads((pair.hub / "audit/team/members/ann/1.json").read_bytes())
    assert (push["member"], push["number"], push["ledger"][0]["rows"]) == ("ann", 1, 2)
    assert [run["run"][-4:] for run in push["runs"]] == ["run1"]


def test_the_shared_root_may_be_a_members_own(pair: Team) -> None:
    team = Team(pair.folder, pair.members, str(pair.root("bob")))
    team.exchange(1)
    assert team.shown("ann") == team.shown("bob")
    assert team.verify("ann") == team.verify("bob") == 0


def test_a_dry_run_pushes_nothing(pair: Team) -> None:
    assert pair.push("ann") == 0
    assert pair.close("ann", pair.make(7), "-q") == 0
    before = {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()}
    assert pair.push("ann", "--dry-run") == 0
    assert {path: path.read_bytes() for path in pair.hub.rglob("*") if path.is_file()} == before
