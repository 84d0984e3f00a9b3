"""Files of ours against their record, and a closing record against the ledger."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from postrun.core import artifacts
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import json_files
from postrun.store.evidence import FileDigests
from postrun.verify import files
from postrun.verify.closed_run import (
    AUDIT,
    DECISION,
    RECORD,
    RETENTION,
    SETTLEMENT,
    ClosedRun,
    kind,
)
from postrun.verify.findings import (
    Finding,
    broken,
    listed,
    stale,
)
from postrun.verify.ledger_rows import LEDGER, RESTORE, LedgerLines

WORKSPACE = "workspace_record"
# What has a check of its own: chains, and what only grows.
UNRECORDED = (
    RECORD,
    WORKSPACE,
    "stage_ledger",
    "stage_audit_log",
    "team",
    "monitor_events",
    "notifications",
)
_CLOSE = "close a run again: make finalize TAG=..."
Hint = Callable[[str], str]  # how to make a file again, by the name of its step


def check_run(run: ClosedRun) -> Iterator[Finding]:
    """Yield what speaks against a run's record, and the files that are not what it says."""
    record = run.record
    if record is None:
        yield from _check_missing(run)
        return
    root, path = run.run_paths.root, run.path(RECORD)
    yield from check_encoding(root, path, record)
    if record["run_folder"] != run.run_paths.run:
        actual = f"that of {record['run_folder']}"
        yield broken(
            path,
            f"the record of {run.run_paths.run}",
            actual,
        )
    if record["gate_folder"] != run.run_paths.gate and run.is_closed:
        yield broken(
            path,
            f"the gate folder {run.run_paths.gate}",
            str(record["gate_folder"]),
        )
    if run.is_closed:
        yield from _check_ending(run, record)
        yield from _check_ledger_rows(run, record)

    def hint(step: str) -> str:
        return f"make it again: make {step} TAG='{run.tag}'"

    yield from _check_files(root, record, hint, run.archived)
    yield from _check_unrecorded(run, record)
    known = {row["path"]: row["sha256"] for row in record["files"]}
    known |= FileDigests.from_manifest(run.manifest or {"files": [], "links": []}).files
    yield from find_stale(record, known, hint)


def check_encoding(root: Path, path: str, document: Json) -> Iterator[Finding]:
    """Yield a record whose file holds other bytes than this project writes for it.

    The ledger has the digest of what a record says, not that of its file.
    """
    try:
        content = files.read(root / path)
    except files.Unreadable as error:
        yield broken(
            path,
            "a file",
            str(error),
        )
        return
    if content != json_files.encode(document):
        expected = "sorted keys and two spaces, as this project writes JSON"
        yield broken(
            path,
            expected,
            "another layout",
            "it was edited",
        )


def _check_missing(run: ClosedRun) -> Iterator[Finding]:
    path = run.path(RECORD)
    if path in run.present:
        yield broken(
            path,
            "a closing record",
            "one that cannot be read",
            run.close_again(),
        )
        return
    decision = run.decision
    if not run.is_closed:
        yield listed(
            run.folders[0],
            "a closed run",
            "one that is not closed yet",
        )
        return
    if decision is None:
        yield _no_decision(run)
        return
    if decision["schema_version"] == 1 and run.audit is None:
        hint = f"its next closing makes one: make finalize TAG='{run.tag}'"
        yield listed(
            path,
            "a closing record",
            "no record: closed by an earlier release",
            hint,
        )
    else:
        yield broken(
            path,
            "a closing record",
            files.NOTHING,
            run.close_again(),
        )


def _no_decision(run: ClosedRun) -> Finding:
    expected = f"a decision on {run.run_paths.run}, which was closed"
    return broken(
        LEDGER,
        expected,
        "none",
        RESTORE,
    )


def _check_ending(run: ClosedRun, record: Json) -> Iterator[Finding]:
    """Yield a closing that was interrupted, and a record other than the ledger's."""
    path = run.path(RECORD)
    if record["open"] or record["complete"] is None:
        expected = "the record of a closing that came to its end"
        yield broken(
            path,
            expected,
            "its closing was interrupted",
            run.close_again(),
        )
    if run.decision is None:
        yield _no_decision(run)
        return
    if run.audit is None:
        expected = f"an audit row after row {run.decision['number']} of the ledger"
        yield broken(
            path,
            expected,
            "none",
            run.close_again(),
        )
        return
    row = f"row {run.audit['number']} of the ledger"
    actual = _digest_without(record, "ledger_rows")
    named = run.audit["closing_record_sha256"]
    if actual != named and not record["open"]:
        expected = f"the record that {row} names ({files.shown(named)})"
        yield broken(
            path,
            expected,
            files.shown(actual),
            run.close_again(),
        )
    if run.audit["decision_row"] != run.decision["number"]:
        expected = f"{row} about row {run.decision['number']}"
        yield broken(
            path,
            expected,
            f"about row {run.audit['decision_row']}",
        )
    yield from _check_audit(run, run.audit)


def _check_audit(run: ClosedRun, row: Json) -> Iterator[Finding]:
    """Yield an audit other than that of the ledger's row."""
    path = run.path("governance_audit_check")
    actual = files.digest(run.run_paths.root / path)
    if actual.sha256 != row["audit_sha256"]:
        expected = f"the audit of row {row['number']} of the ledger"
        expected += f" ({files.shown(row['audit_sha256'])})"
        hint = f"make it again: make governance-audit TAG='{run.tag}'"
        yield broken(
            path,
            expected,
            str(actual),
            hint,
        )


def _check_ledger_rows(run: ClosedRun, record: Json) -> Iterator[Finding]:
    """Yield the lines that only one of record and ledger has."""
    path = run.path(RECORD)
    held = record["ledger_rows"]
    in_ledger = []
    for row, line in zip(run.rows, run.lines, strict=True):
        if kind(row) in (DECISION, AUDIT, SETTLEMENT, RETENTION):
            in_ledger.append(line)
    for line in held:
        if line not in in_ledger:
            number = json_files.try_parse(line, "a row").members.get("number")
            expected = f"row {number} about {run.run_paths.run} as the record holds it"
            yield broken(
                LEDGER,
                expected,
                "none or another",
                RESTORE,
            )
    if held != in_ledger and not set(held) - set(in_ledger):
        expected = f"the ledger's {len(in_ledger)} rows about this run"
        yield broken(
            path,
            expected,
            f"{len(held)} of them",
            run.close_again(),
        )


def _check_files(
    root: Path,
    record: Json,
    hint: Hint,
    archived: Mapping[str, Json] | None = None,
) -> Iterator[Finding]:
    """Yield each file that is not what its record says, whether in its place or archived."""
    files_archived = archived or {}
    for row in record["files"]:
        file = files_archived.get(row["path"], {})
        if file.get("sha256") == row["sha256"]:
            continue
        actual = files.digest(root / row["path"])
        if actual.sha256 == row["sha256"]:
            continue
        what = str(actual)
        if actual.sha256 is not None and actual.sha256 == row["before"]:
            what = "the one before it: its step was interrupted, or an old file was put back"
        yield broken(
            row["path"],
            files.shown(row["sha256"]),
            what,
            hint(row["step"] or "finalize"),
        )


def _check_unrecorded(run: ClosedRun, record: Json) -> Iterator[Finding]:
    """Yield each file of ours that the record does not list."""
    recorded = {row["path"] for row in record["files"]}
    for path in generated_paths(run.run_paths, Home.RUN, Home.GATE):
        if path in run.present and path not in recorded:
            expected = "a file that closing_record.json lists"
            yield broken(
                path,
                expected,
                "one that it does not",
                run.close_again(),
            )


def generated_paths(run_paths: RunPaths, *homes: Home) -> Iterator[str]:
    """Yield where the files are that a record must list, there or not."""
    for artifact in ARTIFACTS.values():
        if artifact.generated and artifact.home in homes and artifact.name not in UNRECORDED:
            yield from _paths(run_paths, artifact)


def _paths(run_paths: RunPaths, artifact: Artifact) -> Iterator[str]:
    for suffix in artifact.suffixes:
        yield run_paths.relative(run_paths.path(artifact.name, suffix))


def find_stale(record: Json, known: Mapping[str, str], hint: Hint) -> Iterator[Finding]:
    """Yield each file that was computed from a former version of another."""
    for row in record["files"]:
        for source in row["inputs"]:
            digest = known.get(source["path"], source["sha256"])
            # Of a table, the digest is that of the rows that were used.
            if source["rows"] is None and digest != source["sha256"]:
                expected = f"a file made from today's {source['path']}"
                yield stale(
                    row["path"],
                    expected,
                    "one of a former",
                    hint(row["step"]),
                )
                break


def workspace_files(root: Path) -> list[str]:
    """Return the files of ours that belong to no run and are there."""
    present = []
    for name in artifacts.generated(Home.WORKSPACE):
        # A package of one run has seals, too. Archives have a check of their own.
        if name.startswith((artifacts.SEALS, artifacts.ARCHIVE)):
            continue
        # The pages of the site have names that only their record knows.
        for path in sorted(root.glob(name)):
            present.append(path.relative_to(root).as_posix())
    return present


def _check_no_tables(
    root: Path,
    path: str,
    has_tables: bool,
    are_early: bool,
) -> Iterator[Finding]:
    """Yield what is wrong when there is no record of the tables that can be read."""
    actual = files.kind_of(root / path)
    if actual != files.NOTHING:
        yield broken(
            path,
            "a record that can be read",
            f"{actual} that cannot",
            _CLOSE,
        )
    elif has_tables and are_early:
        yield listed(
            path,
            "a record of the tables",
            "no record: an earlier release",
            _CLOSE,
        )
    elif has_tables:
        yield broken(
            path,
            "a record of the tables",
            actual,
            _CLOSE,
        )


def check_workspace(root: Path, record: Json | None, known: LedgerLines) -> Iterator[Finding]:
    """Yield what speaks against the workspace's record, and the files that it lists."""
    paths = RunPaths.of_workspace(root)
    path = paths.relative(paths.path(WORKSPACE))
    present = []
    for name in generated_paths(paths, Home.WORKSPACE):
        if os.path.lexists(root / name):
            present.append(name)
    if record is None:
        tables_are_early = known.is_of_first_version
        yield from _check_no_tables(root, path, bool(present), tables_are_early)
        return
    yield from check_encoding(root, path, record)
    yield from _check_own_digest(path, record)
    rows, digest = record["ledger"]["rows"], record["ledger"]["sha256"]
    if rows and known.digests[rows - 1 : rows] != [digest]:
        expected = f"the {rows} rows that {path} knows"
        yield broken(
            LEDGER,
            expected,
            "fewer or other rows",
            RESTORE,
        )
    yield from _check_files(root, record, _hint_of_table)
    recorded = {row["path"]: row["sha256"] for row in record["files"]}
    for name in present:
        if name not in recorded:
            yield broken(
                name,
                f"a file that {path} lists",
                "one that it does not",
                _CLOSE,
            )
    yield from find_stale(record, recorded, _hint_of_table)


def _check_own_digest(path: str, record: Json) -> Iterator[Finding]:
    """Yield a record of the tables that is not the one whose digest it has in itself."""
    actual = _digest_without(record, "sha256")
    if actual != record["sha256"]:
        expected = files.shown(record["sha256"])
        yield broken(path, expected, files.shown(actual), _CLOSE)


def _digest_without(record: Json, name: str) -> str:
    """Return the digest of a record without a member that names it."""
    own = record.copy()
    own.pop(name, None)
    return files.of_bytes(json_files.encode(own))


def _hint_of_table(step: str) -> str:
    return f"make it again: make {step}"
