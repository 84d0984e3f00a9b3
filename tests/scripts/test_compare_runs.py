"""Comparing closed runs: only what differs, with its direction; tags that no run or several runs
have.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import compare_runs
from harness.archive import Archive, registry_row, run_folder
from postrun.core import locations

OLD, NEW, OTHER = (
    run_folder("2026-02-16_031500", "one"),
    run_folder("2026-02-18_031500", "one"),
    run_folder("2026-02-17_031500", "two"),
)


@pytest.fixture
def archive(local: Path) -> Archive:
    archive = Archive(local)
    archive.put(
        registry_row(OLD, test_ic_x1_0=0.09),
        registry_row(NEW, test_ic_x1_0=0.021, beta=-0.4, high_items=2, failed_gates=None),
        registry_row(OTHER, test_ic_x1_0=0.034, beta=0.1, high_items=3, failed_gates="g|h"),
    )
    return archive


def run(archive: Archive, tags: str, *flags: str) -> int:
    return compare_runs.main(["--tags", tags, "--local-root", str(archive.root), *flags])


def test_only_what_differs_is_printed(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(archive, "one two") == 0
    out, err = capsys.readouterr()
    lines = {line.split("  ")[0]: line.split()[-4:] for line in out.splitlines()}
    assert list(lines)[1:] == [
        "high items to repair".capitalize(),
        "test IC at cost x1.0",
        "beta against the market",
        "failed gates",
    ]
    assert "0.0210" in out
    assert "0.0340 (better)" in out
    assert "-0.4000" in out
    assert "0.1000 (better)" in out
    assert "3.0000 (worse)" in out or "3 (worse)" in out
    assert f"tag one: 2 closed runs, compared is {NEW}" in err


def test_json_has_the_documented_shape(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(archive, "two one two", "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["runs"] == [OTHER, NEW, OTHER]
    found = {row["column"]: row for row in document["differences"]}
    assert found["beta"] == {
        "column": "beta",
        "words": "beta against the market",
        "direction": "nearer zero",
        "values": [0.1, -0.4, 0.1],
        "changes": [None, "worse", "same"],
    }
    assert found["high_items"]["changes"] == [None, "better", "same"]
    assert found["failed_gates"]["values"] == ["g|h", None, "g|h"]
    assert found["failed_gates"]["changes"] == [None, None, None]
    assert set(found) == {"high_items", "test_ic_x1_0", "beta", "failed_gates"}
    for key in (*document, *found["beta"]):
        assert f'"{key}"' in str(compare_runs.__doc__)


def test_a_run_beside_itself_has_no_difference(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(archive, "two two") == 0
    assert capsys.readouterr().out == "no difference\n"


@pytest.mark.parametrize(
    ("tags", "code", "words"),
    [
        ("one twoo", 5, "tag twoo: expected a closed run, found none; nearest: two"),
        ("one ###", 5, "tag ###: expected a closed run, found none"),
        ("one", 2, "--tags: expected two tags or more, found 1"),
    ],
)
def test_errors(
    archive: Archive, tags: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(archive, tags) == code
    assert words in capsys.readouterr().err


def test_without_a_registry_there_is_nothing_to_compare(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Archive(local), "one two") == 3
    path = locations.workspace_path(local, compare_runs.REGISTRY)
    assert f"{path}: expected a table" in capsys.readouterr().err


def test_pages_say_the_same(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(archive, "one two", "--format", "markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# Runs compared"
    assert "| test IC at cost x1.0 | 0.0210 | 0.0340 (better) |" in lines
    assert run(archive, "one two", "--format", "html") == 0
    page = capsys.readouterr().out
    assert page.startswith("<!DOCTYPE html>\n")
    assert '<td class="n">0.0340 <span class="good">better</span></td>' in page


def test_a_hostile_name_stays_text_on_a_page(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.put(
        registry_row(OLD, owner="<script>alert(1)</script>"),
        registry_row(OTHER, owner="a | b `c`"),
    )
    for kind in ("html", "markdown"):
        assert run(archive, "one two", "--format", kind) == 0
        page = capsys.readouterr().out
        assert "<script" not in page
        assert "a | b" not in page or kind == "html"
