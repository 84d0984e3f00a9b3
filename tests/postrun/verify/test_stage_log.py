"""The view of the ledger: what is between our marks, to the byte, and nothing else."""

import os

import pytest

from harness.verified import ClosedRuns
from postrun.core import version
from postrun.verify import ledger_rows, stage_log
from postrun.verify.findings import Finding, Kind
from postrun.verify.stage_log import VIEW


def found(closed: ClosedRuns) -> list[Finding]:
    return list(stage_log.check(closed.root, ledger_rows.read(closed.root)))


def test_the_users_own_text_does_not_matter(closed: ClosedRuns) -> None:
    assert found(closed) == []
    closed.edit(VIEW, lambda content: b"Ours above.\n" + content + b"\nOurs below.\n")
    assert found(closed) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"fail", b"pass"),
        (b"stage-ledger:begin", b"stage-ledger:begun"),
        (b"stage-ledger:end", b"stage-ledger:and"),
        (b"last-row sha256=", b"last-row sha257="),
        (b"| run0 |", b"|  run0 |"),
    ],
)
def test_what_is_between_the_marks_is_what_the_ledger_gives(
    closed: ClosedRuns, old: bytes, new: bytes
) -> None:
    closed.edit(VIEW, lambda content: content.replace(old, new))
    [finding] = found(closed)
    assert (finding.kind, finding.file) == (Kind.BROKEN, VIEW)


@pytest.mark.parametrize("change", ["gone", "a FIFO"])
def test_a_view_that_cannot_be_read_is_named(closed: ClosedRuns, change: str) -> None:
    (closed.root / VIEW).unlink()
    if change == "a FIFO":
        os.mkfifo(closed.root / VIEW)
    [finding] = found(closed)
    assert (finding.kind, finding.file) == (Kind.BROKEN, VIEW)


def test_the_view_of_another_version_is_listed(
    closed: ClosedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    version.program_version.cache_clear()
    monkeypatch.setattr(version, "RELEASE", "9.9.9")
    assert found(closed) == []
    closed.edit(VIEW, lambda content: content.replace(b"| run0 |", b"|  run0 |"))
    [finding] = found(closed)
    assert finding.kind is Kind.LISTED
    closed.edit(VIEW, lambda content: content.replace(b"last-row sha256=", b"last-row sha256=0"))
    [finding] = found(closed)
    assert finding.kind is Kind.BROKEN
    version.program_version.cache_clear()


def test_of_a_broken_ledger_nothing_is_asked(closed: ClosedRuns) -> None:
    closed.edit(ledger_rows.LEDGER, lambda content: content[1:])
    assert found(closed) == []
    (closed.root / ledger_rows.LEDGER).unlink()
    assert found(closed) == []
