"""What a run's command says."""

from pathlib import Path

import pytest

from postrun.store import command_file


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python gates.py --factor momentum_12_1 --owner hui\n", "momentum_12_1"),
        ("python gates.py --factor=value", "value"),
        ("python gates.py --factor 'two words'", "two words"),
        ("python gates.py --factor ''", None),
        ("python gates.py --factor", None),
        ("python gates.py --factors x", None),
        ("python gates.py --notes $'it\\'s' --factor x", None),  # only bash can read this
        ("python gates.py --notes 'open --factor x", None),
        ("", None),
    ],
)
def test_an_option(tmp_path: Path, text: str, found: str | None) -> None:
    path = tmp_path / "command.sh"
    path.write_text(text)
    assert command_file.option(path, "--factor") == found


def test_no_command_has_no_options(tmp_path: Path) -> None:
    assert command_file.option(tmp_path / "command.sh", "--factor") is None


def test_bytes_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "command.sh"
    path.write_bytes(b"python \xff --factor x")
    assert command_file.option(path, "--factor") == "x"
