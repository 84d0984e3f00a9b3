"""The remedy that the catalogue names for a broken ledger works, whatever the damage is."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import restore_ledger
from harness.factory import make_run
from harness.workspace import Workspace
from postrun.store import check_catalogue, json_files, ledger

# Tests side by side must not see each other's processes.
TAGS = [f"run{number}.{os.getpid()}" for number in (1, 2, 3)]


def truth(root: Path) -> Path:
    return root / "audit/stage_ledger.jsonl"


def view(root: Path) -> Path:
    return root / "docs/production_research/STAGE_AUDIT_LOG.md"


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    """Return a workspace with two runs closed and a third to be closed."""
    for number, tag in enumerate(TAGS, start=1):
        make_run(remote, tag=tag, stamp=f"2026-02-2{number}_031500")
    view(local).parent.mkdir(parents=True)
    view(local).write_text("# Mine\n\nabove\n\n## Update Rule\n\nbelow\n")
    return Workspace(remote, local)


def delete_block(root: Path) -> None:
    """Delete the block with its marks, as the remedy says."""
    before, _, rest = view(root).read_bytes().partition(ledger.BEGIN)
    inside, mark, after = rest.rpartition(ledger.END)
    view(root).write_bytes(before + (after if mark else inside))


Damage = Callable[[list[bytes]], list[bytes]]
HALF = b'{"number": 3, '
ROWS: dict[str, Damage] = {
    "a row changed": lambda rows: [rows[0].replace(b'"hui"', b'"eve"'), rows[1]],
    "the last row changed": lambda rows: [rows[0], rows[1].replace(b'"hui"', b'"eve"')],
    "the first row gone": lambda rows: rows[1:],
    "the last row gone": lambda rows: rows[:1],
    "every row gone": lambda rows: rows[:0],
    "rows in another order": lambda rows: rows[::-1],
    "a row twice": lambda rows: [*rows, rows[1]],
    "half a line": lambda rows: [*rows, HALF],
    "a line that is no JSON": lambda rows: [rows[0], b"not JSON\n", rows[1]],
    "an empty line": lambda rows: [rows[0], b"\n", rows[1]],
    "another program's row": lambda rows: [*rows, b'{"stage": "S3", "result": "pass"}\n'],
    "a merge conflict": lambda rows: [rows[0], b"<<<<<<< HEAD\n", rows[1], b">>>>>>> x\n"],
    "no UTF-8": lambda rows: [*rows, b"\xff\xfe\n"],
    "a byte order mark": lambda rows: [b"\xef\xbb\xbf" + rows[0], rows[1]],
}


@pytest.mark.parametrize("how", ROWS)
def test_a_damaged_ledger_is_mended_by_its_remedy(
    how: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace.local
    assert workspace.close(TAGS[0]) == 0
    assert workspace.close(TAGS[1]) == 0
    whole = truth(root).read_bytes()
    rows = truth(root).read_bytes().splitlines(keepends=True)
    truth(root).write_bytes(b"".join(ROWS[how](rows)))
    damaged = truth(root).read_bytes()
    capsys.readouterr()
    assert workspace.close(TAGS[2]) == 4
    assert "make restore-ledger LOCAL_ROOT=" in capsys.readouterr().err
    assert truth(root).read_bytes() == damaged
    assert restore_ledger.main(["--local-root", str(root)]) == 0
    assert truth(root).read_bytes() == whole
    assert workspace.close(TAGS[2]) == 0
    assert ledger.verify(root) == []
    assert [row["decision_tag"] for row in workspace.ledger()] == TAGS
    text = view(root).read_text()
    assert text.startswith("# Mine\n\nabove\n")
    assert text.endswith("<!-- stage-ledger:end -->\n\n## Update Rule\n\nbelow\n")
    copies = truth(root).parent.glob("stage_ledger.edited-*.jsonl")
    # An empty file is not kept.
    assert [copy.read_bytes() for copy in copies] == [damaged] * bool(damaged)


LAST_ROW = b"<!-- stage-ledger:last-row sha256="
VIEW: dict[str, Callable[[bytes], bytes]] = {
    "no begin": lambda text: text.replace(ledger.BEGIN + b"\n", b""),
    "no end": lambda text: text.replace(ledger.END + b"\n", b""),
    "the block twice": lambda text: text + ledger.BEGIN + b"\n" + ledger.END + b"\n",
    "no last row": lambda text: text.replace(LAST_ROW, b"<!-- last row "),
    "two last rows": lambda text: text.replace(LAST_ROW, LAST_ROW + b"none -->\n" + LAST_ROW),
    "another last row": lambda text: text.replace(LAST_ROW, LAST_ROW + b"0" * 64 + b" -->\n<!--"),
}


@pytest.mark.parametrize("how", VIEW)
def test_a_damaged_view_is_mended_by_deleting_its_block(
    how: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    root = workspace.local
    assert workspace.close(TAGS[0]) == 0
    rows = truth(root).read_bytes()
    view(root).write_bytes(VIEW[how](view(root).read_bytes()))
    capsys.readouterr()
    assert workspace.close(TAGS[1]) == 4
    assert "delete the block with its marks" in capsys.readouterr().err
    assert truth(root).read_bytes() == rows
    # What is left of a block without its begin is deleted by hand, too.
    text = view(root).read_bytes()
    if ledger.BEGIN not in text:
        view(root).write_bytes(text.replace(LAST_ROW, ledger.BEGIN + LAST_ROW))
    if ledger.END not in text:
        view(root).write_bytes(text.replace(b"## Update", ledger.END + b"\n\n## Update"))
    delete_block(root)
    assert workspace.close(TAGS[1]) == 0
    assert ledger.verify(root) == []
    assert truth(root).read_bytes().startswith(rows)
    assert view(root).read_text().startswith("# Mine\n\nabove\n")


def test_the_view_that_is_gone_or_edited_is_written_again(workspace: Workspace) -> None:
    root = workspace.local
    assert workspace.close(TAGS[0]) == 0
    whole = view(root).read_bytes()
    view(root).write_bytes(whole.replace(b"| pass |", b"| fail |"))
    assert workspace.close(TAGS[0]) == 0
    assert view(root).read_bytes() == whole
    view(root).unlink()
    assert workspace.close(TAGS[0]) == 0
    assert ledger.verify(root) == []


def test_the_catalogue_names_what_the_remedy_needs() -> None:
    remedy = check_catalogue.checks()["ledger_chain_intact"].remedy
    for words in ("audit/stage_ledger.jsonl", "STAGE_AUDIT_LOG.md", "make restore-ledger"):
        assert words in remedy
    assert json.loads(json_files.encode(remedy)) == remedy
