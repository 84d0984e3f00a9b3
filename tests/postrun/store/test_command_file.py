"""What a run's command says."""

import subprocess
from pathlib import Path

import pytest

from postrun.core.errors import Invalid
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
        ("python gates.py --notes $'it\\'s \\n' --factor x", "x"),
        ("python gates.py --factor $'\\303\\244\\x41\\u00e9\\t\\q'", "äAé\t\\q"),
        ("python gates.py --factor a --factor=b", "b"),  # as argparse reads it
        ("# it's a comment\npython gates.py \\\n --factor \\\n x; echo --factor y", "y"),
        ('python gates.py --factor "a \\"b\\" \\n"c\\ d', 'a "b" \\nc d'),
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


def test_a_command_that_cannot_be_read_is_no_command_without_options(tmp_path: Path) -> None:
    (tmp_path / "command.sh").mkdir()
    with pytest.raises(Invalid, match=r"command\.sh: expected evidence .*, found Is a directory"):
        command_file.option(tmp_path / "command.sh", "--factor")


@pytest.mark.parametrize(
    "command",
    [
        r"""python a --notes $'it\'s \303\244 \x41\u00e4\n\q "' --factor x""",
        r"""a 'b c'\''d' \$x \"q\ r ''""",
        r"""a "x \$y \n \\ \" z"w $'\e[1m\"'""",
        "a \\\n b\\\nc",
    ],
)
def test_words_are_those_that_bash_reads(command: str) -> None:
    script = f"printf '%s\\0' {command}"
    printed = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    assert command_file.parse_words(command.encode()) == printed.decode().split("\0")[:-1]
