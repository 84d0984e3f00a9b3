"""The closing that counts is in its place, every other one is aside, none is lost."""

from pathlib import Path

from harness.team import Team
from postrun.core.locations import RunPaths
from postrun.team import arranging, listing


def test_what_is_not_aside_is_not_moved(pair: Team) -> None:
    root = pair.root("ann")
    before = pair.shown("ann")
    assert arranging.arrange(root, "ann", 0.0) == []
    assert pair.shown("ann") == before


def test_a_run_between_two_places_goes_home(pair: Team) -> None:
    """A process was killed when it had moved the gate folder, and not yet the run's."""
    root = pair.root("ann")
    before = pair.shown("ann")
    (run,) = [path.name for path in (root / "audit/workstation_runs").iterdir()]
    aside = arranging.aside_root(root, "ann")
    (aside / "audit/workstation_runs").mkdir(parents=True)
    (root / "audit/workstation_runs" / run).rename(aside / "audit/workstation_runs" / run)
    assert arranging.arrange(root, "ann", 0.0) == [run]
    assert arranging.is_unfinished(root)
    arranging.mark_finished(root)
    assert not arranging.is_unfinished(root)
    assert pair.shown("ann") == before


def test_an_earlier_version_is_kept(pair: Team) -> None:
    root = pair.root("ann")
    (run,) = [path.name for path in (root / "audit/workstation_runs").iterdir()]
    gate = listing.find(root, run).gate
    for number in range(3):
        source = pair.folder / f"staged{number}"
        for folder in ("audit/workstation_runs", "gate_results"):
            copy(pair.root("ann") / folder, source / folder)
        arranging.set_aside(root, "bob", RunPaths(source, run, gate))
    former = root / "audit/aside/bob.former"
    assert sorted(path.name[-2:] for path in former.iterdir()) == [".1", ".2"]
    assert len([*former.rglob("closing_record.json")]) == 2


def copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target, symlinks=True)


def test_the_team_is_written_once(tmp_path: Path) -> None:
    pulled = {("bob", "2026-02-03_031500_production_gates_run2"): "ab" * 32}
    arranging.write_team(tmp_path, "ann", pulled)
    path = tmp_path / "audit/ledgers/team.json"
    before = path.read_bytes()
    arranging.write_team(tmp_path, "ann", pulled)
    assert path.read_bytes() == before
    assert arranging.read_pulled(tmp_path) == pulled
