"""What ledger and audit say of a closed run, read together."""

from collections.abc import Callable
from pathlib import Path

import pytest

import post_run_sync_and_finalize
from harness import factory
from harness.factory import TAG, Documents
from harness.workspace import location_flags
from postrun.core import locations
from postrun.core.errors import Invalid
from postrun.store import verdict
from postrun.store.verdict import Verdict

RUN = f"2026-02-21_031500_production_gates_{TAG}"


def close(
    remote: Path, local: Path, change: Callable[[Documents], None] | None = None, *more: str
) -> Verdict:
    factory.make_run(remote, change=change)
    where = location_flags(remote, local)
    assert post_run_sync_and_finalize.main(["--tag", TAG, *where, *more]) in (0, 1)
    return verdict.of_run(local, RUN)


def fails(made: Documents) -> None:
    made.report["gates"]["overall_pass"] = False


def test_a_clean_run(remote: Path, local: Path) -> None:
    found = close(remote, local)
    assert (str(found), found.clean) == ("pass, audit passed", True)
    assert found.next_action


def test_a_run_whose_record_is_not_in_order(remote: Path, local: Path) -> None:
    found = close(remote, local, fails)
    assert (str(found), found.clean) == ("fail, audit failed", False)


def test_a_decision_without_an_audit(remote: Path, local: Path) -> None:
    found = close(remote, local, None, "--to", "finalize-gate-run")
    assert (str(found), found.clean) == ("pass, audit not made", False)


def test_nothing_at_all(local: Path) -> None:
    found = verdict.of_run(local, RUN)
    assert (str(found), found.next_action, found.clean) == (
        "no result, audit not made",
        None,
        False,
    )


def test_a_damaged_ledger_is_no_verdict(local: Path) -> None:
    factory.put(locations.workspace_path(local, "stage_ledger"), "{")
    with pytest.raises(Invalid, match="stage_ledger"):
        verdict.of_run(local, RUN)
