"""Kept copies: their names, and what is in them."""

import hashlib
from pathlib import Path

import pytest

from postrun.verify import kept_copies
from postrun.verify.findings import Kind

CONTENT = b"as it was"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("name", "original"),
    [
        (f"a/x.edited-{DIGEST[:8]}.json", "a/x.json"),
        (f"a/x.foreign-{DIGEST}.csv", "a/x.csv"),
        ("a/x.v12.csv", "a/x.csv"),
        ("a/x.edited-12.json", None),
        ("a/x.json", None),
        ("a/x.vv1.csv", None),
    ],
)
def test_a_copy_has_the_name_of_its_file(name: str, original: str | None) -> None:
    assert kept_copies.original(name) == original


@pytest.mark.parametrize("digits", [8, 16, 64])
def test_a_copy_is_checked_against_its_name(tmp_path: Path, digits: int) -> None:
    name = f"x.edited-{DIGEST[:digits]}.json"
    (tmp_path / name).write_bytes(CONTENT)
    [finding] = kept_copies.check(tmp_path, name, {})
    assert (finding.kind, finding.file) == (Kind.LISTED, name)
    (tmp_path / name).write_bytes(CONTENT + b"!")
    [finding] = kept_copies.check(tmp_path, name, {})
    assert finding.kind is Kind.BROKEN


def test_a_copy_of_an_old_version_is_checked_against_the_record(tmp_path: Path) -> None:
    (tmp_path / "x.v1.csv").write_bytes(CONTENT)
    kinds = []
    for recorded in ({"x.v1.csv": DIGEST}, {"x.v1.csv": "0" * 64}, {}):
        [finding] = kept_copies.check(tmp_path, "x.v1.csv", recorded)
        kinds.append(finding.kind)
    assert kinds == [Kind.LISTED, Kind.BROKEN, Kind.BROKEN]
