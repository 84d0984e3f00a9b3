"""The workspace's tables by name: columns from their schema, and each row checked when
it is new.
"""

from pathlib import Path

import pytest

from harness.archive import REGISTRY, registry_row, run_folder
from postrun.core.errors import Invalid, Missing
from postrun.store import tables

ROW = registry_row(run_folder("2026-02-16_031500"))
WRONG = {**ROW, "decision": "buy"}


def test_a_table_reads_back(local: Path) -> None:
    assert tables.read_table(local, REGISTRY) == []
    path = tables.write_table(local, REGISTRY, [ROW])
    assert path.name == f"{REGISTRY}.csv"
    assert tables.read_existing(local, REGISTRY) == [ROW]


def test_a_table_that_must_be_there(local: Path) -> None:
    with pytest.raises(Missing, match="make finalize TAG="):
        tables.read_existing(local, REGISTRY)


def test_only_what_is_known_is_not_checked(local: Path) -> None:
    with pytest.raises(Invalid, match="decision"):
        tables.write_table(local, REGISTRY, [ROW, WRONG], known=[ROW])
    tables.write_table(local, REGISTRY, [WRONG], known=[WRONG])
    assert tables.read_table(local, REGISTRY) == [WRONG]


def test_only_the_columns_asked_for_are_selected() -> None:
    rows = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    assert tables.select(rows, ["c", "a"]) == [{"c": 3, "a": 1}, {"c": 6, "a": 4}]
    assert list(tables.select(rows, ["c", "a"])[0]) == ["c", "a"]
