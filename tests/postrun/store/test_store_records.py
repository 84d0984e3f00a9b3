"""Closing records: what was written is recorded first, and what was changed since is named."""

import json
from pathlib import Path

import pytest

import verify_workspace
from harness import factory
from harness.workspace import Workspace
from postrun.core import disk
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import json_files, ledger, records
from postrun.store.records import Output


@pytest.fixture
def closed(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Workspace, RunPaths]:
    """Return a workspace with one closed run, and where that run is. The clock stands still."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1772000000")
    workspace = Workspace(remote, local)
    made = factory.make_run(remote)
    assert workspace.close() == 0
    return workspace, RunPaths(local, made.run_folder, made.gate_folder)


AUDIT = "governance_audit_check"


def check(run_paths: RunPaths, name: str = AUDIT) -> None:
    path = run_paths.path(name)
    records.check(run_paths, name, path, path.read_bytes())


def test_every_file_of_a_closing_is_recorded(closed: tuple[Workspace, RunPaths]) -> None:
    _, run_paths = closed
    document = json.loads(run_paths.path(records.CLOSING).read_bytes())
    recorded = {row["path"]: row for row in document["files"]}
    for path, row in recorded.items():
        assert row["sha256"] == disk.sha256(run_paths.root / path)
        assert row["step"]
    assert records.is_whole(run_paths)
    assert (document["open"], document["complete"]) == (False, {"journals": []})
    audit = recorded[run_paths.relative(run_paths.path(AUDIT))]
    inputs = {entry["path"] for entry in audit["inputs"]}
    assert run_paths.relative(run_paths.path("production_gates_report")) in inputs
    assert "configs/governance_checks.json" in inputs


def test_the_newest_audit_row_names_the_record(closed: tuple[Workspace, RunPaths]) -> None:
    _, run_paths = closed
    document = json.loads(run_paths.path(records.CLOSING).read_bytes())
    row = ledger.audit(run_paths.root, run_paths.run)
    assert row is not None
    assert row["closing_record_sha256"] == records.digest(document)
    assert row["audit_sha256"] == disk.sha256(run_paths.path(AUDIT))
    lines = (run_paths.path("stage_ledger")).read_text().splitlines()
    assert document["ledger_rows"] == lines


@pytest.mark.parametrize("change", ["a byte", "the record too", "no record", "older record"])
def test_a_changed_file_is_refused(closed: tuple[Workspace, RunPaths], change: str) -> None:
    _, run_paths = closed
    audit, record = run_paths.path(AUDIT), run_paths.path(records.CLOSING)
    before = disk.sha256(audit)
    audit.write_bytes(audit.read_bytes().replace(b"true", b"false", 1))
    if change == "the record too":
        content = record.read_text().replace(before, disk.sha256(audit))
        record.write_text(content)
    elif change == "no record":
        record.unlink()
    elif change == "older record":
        record.write_text(record.read_text().replace('"open": false', '"open": true'))
    with pytest.raises(Invalid):
        check(run_paths)


def test_what_was_not_changed_is_read(closed: tuple[Workspace, RunPaths]) -> None:
    _, run_paths = closed
    for name in ("run_detection", "evidence_manifest", AUDIT, "production_gates_run_review"):
        check(run_paths, name)


def test_a_changed_file_is_kept_and_made_again(
    closed: tuple[Workspace, RunPaths], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, run_paths = closed
    before = workspace.bytes()
    page = run_paths.path("production_gates_run_review", ".md")
    page.write_text("# Run review: promoted\n")
    kept = page.with_name(f"{page.stem}.edited-{disk.sha256(page)[:8]}.md")
    assert workspace.close() == 0
    assert f"changed since it was written; kept as {kept.name}" in capsys.readouterr().err
    assert kept.read_text() == "# Run review: promoted\n"
    kept.unlink()
    assert workspace.bytes() == before


def test_a_record_is_written_before_its_file(
    closed: tuple[Workspace, RunPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in between leaves an interrupted writing, and no edit."""
    workspace, run_paths = closed
    before = workspace.bytes()
    overwrite = disk.overwrite
    path = run_paths.path(AUDIT)

    def interrupted(written: Path, content: bytes) -> None:
        if written == path:
            raise KeyboardInterrupt
        overwrite(written, content)

    monkeypatch.setattr(disk, "overwrite", interrupted)
    content = path.read_bytes() + b" "
    with pytest.raises(KeyboardInterrupt):
        records.write(run_paths, AUDIT, [Output(path, content, bool)])
    monkeypatch.undo()
    records._records.clear()
    with pytest.raises(Invalid, match="a closing that was finished, found one that was interr"):
        check(run_paths)
    assert workspace.close() == 0
    after = workspace.bytes()
    assert after.keys() == before.keys(), "no copy is kept beside"
    check(run_paths)


def test_a_step_alone_is_signed_off(closed: tuple[Workspace, RunPaths]) -> None:
    workspace, run_paths = closed
    run_paths.path("governance_remediation_plan").unlink()
    records._records.clear()
    assert workspace.run("governance_remediation_plan", factory.TAG) == 0
    check(run_paths, "governance_remediation_plan")


def test_a_ledger_that_lacks_rows_is_refused(closed: tuple[Workspace, RunPaths]) -> None:
    workspace, run_paths = closed
    for name in ("stage_ledger", "stage_audit_log", records.WORKSPACE):
        run_paths.path(name).unlink()
    with pytest.raises(Invalid, match="make restore-ledger"):
        records.check_ledger(run_paths.root)
    assert workspace.close() == 4
    assert not run_paths.path("stage_ledger").exists()


def test_nothing_is_before_what_was_written(closed: tuple[Workspace, RunPaths]) -> None:
    """Else the file before it, put back, would pass for an interrupted write."""
    workspace, run_paths = closed
    factory.make_run(workspace.remote, tag="second", stamp="2026-02-22_031500")
    assert workspace.close("second") == 0
    for path in (run_paths.path(records.CLOSING), run_paths.path(records.WORKSPACE)):
        document = json.loads(path.read_bytes())
        assert {row["before"] for row in document["files"]} == {None}


def test_a_closing_that_could_not_write_goes_on_where_it_was(
    remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(remote, local)
    made = factory.make_run(remote)
    run_paths = RunPaths(local, made.run_folder, made.gate_folder)
    in_the_way = run_paths.path(AUDIT, ".md")
    in_the_way.mkdir(parents=True)
    assert workspace.close() == 3
    assert len(ledger.rows_of(local, made.run_folder)) == 1
    assert records.load(run_paths).is_open
    in_the_way.rmdir()
    capsys.readouterr()
    assert workspace.close() == 0
    assert "expected a file, found it gone" not in capsys.readouterr().err
    kinds = [ledger.kind(row) for row in ledger.rows_of(local, made.run_folder)]
    assert kinds == [ledger.DECISION, ledger.AUDIT]


def test_evidence_that_was_replaced_is_recorded_where_it_is_kept(
    closed: tuple[Workspace, RunPaths],
) -> None:
    workspace, run_paths = closed
    log = workspace.remote / run_paths.relative(run_paths.path("run_log"))
    before = disk.sha256(log)
    log.write_bytes(log.read_bytes() + b"more\n")
    accept = ("--accept-changed-evidence", "the log was cut")
    assert workspace.close(factory.TAG, *accept) == 0
    row = records.load(run_paths).file(
        f"audit/workstation_runs/{run_paths.run}/superseded_evidence/1/"
        f"audit/workstation_runs/{run_paths.run}/run.log"
    )
    assert row is not None
    assert (row["sha256"], row["step"]) == (before, "sync-run")
    closed_once = workspace.bytes()
    assert workspace.close() == 0
    assert workspace.bytes() == closed_once


def test_a_byte_of_the_workspaces_record_is_noticed(
    closed: tuple[Workspace, RunPaths], capsys: pytest.CaptureFixture[str]
) -> None:
    """No row of the ledger names it, and much of it only says how a table was made."""
    workspace, run_paths = closed
    before = workspace.bytes()
    path = run_paths.path(records.WORKSPACE)
    path.write_bytes(path.read_bytes().replace(b'"candidate-queue"', b'"candidate-quote"', 1))
    record = records.load(RunPaths.of_workspace(run_paths.root), records.WORKSPACE)
    assert record.problem == f"{path}: it was changed since it was written"
    kept = path.with_name(f"workspace_record.edited-{disk.sha256(path)[:8]}.json")
    assert workspace.close() == 0
    assert f"kept as {kept.name}" in capsys.readouterr().err
    document = json.loads(path.read_bytes())
    assert [row["path"] for row in document["files"] if ".edited-" in row["path"]] == [
        run_paths.relative(kept)
    ]
    after = workspace.bytes()
    assert before.keys() ^ after.keys() == {run_paths.relative(kept)}


def test_a_record_that_another_program_wrote_is_written_as_ours(
    closed: tuple[Workspace, RunPaths],
) -> None:
    """It has the digest of its own bytes, and other line breaks: no row's text is taken over."""
    workspace, run_paths = closed
    path = run_paths.path(records.WORKSPACE)
    document = json.loads(path.read_bytes())
    del document["sha256"]
    own = disk.content_digest(json.dumps(document).encode())
    line = f',\n  "sha256": "{own}"'
    path.write_bytes(json.dumps(document)[:-1].encode() + line.encode() + b"}")
    record = records.load(RunPaths.of_workspace(run_paths.root), records.WORKSPACE)
    assert record.problem == ""
    assert (len(record.rows) > 1, record.texts) == (True, {})
    factory.make_run(workspace.remote, tag="two", stamp="2026-02-22_031500")
    assert workspace.close("two") == 0
    content = path.read_bytes()
    assert content == json_files.encode(json.loads(content))
    record = records.load(RunPaths.of_workspace(run_paths.root), records.WORKSPACE)
    assert record.problem == ""


def test_the_loss_of_a_copy_that_was_kept_is_noticed(
    closed: tuple[Workspace, RunPaths], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, run_paths = closed
    queue = run_paths.root / "audit/factor_registry/factor_candidate_queue.csv"
    queue.write_text("mine\n1\n")
    assert workspace.close() == 0
    (kept,) = queue.parent.glob("factor_candidate_queue.foreign-*.csv")
    verify = ["--local-root", str(run_paths.root)]
    assert verify_workspace.main(verify) == 0
    kept.unlink()
    assert verify_workspace.main(verify) == 4
    assert kept.name in capsys.readouterr().out


def test_no_row_follows_where_others_were_taken_away(
    closed: tuple[Workspace, RunPaths],
) -> None:
    """The audit's row is gone; a step alone would write it again."""
    _, run_paths = closed
    path = run_paths.path("stage_ledger")
    shorter = path.read_bytes().splitlines(keepends=True)[:1]
    path.write_bytes(b"".join(shorter))
    record = records.load(run_paths)
    record.put({})
    with pytest.raises(Invalid, match=r"expected row 2 as audit/workspace_record\.json knows it"):
        records.sign_off(run_paths, None)
    assert path.read_bytes() == b"".join(shorter)
