"""Planned commands: which tags are taken and free, and what an unreadable source run leaves."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from harness import factory
from harness.archive import registry_row
from postrun.core import locations
from postrun.decide import planning
from postrun.decide.planning import RemoteFiles
from postrun.planner import commands
from postrun.store import tables

RUN = "2026-02-21_010101_production_gates_a"
QUEUED: dict[str, Any] = {
    "rank": 1,
    "factor": "value",
    "slot": "robust",
    "action": "rerun",
    "priority": 0.5,
    "run": RUN,
    "decision_tag": "a b",
    "decision": "watchlist_rerun",
    "gate_folder": None,
}


def test_tags_of_registry_and_folders_are_taken(local: Path) -> None:
    for name in (RUN, "notes"):
        (local / locations.RUNS / name).mkdir(parents=True)
    registry = tables.of_rows(
        local, commands.REGISTRY, [{**registry_row(RUN), "decision_tag": "b c"}]
    )
    assert commands.taken_tags(local, registry) == {"a", "b c"}


@pytest.mark.parametrize(
    ("started", "first"),
    [
        (["2026-02-21_010101", "2026-02-23_010101"], "committee_2026-02-23_run2"),
        ([], "committee__run1"),
    ],
)
def test_free_tags_are_those_of_the_newest_day(local: Path, started: list[str], first: str) -> None:
    rows = [{**registry_row(RUN), "started": stamp} for stamp in started]
    registry = tables.of_rows(local, commands.REGISTRY, rows)
    tags = commands.free_tags(registry, {"committee_2026-02-23_run1"})
    assert next(tags) == first
    assert len(set(itertools.islice(tags, 3))) == 3


def test_a_source_run_that_is_gone_leaves_no_command(local: Path) -> None:
    source = commands.read_source(local, QUEUED)
    assert (source.report, source.context, source.data_quality) == (None, None, None)
    command = commands.make_command(QUEUED, source, "t", remote_files=None)
    assert (command["argv"], command["tag"], command["environment"]) == (None, "t", {})
    assert command["blocked_by"][0].startswith(f"gate report of {RUN} is missing or broken")


def test_a_run_that_awaits_an_approval_has_no_command(local: Path) -> None:
    """Its inputs are all known: what is missing is a person."""
    made = factory.make_run(local)
    row = {**QUEUED, "run": made.run_folder, "gate_folder": made.gate_folder}
    source = commands.read_source(local, row)
    answer = RemoteFiles(frozenset(planning.needed_files(source)), frozenset())
    rerun = commands.make_command(row, source, "t", answer)
    assert (rerun["blocked_by"], rerun["argv"] is None) == ([], False)
    waiting = commands.make_command({**row, "decision": "awaiting_approval"}, source, "t", None)
    assert (waiting["argv"], waiting["files"], waiting["unchecked"]) == (None, [], [])
    assert waiting["blocked_by"] == ["it waits for an approval: make approve TAG='a b'"]


def test_the_newest_data_quality_report_counts_where_no_context_names_one(local: Path) -> None:
    made = factory.make_run(local)
    folder = made.run_dir(local)
    (folder / "context.json").unlink()
    row = {**QUEUED, "run": made.run_folder}
    source = commands.read_source(local, row)
    assert source.data_file == "data/prices.csv"
