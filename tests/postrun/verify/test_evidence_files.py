"""Evidence against the manifest, and the manifest against the decision."""

import os
from pathlib import Path

import pytest

from harness.verified import ClosedRuns
from postrun.verify import evidence_files
from postrun.verify.findings import Finding, Kind


def found(closed: ClosedRuns) -> list[Finding]:
    return list(evidence_files.check(closed.run()))


def test_untouched_evidence_is_right(closed: ClosedRuns) -> None:
    assert found(closed) == []


def add(path: Path) -> None:
    path.with_name("added.txt").write_text("new")


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "actual"),
    [
        (lambda path: path.write_text("other"), "SHA-256 d9298a10d1b07358..."),
        (Path.unlink, "nothing there"),
        (make_fifo, "a FIFO"),
    ],
)
def test_evidence_that_changed_is_named(closed: ClosedRuns, change: object, actual: str) -> None:
    path = closed.path("run_log")
    assert callable(change)
    change(closed.root / path)
    [finding] = found(closed)
    assert (finding.kind, finding.file, finding.actual) == (Kind.BROKEN, path, actual)


def test_evidence_that_was_added_is_named(closed: ClosedRuns) -> None:
    add(closed.root / closed.path("context"))
    [finding] = found(closed)
    assert finding.file.endswith("/added.txt")
    assert finding.expected == "no file, as the manifest lists none"


def test_a_link_in_place_of_a_file_is_named(closed: ClosedRuns) -> None:
    path = closed.root / closed.path("run_log")
    path.unlink()
    path.symlink_to("context.json")
    [finding] = found(closed)
    assert finding.actual == "a link to context.json"


def test_other_evidence_than_the_decision_rests_on_is_named(closed: ClosedRuns) -> None:
    path = closed.path("evidence_manifest")
    closed.edit(path, lambda content: content.replace(b'"size": 1', b'"size": 2', 1))
    [finding] = found(closed)
    assert finding.file == path
    assert finding.expected.startswith("the evidence of row 1 of the ledger")


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_manifest_that_cannot_be_read_is_named(closed: ClosedRuns, content: bytes | None) -> None:
    path = closed.root / closed.path("evidence_manifest")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    [finding] = found(closed)
    assert finding.file == closed.path("evidence_manifest")
