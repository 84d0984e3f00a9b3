"""What a tracker gets of a run, from a closed workspace."""

from typing import Any

import pytest

from harness.sealed import Sealed
from postrun.core.errors import Invalid, Missing
from postrun.overview import tracked_runs
from postrun.store import json_files, ledger, tables


def rows(sealed: Sealed) -> dict[str, dict[str, Any]]:
    registry = tables.read_existing(sealed.root, tracked_runs.REGISTRY)
    return {row["decision_tag"]: row for row in registry}


def test_every_column_is_a_tag_or_a_metric(sealed: Sealed) -> None:
    row = rows(sealed)["b"]
    tracked = tracked_runs.describe(sealed.root, row)
    left_out = {"run", "series", "series_by_month"}
    for name in set(json_files.members(tracked_runs.REGISTRY)) - left_out:
        has_both = name in tracked.metrics, f"postrun.{name}" in tracked.tags
        assert sum(has_both) == (row[name] is not None), name
    assert tracked.metrics["total"] == row["total"]
    assert tracked.tags["postrun.overall_pass"] == "true"
    assert tracked.tags["postrun.policy_version"] == str(row["policy_version"])
    assert tracked.name == "b"
    assert set(tracked.pages) == {
        "production_gates_final_summary.md",
        "production_gates_run_review.html",
    }


def test_the_tags_name_the_record(sealed: Sealed) -> None:
    row = rows(sealed)["b"]
    tags = tracked_runs.describe(sealed.root, row).tags
    decision = ledger.decision(sealed.root, row["run"])
    audit = ledger.audit(sealed.root, row["run"])
    assert decision
    assert audit
    assert tags["postrun.ledger_row"] == str(decision["number"])
    assert tags["postrun.evidence_sha256"] == decision["evidence_sha256"]
    assert tags["postrun.closing_record_sha256"] == audit["closing_record_sha256"]
    assert tags["postrun.audit_sha256"] == audit["audit_sha256"]
    assert tags["mlflow.note.content"] == f"pass, audit passed; {row['decision']}"


def test_an_edited_or_lost_page_is_refused(sealed: Sealed) -> None:
    row = rows(sealed)["b"]
    (review,) = sealed.root.glob(f"gate_results/{row['gate_folder']}/*run_review.html")
    content = review.read_bytes()
    review.write_bytes(content + b"<!-- -->")
    with pytest.raises(Invalid, match=r"run_review\.html: expected the file that"):
        tracked_runs.describe(sealed.root, row)
    review.unlink()
    with pytest.raises(Missing, match=r"run_review\.html: expected a file, found nothing there"):
        tracked_runs.describe(sealed.root, row)
    review.write_bytes(content)
    tracked_runs.describe(sealed.root, row)
