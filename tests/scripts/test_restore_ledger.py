"""`make restore-ledger`: rows come back from wherever a copy is left, and what is lost is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import restore_ledger
from harness import signers
from harness.programs import run_script
from harness.sealed import Sealed
from harness.signers import Signer
from harness.workspace import Workspace
from postrun.core import locations
from postrun.store import ledger

VIEW = "docs/production_research/STAGE_AUDIT_LOG.md"
Lines = list[bytes]


def ledger_file(sealed: Sealed) -> Path:
    return locations.workspace_path(sealed.root, "stage_ledger")


@pytest.fixture(scope="session")
def signed_runs(sealed_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seal three closed runs, approve one, and seal again, once; each test has a copy."""
    folder = tmp_path_factory.mktemp("signed") / "copy"
    shutil.copytree(sealed_runs, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = made_in(folder, monkeypatch)
        made.must_seal()
        approve(made, "b")
        made.must_seal()
    return folder


@pytest.fixture
def signed(signed_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sealed:
    folder = tmp_path / "copy"
    shutil.copytree(signed_runs, folder)
    return made_in(folder, monkeypatch)


def made_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sealed:
    hui = Signer("hui", folder / "keys" / "hui_key")
    signers.allow(monkeypatch, folder, hui.line())
    return Sealed(Workspace(folder / "remote", folder / "local"), hui)


def approve(sealed: Sealed, tag: str) -> None:
    flags = ["--tag", tag, "--local-root", str(sealed.root), "--key", str(sealed.hui.key)]
    where = ["--host", "local", "--remote-root", str(sealed.workspace.remote)]
    done = run_script("approve_run", *flags, *where)
    assert done.code == 0, done.err


def restore(sealed: Sealed, *flags: str) -> int:
    return restore_ledger.main(["--local-root", str(sealed.root), *flags])


def kinds(sealed: Sealed) -> list[str]:
    rows = [json.loads(line) for line in ledger_file(sealed).read_bytes().splitlines()]
    return [row["kind"] for row in rows]


def lose(sealed: Sealed, change: Callable[[Lines], Lines]) -> bytes:
    """Change the lines of the ledger; return the file as it was."""
    before = ledger_file(sealed).read_bytes()
    lines = change(before.splitlines(keepends=True))
    ledger_file(sealed).write_bytes(b"".join(lines))
    return before


def edit(number: int) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        row = json.loads(lines[number - 1])
        row["recorded_at"] = "2020-01-01T00:00:00Z"
        lines[number - 1] = json.dumps(row, sort_keys=True).encode() + b"\n"
        return lines

    return change


LOSSES = {
    "all": lambda _: [],
    "the first": lambda lines: lines[1:],
    "the last": lambda lines: lines[:-1],
    "the last three": lambda lines: lines[:-3],
    "decisions": lambda lines: [line for line in lines if b'"kind": "decision"' not in line],
    "signed": lambda lines: [line for line in lines if b'"file": ' not in line],
    "an edited decision": edit(1),
    "an edited audit": edit(2),
    "an edited seal": edit(7),
    "an edited last row": edit(9),
    "another order": lambda lines: [*lines[3:], *lines[:3]],
    "half a line": lambda lines: [*lines[:-1], lines[-1][:20]],
}


def test_the_ledger_of_these_tests_has_every_kind(signed: Sealed) -> None:
    each = ["decision", "audit"] * 3
    assert kinds(signed) == [*each, "seal", "approval", "seal"]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_row_comes_back(signed: Sealed, loss: str) -> None:
    view = (signed.root / VIEW).read_bytes()
    before = lose(signed, LOSSES[loss])
    damaged = ledger_file(signed).read_bytes()
    assert damaged != before
    assert restore(signed) == 0
    assert ledger_file(signed).read_bytes() == before
    assert (signed.root / VIEW).read_bytes() == view
    assert ledger.verify(signed.root) == []
    kept = [path.read_bytes() for path in ledger_file(signed).parent.glob("*.edited-*")]
    assert kept == ([damaged] if damaged else [])


def test_a_file_that_is_gone_comes_back(signed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    before = ledger_file(signed).read_bytes()
    ledger_file(signed).unlink()
    assert restore(signed) == 0
    assert ledger_file(signed).read_bytes() == before
    shown = capsys.readouterr()
    assert shown.err == "restore-ledger: 9 rows put together again\n"
    assert shown.out == f"{ledger_file(signed)}\n"


def test_without_a_view_the_rows_with_copies_come_back(signed: Sealed) -> None:
    """Nothing proves which row the last seal had: the next seal adds one."""
    before = ledger_file(signed).read_bytes()
    ledger_file(signed).unlink()
    (signed.root / VIEW).unlink()
    assert restore(signed) == 0
    restored = ledger_file(signed).read_bytes()
    assert before.startswith(restored)
    assert kinds(signed)[:6] == ["decision", "audit"] * 3


def test_a_whole_ledger_stays(signed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    before = signed.workspace.bytes()
    assert restore(signed) == 0
    assert signed.workspace.bytes() == before
    assert capsys.readouterr().err == "restore-ledger: 9 rows, nothing was lost\n"


@pytest.mark.parametrize(
    ("tags", "numbers"), [(("a",), "1-2"), (("b",), "3-4"), (("a", "c"), "1-2, 5-6")]
)
def test_rows_without_a_copy_are_named_and_nothing_is_written(
    signed: Sealed, tags: tuple[str, ...], numbers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger_file(signed).unlink()
    for tag in tags:
        signed.record(tag).unlink()
    before = signed.workspace.bytes()
    assert restore(signed) == 4
    assert signed.workspace.bytes() == before
    message = f"expected a copy of every row, found none of row {numbers}; look for them in a "
    assert message in capsys.readouterr().err


def test_a_backup_in_its_place_is_completed(signed: Sealed) -> None:
    """Closing records and a backup hold different rows: together they are the whole."""
    before = ledger_file(signed).read_bytes()
    backup = before.splitlines(keepends=True)[:2]
    signed.record("a").unlink()
    ledger_file(signed).unlink()
    assert restore(signed) == 4
    ledger_file(signed).write_bytes(b"".join(backup))
    assert restore(signed) == 0
    assert ledger_file(signed).read_bytes() == before


def test_an_edited_row_without_a_copy_is_named(
    signed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    signed.record("a").unlink()
    lose(signed, edit(2))
    assert restore(signed) == 4
    assert "found none of row 2; look" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(signed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    lose(signed, lambda lines: lines[:4])
    before = signed.workspace.bytes()
    assert restore(signed, "--dry-run") == 0
    assert signed.workspace.bytes() == before
    assert f"would write {ledger_file(signed)}\n" in capsys.readouterr().err


def test_a_closing_is_refused_until_the_ledger_is_restored(signed: Sealed) -> None:
    lose(signed, lambda lines: lines[:2])
    assert signed.workspace.close("a") == 4
    assert restore(signed) == 0
    assert signed.workspace.close("a") == 0


def test_an_empty_workspace_has_nothing_to_restore(sealed: Sealed) -> None:
    shutil.rmtree(sealed.root)
    sealed.root.mkdir()
    assert restore(sealed) == 0
    assert not ledger_file(sealed).exists()


@pytest.mark.parametrize(
    ("numbers", "text"), [([3], "3"), ([1, 2, 3], "1-3"), ([1, 3, 4, 9], "1, 3-4, 9")]
)
def test_numbers_are_shown_in_short(numbers: list[int], text: str) -> None:
    assert restore_ledger.format_numbers(numbers) == text
