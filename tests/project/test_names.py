"""Names and docstrings are in the field's own words: `python tests/names_report.py` says which are
not.
"""

import ast
from pathlib import Path

import pytest

import names_report

FILES = sorted(names_report.SCRIPTS.rglob("*.py"))


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(names_report.SCRIPTS))
)
def test_names_and_docstrings_are_plain(path: Path) -> None:
    assert names_report.find_faults(path) == []


def faults(source: str) -> list[str]:
    tree = ast.parse(source)
    names = [name for _, _, name in names_report.made_names(tree)]
    found = [name for name in names if names_report.forbidden_word(name)]
    return found + [fault for _, fault in names_report.docstring_faults(tree)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class Watch: ...", ["Watch"]),
        ("class Watched: ...", []),
        ("def watch_runs(rooms, room_count): ...", ["rooms"]),
        ("def _tell(*, its=1): ...", ["_tell", "its"]),
        (
            "class A:\n    wanted: int = 1\n    def f(self):\n        self.told = 1",
            ["wanted", "told"],
        ),
        ("def f():\n    one = 1\n    return one", []),
        ("def f():\n    one = 1\n" + "    g()\n" * 7 + "    return one", ["one"]),
        ("x = [one for one in y]", []),
        ("found = 1", ["found"]),
    ],
)
def test_whole_names_count_where_they_are_made(source: str, expected: list[str]) -> None:
    assert sorted(faults(source)) == sorted(expected)


@pytest.mark.parametrize(
    ("signature", "docstring", "is_plain"),
    [
        ("f() -> int", "Return the sum.", True),
        ("f() -> int", "Give the sum.", False),
        ("f() -> int", "The sum.", False),
        ("f() -> int", "Start a run. Return its process.", True),
        ("f() -> int", "Start a run.", False),
        ("f() -> None", "Start a run.", True),
        ("f() -> None", "Be started.", False),
        ("main() -> int", "Start a run.", True),
    ],
)
def test_a_docstring_says_what_is_returned(signature: str, docstring: str, is_plain: bool) -> None:
    assert (faults(f'def {signature}:\n    """{docstring}"""') == []) == is_plain
