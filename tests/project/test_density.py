"""No line holds too much: `python tests/style_report.py` prints the figures of each module."""

from pathlib import Path

import pytest

import style_report
from style_report import Density

LONGEST_LINE = 100
MOST_TOKENS_A_LINE = 7.5  # in a module of more than SHORT lines
SHORT = 20
MOST_CONDITIONALS = 20  # in 1,000 lines
FEWEST_COMMENTS = 4  # in 100 lines
# The aim is 62,000 tokens in 12,500 lines. These numbers go up with a capability only.
MOST_LINES = 42_172
MOST_TOKENS = 211_150

FILES = sorted(style_report.SCRIPTS.rglob("*.py"))


def module(path: Path) -> str:
    return path.relative_to(style_report.SCRIPTS).as_posix()


@pytest.fixture(scope="module")
def figures() -> dict[Path, Density]:
    return {path: style_report.measure(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_module_has_air(path: Path, figures: dict[Path, Density]) -> None:
    density = figures[path]
    assert density.faults == ()
    if density.lines > SHORT:
        assert density.tokens_per_line <= MOST_TOKENS_A_LINE
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE] == []


def test_the_whole_has_air_and_comments(figures: dict[Path, Density]) -> None:
    lines = sum(density.lines for density in figures.values())
    conditionals = sum(density.conditionals for density in figures.values())
    comments = sum(density.comments for density in figures.values())
    assert conditionals * 1000 <= lines * MOST_CONDITIONALS
    assert comments * 100 >= lines * FEWEST_COMMENTS


def test_the_whole_does_not_grow(figures: dict[Path, Density]) -> None:
    """When this fails, look first for what is written twice or never used."""
    texts = [path.read_text(encoding="utf-8") for path in figures]
    assert sum(len(text.splitlines()) for text in texts) <= MOST_LINES
    assert sum(density.tokens for density in figures.values()) <= MOST_TOKENS


def faults(tmp_path: Path, source: str) -> int:
    path = tmp_path / "module.py"
    path.write_text(source)
    return len(style_report.measure(path).faults)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1 if a else 2", 0),
        ("x = 1 if a else 2 if b else 3", 1),
        ("x = [1 if a else 2 for a in y]", 1),
        ("x = [a for a in y]\nz = [b for b in y]", 0),
        ("x = [a for a in y] + [b for b in y]", 1),
        ("for a in [b for b in y]:\n    x = [c for c in a]", 0),
    ],
)
def test_too_much_for_one_statement_is_found(tmp_path: Path, source: str, expected: int) -> None:
    assert faults(tmp_path, source) == expected


def test_only_lines_with_a_token_count(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""Words."""\n\n# why\nx = f(1)\n')
    density = style_report.measure(path)
    assert (density.lines, density.tokens, density.comments) == (1, 6, 1)
