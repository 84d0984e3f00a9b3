"""What the launcher writes: strict JSON, and commands that bash reads back."""

import json
import subprocess
from pathlib import Path

import pytest

from postrun.core.errors import Missing
from postrun.launcher import records

WORDS = ["a b", "it's", "$(touch x)", "two\nlines", "\\", "ä", ""]


def test_json_is_indented_and_ends_with_a_line_break(tmp_path: Path) -> None:
    records.write_json(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_what_is_not_finite_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        records.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Missing):
        records.write_json(tmp_path / "file/x.json", {})


def test_bash_reads_a_command_back_word_for_word(tmp_path: Path) -> None:
    path = tmp_path / "command.sh"
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    records.write_command(path, ["python3", "-c", program, *WORDS])
    assert path.read_bytes().count(b"\n") == 1
    done = subprocess.run(["bash", str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == WORDS
