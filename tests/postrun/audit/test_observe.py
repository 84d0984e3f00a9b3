"""What the audit reads: only evidence, and everything that cannot be read is a fact."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import arrival, factory
from postrun.audit import artifact_checks
from postrun.audit.facts import Facts
from postrun.audit.observe import observe
from postrun.core.locations import RunPaths


def test_a_clean_run_is_read_whole(clean_facts: Facts) -> None:
    documents = (
        *(clean_facts.preflight, clean_facts.context, clean_facts.result, clean_facts.detection),
        *(clean_facts.data_quality, clean_facts.report, clean_facts.statistics),
    )
    assert [document.problem for document in documents if document.value is None] == []
    assert clean_facts.windows.value
    assert clean_facts.costs.value
    assert clean_facts.has_summary
    assert clean_facts.evidence.changed == []
    assert [row["result"] for row in clean_facts.ledger.value] == ["pass"]


def test_nothing_of_it_crashes_when_nothing_is_there(absent_run: RunPaths) -> None:
    facts = observe(absent_run, None)
    assert facts.context.value is None
    assert facts.context.problem
    assert facts.report.problem == "no gate report belongs to this run"
    assert facts.windows.value is None
    assert (facts.ledger.value, facts.ledger.problem) == ([], "")
    assert (facts.preflight_written, facts.result_written, facts.report_written) == (None,) * 3


def test_a_file_that_the_manifest_does_not_list_is_no_evidence(absent_run: RunPaths) -> None:
    listed = absent_run.path("evidence_manifest")
    listed.write_text(
        '{"schema_version": 1, "generated_at": "2026-02-21T12:00:00Z", "files": [], "links": [],'
        f' "run_folder": "{absent_run.run}", "gate_folder": null, "verified": true,'
        ' "abandoned": null, "changes": []}'
    )
    absent_run.path("context").write_text('{"decision_tag": "planted"}')
    facts = observe(absent_run, None)
    assert facts.evidence.manifest.value is not None
    assert facts.context.problem == "not among the evidence"
    assert facts.evidence.changed
    assert str(absent_run.root) not in "".join(facts.evidence.changed)


@contextmanager
def as_another_account() -> Iterator[None]:
    """Be an account that file modes apply to, which they do not to root."""
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_evidence_that_may_not_be_read_is_named_and_the_rest_is_read() -> None:
    # pytest's own folders may be entered by one account only.
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    made = factory.make_run(root)
    arrival.arrive(root, made)
    run_paths = RunPaths(root, made.run_folder, made.gate_folder)
    result, folder = run_paths.path("result"), made.gate_dir(root) / "statistical"
    result.chmod(0)
    folder.chmod(0)
    try:
        with as_another_account():
            facts = observe(run_paths, None)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(root)
    assert facts.context.value
    assert facts.result.problem == "not readable: Permission denied"
    assert facts.statistics.problem == "not readable: Permission denied"
    assert sorted(facts.evidence.changed) == [
        f"{run_paths.relative(path)} (not readable: Permission denied)" for path in (result, folder)
    ]
    answer = artifact_checks.run_files_present(facts)
    assert answer.observed == f"{run_paths.relative(result)} is not readable: Permission denied"
