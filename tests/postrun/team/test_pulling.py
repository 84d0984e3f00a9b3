"""What a pull makes of a push; the whole way is in tests/scripts/test_pull_runs.py."""

from harness.team import Team
from postrun.team import arranging, pulling, stores


def test_it_says_what_was_new(pair: Team) -> None:
    assert pair.push("bob") == 0
    root = pair.root("ann")
    arranging.write_team(root, "ann", {})
    store = stores.open_store(str(pair.hub))
    taken = pulling.pull(root, "ann", store, pair.folder / "work")
    assert taken.rows == {"bob": 2}
    assert [run[-4:] for run in taken.runs["bob"]] == ["run2"]
    assert taken.errors == {}
    again = pulling.pull(root, "ann", store, pair.folder / "work2")
    assert (again.rows, again.runs, again.errors) == ({}, {}, {})


def test_files_that_are_here_are_not_fetched(pair: Team) -> None:
    """Both closed one run: its evidence is the same, and comes from the own folder."""
    made = pair.make(8)
    assert pair.close("ann", made, "-q") == pair.close("bob", made, "-q") == 0
    assert pair.push("bob") == 0
    (log,) = [*made.run_dir(pair.root("bob")).glob("run.log")]
    digest = log.read_bytes()
    for path in (pair.hub / "audit/team/objects").rglob("*"):
        if path.is_file() and path.read_bytes() == digest:
            path.unlink()
    assert pair.pull("ann") in (0, 6)
    store = stores.open_store(str(pair.hub))
    assert store.list_pushes() == {"bob": 1}
