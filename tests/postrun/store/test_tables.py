"""The workspace's tables by name: whole rows out, whole rows in, or a refusal."""

from pathlib import Path

import pytest

from harness.archive import registry_row, run_folder
from postrun.core import locations
from postrun.core.errors import Invalid, Missing
from postrun.store import tables

REGISTRY = "factor_experiment_registry"
ROW = registry_row(run_folder("2026-02-21_031500"))


def test_a_table_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert tables.read_table(tmp_path, REGISTRY) == []
    with pytest.raises(Missing, match="close a run first"):
        tables.read_existing(tmp_path, REGISTRY)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tables.write_table(tmp_path, REGISTRY, [{**ROW, "no_column": 1}])
    assert path == locations.workspace_path(tmp_path, REGISTRY)
    assert tables.read_existing(tmp_path, REGISTRY) == [ROW]


def test_a_row_that_fits_no_schema_is_refused_by_its_run(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=ROW["run"]):
        tables.write_table(tmp_path, REGISTRY, [{**ROW, "total": "seventy"}])
    assert not locations.workspace_path(tmp_path, REGISTRY).exists()


def test_rows_that_were_read_are_not_checked_again(tmp_path: Path) -> None:
    odd = {**ROW, "decision": "of an earlier policy"}
    tables.write_table(tmp_path, REGISTRY, [odd], known=[odd])
    assert tables.read_table(tmp_path, REGISTRY) == [odd]
