"""Many closings at once in one workspace: a small number here, a large one in `make nightly`."""

import json
from pathlib import Path
from random import Random

import pytest

import closing_stress
from closing_stress import Stress
from harness import factory


def test_nothing_is_lost_and_every_closing_ends_with_zero(tmp_path: Path) -> None:
    assert closing_stress.stress(tmp_path, writers=4, runs=8, seed=1) == []


@pytest.fixture
def closed(tmp_path: Path) -> Stress:
    case = Stress(tmp_path, 2, Random(1))
    case.lay_out()
    case.close_all(2)
    case.check()
    assert case.problems == []
    (tmp_path / "alone").rename(tmp_path / "alone before")
    return case


def test_what_is_wrong_is_noted(closed: Stress) -> None:
    run, _ = closed.folders[closed.tags[0]]
    factory.put(closed.root / "audit/workstation_runs" / run / ".run.log.x", "cut")
    table = closed.root / closing_stress.REGISTRY_TABLE
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:-1]))
    ledger = closed.root / closing_stress.LEDGER
    row = json.loads(ledger.read_bytes().splitlines()[-1])
    ledger.write_text(json.dumps({**row, "decision_tag": "nobody"}) + "\n")
    closed.check()
    text = "\n".join(closed.problems)
    for words in ("registry: ", "ledger: ", "chain is broken", "files: ", ".run.log.x", "handoff"):
        assert words in text
