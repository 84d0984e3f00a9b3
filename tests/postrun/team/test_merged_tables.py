"""After a pull the tables are what a rebuild makes of all run folders."""

import update_factor_experiment_registry
import update_failure_pattern_db
from harness.team import TABLES, Team
from postrun.core.request import RunRequest
from postrun.team import merged_tables


def test_the_tables_equal_a_rebuild(pair: Team) -> None:
    pair.exchange(1)
    root = pair.root("ann")
    before = {table: (root / table).read_bytes() for table in TABLES}
    flags = ["--rebuild", "--local-root", str(root)]
    assert update_factor_experiment_registry.main(flags) == 0
    assert update_failure_pattern_db.main(flags) == 0
    assert {table: (root / table).read_bytes() for table in TABLES} == before


def test_a_run_that_cannot_be_read_is_an_error(pair: Team) -> None:
    pair.exchange(1)
    root = pair.root("ann")
    (record, *_) = (root / "audit/workstation_runs").rglob("closing_record.json")
    record.write_bytes(b"{}")
    assert merged_tables.make_again(RunRequest(root, host="local", remote_root=str(root))) == 4
