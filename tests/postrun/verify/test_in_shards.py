"""A verification in shards: what is cut, and that no reading writes or believes an index."""

from pathlib import Path
from typing import Any

import verify_workspace
from harness.verified import ClosedRuns
from postrun.core import disk
from postrun.store.shards import Shard
from postrun.verify import in_shards, verification
from postrun.verify.one_run import RunResult

COMPUTATIONS = verify_workspace.COMPUTATIONS


def show(*_: Any) -> None:
    pass


def test_runs_and_what_the_tables_read_are_cut(closed: ClosedRuns) -> None:
    cuts = in_shards.cut_all(closed.root, COMPUTATIONS, 2, show)
    assert [cut.reading.name for cut in cuts] == ["runs", "factor-registry", "failure-patterns"]
    for cut in cuts:
        assert cut.runs == [made.run_folder for made in closed.made]
        assert cut.path(1).parent.name == f"verify-{cut.reading.name}-2"


def test_a_result_comes_back_from_json(closed: ClosedRuns) -> None:
    closed.edit(closed.path("governance_audit_check"), bytes.upper)
    (cut, *_) = in_shards.cut_all(closed.root, COMPUTATIONS, 1, show)
    values, _ = cut.reading.read(closed.root, cut.runs)
    assert any(result.findings for result in values.values())
    for result in values.values():
        assert RunResult.from_json(RunResult.to_json(result)) == result


def test_all_shards_together_find_what_a_verification_finds(closed: ClosedRuns) -> None:
    closed.edit(closed.path("governance_audit_check", 1), bytes.upper)
    whole = verification.verify(closed.root, None, COMPUTATIONS, show)
    of_runs = 0
    for number in (1, 2):
        found, was_done = in_shards.check_shard(closed.root, Shard(number, 2), COMPUTATIONS, show)
        of_runs += found.runs
        assert not was_done
    assert of_runs == whole.runs == 3
    assert in_shards.join(closed.root, 2, COMPUTATIONS, show) == whole
    assert not disk.is_captured()


def test_only_the_shards_are_written(closed: ClosedRuns) -> None:
    def files(root: Path) -> set[Path]:
        return {path for path in root.rglob("*") if path.is_file()}

    before = files(closed.root)
    in_shards.check_shard(closed.root, Shard(1, 1), COMPUTATIONS, show)
    new = files(closed.root) - before
    assert {path.name for path in new} == {"1.jsonl"}
    assert len(new) == 3
