"""Whose closing of a run counts, and which names members may have."""

from itertools import permutations
from pathlib import Path

import pytest

from postrun.core.errors import Usage
from postrun.store import chains
from postrun.store.chains import Closing, Owner


def closing(member: str, second: int, result: str = "pass", evidence: str = "a") -> Closing:
    decision = {"result": result, "evidence_sha256": evidence}
    return Closing(member, f"2026-02-21T00:00:0{second}Z", decision, f"{member}'s line")


def choice(member: str) -> dict[str, str]:
    return {"chosen": member, "decision_sha256": f"{member}'s line"}


SAME = (closing("bob", 1), closing("ann", 2), closing("cleo", 1))
DIFFERENT = (closing("bob", 1), closing("ann", 2, "fail"), closing("cleo", 3, "fail", "b"))
OTHER_EVIDENCE = (closing("bob", 2), closing("ann", 1, evidence="b"))


@pytest.mark.parametrize(
    ("closings", "choices", "expected"),
    [
        (SAME, [], Owner("bob")),
        (SAME, [choice("ann")], Owner("bob")),  # there is nothing to choose
        (DIFFERENT, [], Owner("ann", is_open=True)),
        (DIFFERENT, [choice("bob")], Owner("bob")),
        (DIFFERENT, [choice("cleo"), choice("bob")], Owner("cleo")),
        (DIFFERENT, [choice("dan")], Owner("ann", is_open=True)),
        (OTHER_EVIDENCE, [], Owner("ann", is_open=True)),
    ],
)
def test_whose_closing_counts(
    closings: tuple[Closing, ...], choices: list[dict[str, str]], expected: Owner
) -> None:
    """It does not depend on the order in which the closings came."""
    for order in permutations(closings):
        assert chains.find_owner(order, choices) == expected


def test_a_choice_of_a_decision_that_was_corrected_since_is_open_again() -> None:
    former = {"chosen": "bob", "decision_sha256": "another line"}
    assert chains.find_owner(DIFFERENT, [former]).is_open


@pytest.mark.parametrize("name", ["ann", "ann-2", "a_b", "7", "x" * 31])
def test_a_name_of_a_member(name: str) -> None:
    assert chains.check_member(name) == name


@pytest.mark.parametrize("name", ["", "Ann", "../a", "a/b", "a.b", "-a", "x" * 32, "team", "ä"])
def test_no_name_of_a_member(name: str) -> None:
    with pytest.raises(Usage):
        chains.check_member(name)


def test_only_chains_are_listed(tmp_path: Path) -> None:
    assert chains.list_others(tmp_path) == {}
    assert chains.stamp(tmp_path) == ""
    folder = tmp_path / "audit/ledgers"
    folder.mkdir(parents=True)
    for name in ("bob.jsonl", "Bad.jsonl", "team.json", "ann.jsonl", ".ann.jsonl.12.tmp"):
        (folder / name).write_text("")
    assert list(chains.list_others(tmp_path)) == ["ann", "bob"]
