"""The fault matrix: a slice of it, and that it finds what it looks for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fault_matrix
from fault_matrix import File
from harness import strace

needs_strace = pytest.mark.skipif(bool(strace.why_not()), reason=strace.why_not())
SCRIPT = """
import os
from pathlib import Path
Path("made").mkdir()
Path("made/old").write_text("words")
os.rename("made/old", "made/new")
Path("made/new").read_text()
"""


def run_disturbed(
    folder: Path, operation: strace.Operation | None = None, fault: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a little program in an empty folder, behind strace."""
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    command = [*strace.command(folder / "trace", operation, fault), sys.executable, "-c", SCRIPT]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@needs_strace
def test_what_changes_something_below_the_root_is_an_operation(tmp_path: Path) -> None:
    assert run_disturbed(tmp_path).returncode == 0
    operations = strace.read_trace(tmp_path / "trace", tmp_path / "root")
    assert list(map(str, operations)) == [
        "mkdir made",
        "openat made/old",
        "write made/old",
        "rename made/new",
    ]
    assert strace.find_disturbed(tmp_path / "trace", tmp_path / "root") is None


@needs_strace
def test_each_operation_is_disturbed_before_it_happens(tmp_path: Path) -> None:
    run_disturbed(tmp_path)
    root = tmp_path / "root"
    operations = strace.read_trace(tmp_path / "trace", root)
    left = [[], ["made"], ["made", "made/old"], ["made", "made/old"]]
    for operation, expected in zip(operations, left, strict=True):
        for fault in (strace.KILL, "EROFS"):
            run_disturbed(tmp_path, operation, fault)
            assert strace.find_disturbed(tmp_path / "trace", root) == operation
            found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))
            assert found == expected


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("audit/.ledger.jsonl.4711.0a1b2c3d.tmp", "audit/.ledger.jsonl.*.tmp"),
        ("gates/.report.json.Xy3kQ9", "gates/.report.json.*"),
        ("gates/report.abcdef", "gates/report.abcdef"),
    ],
)
def test_what_is_random_is_no_part_of_a_name(path: str, name: str) -> None:
    assert strace.stable_name(path) == name


def test_every_difference_is_named() -> None:
    file = File("-rw-r--r--", "digest", 0)
    right = {"same": file, "gone": file, "edited": file, "mode": file, "time": file}
    state = {
        "same": file,
        "edited": File(file.mode, "other", 0),
        "mode": File("-rw-------", "digest", 0),
        "new": file,
        "time": File(file.mode, "digest", 1),
    }
    assert fault_matrix.differences(right, state) == [
        "other digest of edited",
        "missing gone",
        "other mode of mode",
        "stray new",
        "other modified of time",
    ]


@pytest.mark.parametrize(
    ("line", "is_false"),
    [
        (
            "  3  sync-run  ok  16 files, 3 fetched; older files are kept in superseded_evidence/1",
            1,
        ),
        ("summary.md: edited since; kept as summary.edited-0a1b2c3d.md", 1),
        ("Traceback (most recent call last):", 1),
        ("  3  sync-run  refused  disk of /x: expected room, found none; make room there", 0),
    ],
)
def test_false_words_are_found(line: str, is_false: bool) -> None:
    ended = fault_matrix.Ended(0, f"something right\n{line}\n")
    assert list(fault_matrix.false_words(ended)) == [f"said {line.strip()}"] * is_false


@needs_strace
def test_a_closing_mends_what_a_disturbed_one_left(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A slice of the matrix; the same cases are not run again with the same file of results."""
    results = tmp_path / "results.jsonl"
    flags = ["--workspace", "empty", "--rsync", "5", "--sample", "0.002", "--jobs", "1"]
    assert fault_matrix.main([*flags, "--results", str(results)]) == 0
    cases = len(results.read_text().splitlines())
    assert cases > 2
    assert f"{cases} cases, 0 failed" in capsys.readouterr().out
    assert fault_matrix.main([*flags, "--results", str(results)]) == 0
    assert len(results.read_text().splitlines()) == cases


def test_shards_are_parts_of_the_whole() -> None:
    assert fault_matrix.parse_shard("2/3") == (2, 3)
    for text in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(ValueError, match=text[:1]):
            fault_matrix.parse_shard(text)
