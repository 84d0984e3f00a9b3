"""A probe as one line that names no run and does what its arguments say."""

import subprocess
from pathlib import Path

from postrun.remote.answers import Answer
from postrun.remote.probe_command import probe_command

NONCE = "0f" * 16


def test_the_line_has_neither_the_arguments_nor_a_comment() -> None:
    line = probe_command("list_files", NONCE, "/srv/quant", "data/prices_2024.csv")
    assert line.startswith(f"sh -c ': {NONCE};")
    assert "\n" not in line
    assert "2024" not in line
    assert "#" not in line


def test_arguments_reach_the_script_as_they_are(tmp_path: Path) -> None:
    names = ["a b.csv", "$(touch pwned)", "it's.csv", "two\nlines.csv"]
    for name in names:
        (tmp_path / name).touch()
    line = probe_command("list_files", NONCE, tmp_path, *names, "absent.csv")
    done = subprocess.run(line, shell=True, capture_output=True, check=True)
    answer = Answer.parse(done.stdout, NONCE, "local")
    assert answer.lines("files") == ["1", "2", "3", "4"]
    assert not Path("pwned").exists()


def test_the_queue_is_asked_only_where_there_is_one() -> None:
    plain = probe_command("snapshots", NONCE, "/srv/quant")
    asking = probe_command("snapshots", NONCE, "/srv/quant", jobs={"12"})
    assert "squeue" not in plain
    assert "squeue" in asking
