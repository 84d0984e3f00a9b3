"""The artifact table: which files are generated, which are evidence, and how they may be called."""

import re
from pathlib import PurePosixPath

import pytest

from postrun.core import artifacts
from postrun.core.artifacts import ARTIFACTS, Home


def test_generated_files_never_have_a_name_of_evidence() -> None:
    evidence = {
        f"{artifact.file}{suffix}"
        for artifact in ARTIFACTS.values()
        if not artifact.generated
        for suffix in artifact.suffixes
    }
    written = artifacts.generated(Home.RUN, Home.GATE)
    assert len(written) == len(set(written))
    assert set(written) & evidence == set()
    assert {
        "evidence_manifest.json",
        "governance_audit_check.md",
        "production_gates_run_review.html",
    } <= set(written)


def test_generated_files_are_listed_by_home() -> None:
    assert artifacts.generated() == ()
    assert set(artifacts.generated(Home.RUN)) & set(artifacts.generated(Home.GATE)) == set()
    assert artifacts.generated(Home.REMOTE) == ()
    assert "audit/stage_ledger.jsonl" in artifacts.generated(Home.WORKSPACE)
    assert "production_gates_final_summary.md" in artifacts.generated(Home.GATE)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_stays_below_its_home(name: str) -> None:
    artifact = ARTIFACTS[name]
    assert artifact.name == name
    assert not PurePosixPath(artifact.file).is_absolute()
    assert ".." not in PurePosixPath(artifact.file).parts
    assert artifact.suffixes
    assert [
        suffix for suffix in artifact.suffixes if not re.fullmatch(r"(\.[a-z]+)+", suffix)
    ] == []
    # We choose our own names; what is signed has a number, the site a page for each family, and an
    # archive the name of its run.
    is_signed = artifact.files[0].endswith("/*.dsse.json")
    has_many = is_signed or artifact.name in ("site", "archive")
    assert "*" not in artifact.file or not artifact.generated or has_many
