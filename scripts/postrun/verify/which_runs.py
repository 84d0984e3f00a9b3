"""Which runs are verified: all of a workspace, or those of one tag."""

from collections.abc import Sequence
from pathlib import Path

from postrun.core import disk, locations, run_names
from postrun.core.errors import AmbiguousRun
from postrun.core.locations import RunPaths
from postrun.store import run_folders
from postrun.verify.ledger_rows import LedgerLines


def list_runs(root: Path) -> list[str]:
    """Return the run folders of a workspace, oldest first."""
    runs = []
    for name in run_folders.list_folders(root):
        folder = root / locations.RUNS / name
        if run_names.parse_run_name(name) and disk.is_folder(folder):
            runs.append(name)
    return runs


def choose(
    root: Path,
    tag: str,
    runs: Sequence[str],
    known: LedgerLines,
) -> tuple[list[str], LedgerLines]:
    """Return the run folders of a tag, and the ledger's lines about runs of it.

    A run that only the ledger knows counts, too. Raises AmbiguousRun when there is none, and when
    the tag fits several as they were typed.
    """
    tags = {}
    for run in runs:
        run_paths = RunPaths(root, run, None)
        name = run_paths.name
        tags[run] = name.tag
    decisions = known.decisions()
    for run, row in decisions.items():
        tags[run] = str(row["decision_tag"])
    chosen = set()
    for run, own in tags.items():
        if run_names.is_tag(tag, own):
            chosen.add(run)
    if not chosen:
        nearest = run_names.nearest_tags(tag, tags.values())
        hint = ""
        if nearest:
            hint = f"nearest: {nearest}"
        expected = "a run of this workspace"
        raise AmbiguousRun(f"tag {tag}", expected, "none", hint)
    # The name of a folder that has no decision yet does not say how its tag was typed.
    decided = {run: tags[run] for run in chosen & decisions.keys()}
    run_names.check_one_tag(tag, decided)
    about = known.about(chosen)
    return [run for run in runs if run in chosen], about
