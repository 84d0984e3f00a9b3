"""How runs are cut into parts, what a shard keeps, and what a join takes from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from postrun.core import locations
from postrun.core.errors import Invalid, Missing
from postrun.store import shards
from postrun.store.shards import Cut, Read, Reading, Shard


@dataclass
class Reader:
    """Gives a number for each run, and remembers which runs it was asked for."""

    runs: list[str]
    broken: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    plus: int = 0

    def read(self, _: Path, runs: Sequence[str]) -> Read[int]:
        self.asked += runs
        values = {run: int(run) + self.plus for run in runs if run not in self.broken}
        errors = {run: error for run, error in self.broken.items() if run in runs}
        return values, errors

    def cut(self, root: Path, of: int) -> Cut:
        def list_runs(_: Path) -> list[str]:
            return self.runs

        reading = Reading("numbers", list_runs, self.read, str, int, is_good=lambda n: n >= 0)
        return Cut(root, shards.REBUILD, reading, of)


def reader(number: int) -> Reader:
    return Reader([f"{run:03}" for run in range(number)])


@pytest.mark.parametrize(("runs", "of"), [(0, 1), (0, 3), (1, 3), (10, 3), (10, 10), (100, 7)])
def test_the_parts_are_all_runs_in_order(local: Path, runs: int, of: int) -> None:
    cut = reader(runs).cut(local, of)
    parts = [cut.part(number) for number in cut.numbers]
    assert [run for part in parts for run in part] == cut.runs
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_is_shown_as_typed() -> None:
    assert str(Shard(3, 8)) == "3/8"


def test_a_join_reads_what_chance_says_only(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "READ_AGAIN", 2)
    reads = reader(100)
    cut = reads.cut(local, 4)
    for number in cut.numbers:
        assert shards.read_shard(cut, number)[1] is False
    assert reads.asked == reads.runs
    reads.asked.clear()
    with shards.joining([cut]):
        values, errors = shards.read_all(local, cut.reading)
    assert (list(values), errors) == (reads.runs, {})
    assert len(reads.asked) == 8
    for number in cut.numbers:
        assert len({*reads.asked} & {*cut.part(number)}) == 2
    # Outside of a join, all runs are read.
    reads.asked.clear()
    assert shards.read_all(local, cut.reading) == (values, {})
    assert reads.asked == reads.runs


def test_errors_are_kept_and_such_a_shard_is_read_again(local: Path) -> None:
    reads = reader(4)
    reads.broken = {"001": "what is wrong"}
    cut = reads.cut(local, 2)
    for number in cut.numbers:
        shards.read_shard(cut, number)
    with shards.joining([cut]):
        values, errors = shards.read_all(local, cut.reading)
    assert (values, errors) == ({"000": 0, "002": 2, "003": 3}, reads.broken)
    for number in cut.numbers:
        shards.read_shard(cut, number)
    assert shards.find_done(cut, 1) is None
    assert shards.find_done(cut, 2) is not None


def test_what_is_not_good_is_read_again(local: Path) -> None:
    reads = reader(2)
    reads.plus = -1
    cut = reads.cut(local, 1)
    shards.read_shard(cut, 1)
    assert shards.find_done(cut, 1) is None


def test_a_run_that_was_closed_since(local: Path) -> None:
    reads = reader(4)
    shards.read_shard(reads.cut(local, 1), 1)
    reads.runs.append("004")
    with (
        pytest.raises(Invalid, match="the cut of today's runs"),
        shards.joining([reads.cut(local, 1)]),
    ):
        raise AssertionError


def test_other_numbers_and_purposes_are_other_shards(local: Path) -> None:
    cut = reader(4).cut(local, 2)
    other = replace(cut, purpose=shards.VERIFY)
    more = replace(cut, of=3)
    assert len({cut.digest, other.digest, more.digest}) == 3
    assert len({cut.path(1), other.path(1), more.path(1)}) == 3


def test_another_program_or_policy_is_another_cut(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "configs").mkdir(parents=True)
    policy = project / "configs/scoring_policy.json"
    policy.write_text("1")
    monkeypatch.setattr(shards, "PROJECT", project)
    before = reader(1).cut(local, 1).digest
    assert reader(1).cut(local, 1).digest == before
    policy.write_text("2")
    assert reader(1).cut(local, 1).digest != before


def test_what_a_join_reads_again_must_be_the_same(local: Path) -> None:
    reads = reader(40)
    cut = reads.cut(local, 1)
    shards.read_shard(cut, 1)
    with shards.joining([cut]):
        shards.check_again(local, cut.reading, reads.runs)
        reads.plus = 1
        with pytest.raises(Invalid, match="of run 007 what its folders give"):
            shards.check_again(local, cut.reading, ["007"])
    # Without a join there is nothing to compare.
    shards.check_again(local, cut.reading, ["007"])


def test_a_join_that_fails_keeps_its_shards(local: Path) -> None:
    cut = reader(4).cut(local, 1)
    shards.read_shard(cut, 1)
    with pytest.raises(Missing), shards.joining([cut]):
        raise Missing("disk", "room", "none")
    with shards.joining([cut]):
        pass
    with pytest.raises(Missing), shards.joining([cut]):
        raise AssertionError
    aside = local / locations.CACHES
    assert [path.parent.name for path in aside.rglob("1.jsonl")] == ["joined"]
