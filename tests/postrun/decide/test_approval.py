"""Which approvals promote a run, by the policy."""

from typing import Any

import pytest

from postrun.decide import approval

Facts = dict[str, Any]


def owner_of(name: str | None, is_named: bool = True) -> Facts:
    return {"name": name, "is_named": is_named}


def approved(number: int, *principals: str, is_by_owner: bool = False, problem: str = "") -> Facts:
    return {
        "number": number,
        "principals": principals,
        "is_by_owner": is_by_owner,
        "problem": problem,
    }


HUI = owner_of("hui")
BY_MEI = approved(1, "mei")
BY_HUI = approved(1, "hui", is_by_owner=True)
BROKEN = approved(1, problem="the signature does not hold: incorrect signature")
ASKED = {"asked": True, "by_other_than_owner": True}
BY_ANYBODY = {"asked": True, "by_other_than_owner": False}


@pytest.mark.parametrize(
    ("decision", "asked", "expected"),
    [
        ("promote_candidate", True, True),
        ("promote_candidate", False, False),
        ("watchlist_rerun", True, False),
        ("reject_or_research", True, False),
    ],
)
def test_only_a_promotion_needs_an_approval(decision: str, asked: bool, expected: bool) -> None:
    assert approval.is_asked(decision, {"asked": asked}) is expected


@pytest.mark.parametrize(
    ("rule", "owner", "approvals", "promotes", "words"),
    [
        (ASKED, HUI, [], False, "no approval yet"),
        (ASKED, HUI, [BY_MEI], True, "approval 1 by mei"),
        (ASKED, HUI, [BY_HUI], False, "approval 1 is by the owner"),
        (BY_ANYBODY, HUI, [BY_HUI], True, "approval 1 by hui"),
        (ASKED, HUI, [BROKEN], False, f"approval 1 does not count: {BROKEN['problem']}"),
        (
            ASKED,
            HUI,
            [BY_HUI, approved(2, problem="too late")],
            False,
            "approval 1 is by the owner; approval 2 does not count: too late",
        ),
        (ASKED, HUI, [BROKEN, approved(2, "mei", "m")], True, "approval 2 by mei, m"),
        (
            ASKED,
            owner_of("hui", is_named=False),
            [BY_MEI],
            False,
            "no allowed signer has the name of the owner (hui)",
        ),
        (
            ASKED,
            owner_of(None, is_named=False),
            [BY_MEI],
            False,
            "no allowed signer has the name of the owner (unknown)",
        ),
        (BY_ANYBODY, owner_of(None, is_named=False), [BY_MEI], True, "approval 1 by mei"),
    ],
)
def test_who_promotes(
    rule: dict[str, bool],
    owner: Facts,
    approvals: list[Facts],
    promotes: bool,
    words: str,
) -> None:
    decision = "promote_candidate" if promotes else "awaiting_approval"
    assert approval.decide(rule, owner, approvals) == (decision, words)
