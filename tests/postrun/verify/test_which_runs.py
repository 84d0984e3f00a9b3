"""Which runs a tag means: by folder, by what the ledger says, and what is nearest."""

import re

import pytest

from harness.verified import ClosedRuns
from postrun.core import locations
from postrun.core.errors import AmbiguousRun
from postrun.verify import ledger_rows, which_runs
from postrun.verify.ledger_rows import LedgerLines

RUN = "2026-02-21_031500_production_gates_a_b"


def test_all_runs_or_those_of_one_tag(closed: ClosedRuns) -> None:
    known = ledger_rows.read(closed.root)
    runs = which_runs.list_runs(closed.root)
    assert runs == [made.run_folder for made in closed.made]
    chosen, about = which_runs.choose(closed.root, "run1", runs, known)
    assert chosen == [closed.made[1].run_folder]
    assert len(about.lines) == 2


def test_a_tag_that_no_run_has(closed: ClosedRuns) -> None:
    known = ledger_rows.read(closed.root)
    with pytest.raises(AmbiguousRun, match=r"tag rn1: expected a run .*; nearest: run1"):
        which_runs.choose(closed.root, "rn1", which_runs.list_runs(closed.root), known)


def test_a_run_that_only_the_ledger_knows(closed: ClosedRuns) -> None:
    known = LedgerLines([""], [{"run": RUN, "decision_tag": "a/b"}])
    chosen, about = which_runs.choose(closed.root, "a/b", [], known)
    assert (chosen, len(about.lines)) == ([], 1)


def test_a_tag_that_fits_several_as_they_were_typed(closed: ClosedRuns) -> None:
    other = RUN.replace("03", "04")
    rows = [{"run": RUN, "decision_tag": "a/b"}, {"run": other, "decision_tag": "a b"}]
    with pytest.raises(AmbiguousRun, match=re.escape("'a/b'")):
        which_runs.choose(closed.root, "a_b", [], LedgerLines(["", ""], rows))


def test_other_folders_are_no_runs(closed: ClosedRuns) -> None:
    (closed.root / locations.RUNS / "notes").mkdir()
    (closed.root / locations.RUNS / RUN).touch()
    assert len(which_runs.list_runs(closed.root)) == 3
