"""The list of a run's files: complete, and never out of its run."""

import json
from pathlib import Path

import pytest

from harness.verified import ClosedRuns
from postrun.core import disk
from postrun.core.errors import Invalid
from postrun.core.locations import PROJECT
from postrun.team import listing

EXAMPLE = PROJECT / "tests/examples/team_run/valid/bob.json"


def test_it_has_every_file_of_both_folders(closed: ClosedRuns) -> None:
    run_paths = closed.run_paths()
    listed = listing.make(closed.root, run_paths.run)
    for row in listed.document["files"]:
        path = closed.root / row["path"]
        assert (disk.digest(path), path.stat().st_size) == (row["sha256"], row["size"])
        assert path.stat().st_mtime_ns == row["mtime_ns"]
    present = {
        str(path.relative_to(closed.root))
        for folder in ("audit/workstation_runs", "gate_results")
        for path in (closed.root / folder).rglob("*")
        if path.is_file()
        and path.relative_to(closed.root / folder).parts[0] in vars(run_paths).values()
    }
    assert {row["path"] for row in listed.document["files"]} == present
    assert listing.parse(listed.content, run_paths.run, "a push") == listed


def test_a_link_is_listed_and_not_followed(closed: ClosedRuns, tmp_path: Path) -> None:
    run_paths = closed.run_paths()
    link = closed.root / "audit/workstation_runs" / run_paths.run / "latest"
    link.symlink_to(tmp_path / "secret")
    links = listing.make(closed.root, run_paths.run).document["links"]
    assert [row["target"] for row in links] == [str(tmp_path / "secret")]


@pytest.mark.parametrize(
    "path",
    [
        "audit/workstation_runs/x/f",
        "audit/workstation_runs/2026-02-03_031500_production_gates_run2/./f",
        "audit/workstation_runs/2026-02-03_031500_production_gates_run2//f",
        "audit/archivex/f",
        "gate_results/production_gates_2026-02-03_031701/f",
    ],
)
def test_a_path_out_of_the_run_is_refused(path: str) -> None:
    document = json.loads(EXAMPLE.read_bytes())
    document["files"][0]["path"] = path
    content = json.dumps(document).encode()
    with pytest.raises(Invalid, match="expected paths in the two folders of the run"):
        listing.parse(content, document["run"], "a push")


def test_a_path_that_is_listed_twice_is_refused() -> None:
    document = json.loads(EXAMPLE.read_bytes())
    document["files"].append(document["files"][0])
    with pytest.raises(Invalid):
        listing.parse(json.dumps(document).encode(), document["run"], "a push")


def test_a_list_of_another_run_is_refused() -> None:
    with pytest.raises(Invalid, match="expected those of another"):
        listing.parse(EXAMPLE.read_bytes(), "another", "a push")
