"""The catalogue of checks: the shipped one is in order; one that is not is refused, by the id that
is wrong.
"""

from collections.abc import Callable
from typing import Any

import pytest

from postrun.core.errors import Invalid
from postrun.store import check_catalogue, configuration


def row(name: str, *requires: str) -> dict[str, Any]:
    words = {
        "question": "Is it so?",
        "family": "Artifacts",
        "severity": "High",
        "remedy": "Do it.",
        "hypothesis": "So.",
    }
    return {"id": name, "requires": list(requires), **words}


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put rows in the catalogue's place."""

    def fill(*rows: dict[str, Any]) -> None:
        monkeypatch.setattr(
            configuration, "load", {"governance_checks": {"checks": rows}}.__getitem__
        )

    return fill


def test_the_shipped_catalogue_asks_in_an_order_that_can_be_answered() -> None:
    checks = check_catalogue.checks()
    asked = list(checks)
    assert asked
    for name, check in checks.items():
        assert check.id == name
        assert check.severity in check_catalogue.SEVERITIES
        assert check.question.endswith("?")
        assert set(check.requires) <= set(asked[: asked.index(name)])


def test_checks_keep_their_order_and_their_words(shelf: Callable[..., None]) -> None:
    shelf(row("b"), row("a"), row("c", "a", "b"))
    found = check_catalogue.checks()
    assert list(found) == ["b", "a", "c"]
    assert found["c"].requires == ("a", "b")
    assert found["c"].remedy == "Do it."


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [row("a", "b"), row("b")],
            "governance_checks.json: a: expected an id of its own, below what it requires",
        ),
        ([row("a", "b"), row("b")], "found 'b' not above it"),
        ([row("a", "a")], "found 'a' not above it"),
        ([row("a", "nowhere")], "found 'nowhere' not above it"),
        ([row("a"), row("b"), row("a")], "governance_checks.json: a: expected an id of its own"),
        ([row("a"), row("a")], "found the id twice"),
    ],
)
def test_a_check_without_its_ground_is_refused(
    shelf: Callable[..., None], rows: list[dict[str, Any]], words: str
) -> None:
    shelf(*rows)
    with pytest.raises(Invalid) as caught:
        check_catalogue.checks()
    assert words in str(caught.value)
