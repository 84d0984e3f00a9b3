"""A team of five roots that share one: whoever pushes and pulls when, all end equal."""

import random
from pathlib import Path

import pytest

from harness.sshd import Sshd
from harness.team import Team, make_team

MEMBERS = ("ann", "bob", "cleo", "dan", "eve")
NIGHTLY = [pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 8)]


def live(team: Team, seed: int) -> None:
    """Close, push and pull in a random order. One run in four is closed by two members."""
    chance = random.Random(seed)
    closings = []
    for number in range(8):
        made = team.make(number + 1, passing=number % 3 != 1)
        for member in chance.sample(MEMBERS, 1 + (number % 4 == 0)):
            closings.append((member, made))
    while closings:
        member = chance.choice(MEMBERS)
        act = chance.choice(("close", "push", "pull"))
        if act == "push":
            assert team.push(member) == 0
        elif act == "pull":
            assert team.pull(member) in (0, 1)
        else:
            closer, made = closings.pop()
            # A run that a colleague closed is that colleague's: exit code 2.
            assert team.close(closer, made, "-q") in (0, 2)


@pytest.mark.parametrize("seed", [1, *NIGHTLY])
def test_five_roots_end_equal(tmp_path: Path, seed: int) -> None:
    team = make_team(tmp_path / "team", *MEMBERS)
    live(team, seed)
    team.exchange()
    first = team.shown("ann")
    assert sum(path.endswith("closing_record.json") for path in first) == 8
    for member in MEMBERS:
        shown = team.shown(member)
        assert {path for path in first if shown.get(path) != first[path]} == set()
        assert shown.keys() == first.keys()
        assert team.chains(member) == team.chains("ann")
        assert team.verify(member) == 0
    # What has nothing new writes nothing.
    before = {path: path.stat().st_mtime_ns for path in team.hub.rglob("*")}
    team.exchange(1)
    assert {path: path.stat().st_mtime_ns for path in team.hub.rglob("*")} == before


def test_a_team_over_ssh(pair: Team, sshd: Sshd) -> None:
    team = Team(pair.folder, pair.members, f"{sshd.host}:{pair.hub}")
    team.exchange(1)
    assert team.shown("ann") == team.shown("bob")
    assert team.verify("ann") == team.verify("bob") == 0
    sshd.stop()
    assert team.push("ann") == 6
    assert team.pull("ann") == 6
