"""Pages that must stay as they are: `pytest --update-golden` writes them, git shows
what changed.
"""

from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "golden"

Golden = Callable[[str, str], None]  # a file name in the folder, and the text it must hold


def compare(name: str, text: str) -> None:
    """Raise AssertionError unless a golden file holds this text."""
    hint = f"tests/golden/{name}: if the new text is right, run pytest --update-golden"
    assert (FOLDER / name).is_file(), hint
    assert text == (FOLDER / name).read_text(encoding="utf-8"), hint


def update(name: str, text: str) -> None:
    """Write a golden file."""
    (FOLDER / name).write_text(text, encoding="utf-8")
