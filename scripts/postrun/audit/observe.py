"""Read everything that the checks ask about, once, and return it as `Facts`.

Nothing is decided here. A file that cannot be read does not stop the audit: it becomes a fact with
its problem. A file of the evidence counts only when the manifest lists it, so that a file added
later answers no check. Without a readable manifest every file counts, and the check of the manifest
fails.
"""

import fnmatch
from pathlib import PurePosixPath

from postrun.audit.facts import Document, Evidence, Facts, unread, unreadable_at
from postrun.audit.recompute import COST_COLUMNS, MEASURES
from postrun.core import disk, run_names, step_notes, values
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import PostRunError
from postrun.core.locations import GATES, RUNS, RunPaths
from postrun.decide import missing_report, report_window, significance
from postrun.store import (
    checked_files,
    command_file,
    configuration,
    csv_files,
    evidence,
    json_files,
    ledger,
    run_folders,
)

# For each table of the evidence: the columns it must have, and those that hold numbers.
_TABLES = {
    "cost_stress_results": ((), COST_COLUMNS),
    "walk_forward_summary": (("test_start",), MEASURES),
    "ic_by_date": (("date",), ("ic",)),
    "statistical_gates_table": (significance.COLUMNS, significance.NUMBERS),
}
# For each artifact whose path another file names: the member there that names it.
_DATA_QUALITY = ("data_quality_report", "data_quality_report_json")
_STATISTICS = ("statistical_gates_report", "statistical_gates", "report_json")
_SIGNIFICANCE = ("statistical_gates_table", "table_csv")
_WINDOWS = ("walk_forward_summary", "wf_stress", "summary_csv")


def observe(run_paths: RunPaths, requested_tag: str | None) -> Facts:
    """Return the facts about a run. `requested_tag` is the tag on the command line.

    Raises AmbiguousRun when the folder's name is not that of a run.
    """
    files = EvidenceReader(run_paths)
    detection = files.open("run_detection")
    context = files.read("context")
    report = files.read("production_gates_report")
    statistics = files.read_named(*_STATISTICS, source=report)
    windows = files.read_named(*_WINDOWS, source=report)
    command = checked_files.read_if_there(run_paths, "command")
    summary_file = run_paths.path("production_gates_final_summary")
    policy = configuration.load("statistics_policy")
    offset_at_end = detection.members.get("utc_offset_at_end")
    return Facts(
        run_paths=run_paths,
        name=run_paths.name,
        requested_tag=requested_tag,
        evidence=files.evidence,
        ledger=_ledger(files),
        detection=detection,
        preflight=files.read("preflight"),
        context=context,
        result=files.read("result"),
        data_quality=files.read_data_quality(context),
        preflight_written=_written_at(run_paths, "preflight"),
        result_written=_written_at(run_paths, "result"),
        report_written=_written_at(run_paths, "production_gates_report"),
        utc_offset_at_end=report_window.parse_offset(offset_at_end),
        factor_in_command=command_file.option_in(command, "--factor"),
        report=report,
        statistics=statistics,
        windows=windows,
        costs=files.read("cost_stress_results"),
        significance=files.read_named(*_SIGNIFICANCE, source=statistics),
        ics_by_date=files.read_beside(windows, "ic_by_date"),
        summary_path=run_paths.relative(summary_file),
        has_summary=disk.is_present(summary_file),
        other_runs_of_tag=_other_runs(run_paths, detection),
        policy=policy,
        policy_digest=configuration.digest(policy),
    )


class EvidenceReader:
    """Read the files of one run: only those that are evidence, except for `open`.

    Every path is relative to the workspace root, and so is every path in a problem: the audit of
    one run is the same on every machine.
    """

    def __init__(self, run_paths: RunPaths) -> None:
        self.root = run_paths.root
        self.run_paths = run_paths
        self.evidence = self._compare_with_manifest()

    def path(self, artifact: str) -> str:
        """Return the path of an artifact that has one file name of its own."""
        path = self.run_paths.path(artifact)
        return self.run_paths.relative(path)

    def read(self, artifact: str) -> Document:
        """Return an artifact that has one file name of its own."""
        in_gate_folder = ARTIFACTS[artifact].home is Home.GATE
        # Without a gate folder, its paths would lead into the run folder.
        if in_gate_folder and self.run_paths.gate is None:
            detection = self.open("run_detection")
            problem = missing_report.explain(detection.value)
            return unread(problem)
        path = self.path(artifact)
        return self._read(artifact, path)

    def read_named(
        self,
        artifact: str,
        *member: str,
        source: Document,
    ) -> Document:
        """Return an artifact whose path a member of another file names."""
        home = RUNS
        folder = self.run_paths.run
        if ARTIFACTS[artifact].home is Home.GATE:
            home = GATES
            folder = str(self.run_paths.gate)
        named = values.member(source.value, *member)
        path = evidence.local_path(home, folder, named)
        if path is not None:
            return self._read(artifact, path)
        problem = f"it names {named!r}, which is not below {home}/{folder}"
        return unread(problem, source.path)

    def read_beside(self, document: Document, artifact: str) -> Document | None:
        """Return an artifact in the folder of another one; None when it was not written."""
        if document.path is None:
            return None
        pattern = ARTIFACTS[artifact].files[0]
        name = PurePosixPath(pattern).name
        neighbour = PurePosixPath(document.path).with_name(name)
        path = str(neighbour)
        unreadable = unreadable_at(path, self.evidence.unreadable)
        if path not in self.evidence.present and unreadable is None:
            return None
        return self._read(artifact, path)

    def read_data_quality(self, context: Document) -> Document:
        """Return the report that the context names; without a context, the newest of the run."""
        if context.value is not None:
            return self.read_named(*_DATA_QUALITY, source=context)
        pattern = f"{RUNS}/{self.run_paths.run}/data_quality/*/data_quality_report.json"
        found = fnmatch.filter(self.evidence.present, pattern)
        if not found:
            return unread("there is no context that names it, and none among the evidence")
        # Their folders are named by the time.
        return self._read("data_quality_report", max(found))

    def open(self, artifact: str) -> Document:
        """Return a JSON file that this project wrote, which is no evidence."""
        path = self.path(artifact)
        content = checked_files.read_if_there(self.run_paths, artifact)
        return self._parse_json(artifact, path, content or None)

    def _read(
        self,
        artifact: str,
        path: str,
    ) -> Document:
        if path not in self.evidence.present:
            problem = self.evidence.absence(path)
            return unread(problem, path)
        table = self.root / path
        # Raises for a file that was changed: no answer may rest on it.
        content = checked_files.read_evidence(self.run_paths, table)
        if artifact not in _TABLES:
            return self._parse_json(artifact, path, content)
        columns, numbers = _TABLES[artifact]
        try:
            rows = csv_files.read_external(table, columns, numbers)
            infinite = csv_files.infinite_cells(table, numbers)
        except PostRunError as error:
            problem = self.run_paths.without_root(error)
            return unread(problem, path)
        return Document(rows, not_finite=infinite, path=path)

    def _parse_json(
        self,
        schema: str,
        path: str,
        content: bytes | None,
    ) -> Document:
        file = self.root / path
        reading = json_files.try_parse(content, file, schema)
        problem = self.run_paths.without_root(reading.problem)
        not_finite = reading.not_finite  # the JSON paths of NaN and Infinity
        return Document(reading.value, problem, not_finite, path)

    def _compare_with_manifest(self) -> Evidence:
        manifest = self.open("evidence_manifest")
        unreadable: dict[str, str] = {}
        on_disk = evidence.digest_local(self.run_paths, unreadable)
        if manifest.value is None:
            present = set(on_disk.files)
            return Evidence(manifest, present, unreadable=unreadable)
        listed = evidence.FileDigests.from_manifest(manifest.value)
        # A changed file is read all the same: the check `evidence_unchanged` names it. Links may be
        # absent here, because rsync skips them.
        differences = evidence.compare(listed, on_disk, copied=True)
        changed = []
        for path, reason in unreadable.items():
            changed.append(f"{path} (not readable: {reason})")
        for path, what in differences.items():
            # What cannot be read is not gone.
            problem = unreadable_at(path, unreadable)
            if problem is None:
                changed.append(f"{path} ({what})")
        names = set(listed.files)
        present = names.intersection(on_disk.files)
        digest = ledger.evidence_digest(manifest.value)
        return Evidence(manifest, present, changed, digest, unreadable)


def _written_at(run_paths: RunPaths, artifact: str) -> float | None:
    """Return the file time of a file that the workstation wrote; None when it is not there."""
    path = run_paths.path(artifact)
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _ledger(files: EvidenceReader) -> Document:
    """Return the run's rows. Of a ledger whose chain is broken, no row counts."""
    path = files.path("stage_ledger")
    problems = ledger.verify(files.root)
    if problems:
        first_problems = "; ".join(problems[:3])
        problem = files.run_paths.without_root(first_problems)
        return unread(problem, path)
    run = files.run_paths.run
    decisions = []
    for row in ledger.rows_of(files.root, run):
        if ledger.kind(row) == ledger.DECISION:
            decisions.append(row)
    if decisions:
        newest = decisions[-1]
        digest = ledger.row_digest(newest)
        step_notes.note(path, digest, rows=1)
    return Document(decisions, path=path)


def _other_runs(
    run_paths: RunPaths,
    detection: Document,
) -> list[str]:
    """Return the folders of other runs with this very tag.

    Detection lists them as they were on the workstation; without it, those on this disk count.
    """
    run = run_paths.run
    folders = detection.members.get("run_folders")
    if folders is not None:
        return [folder for folder in folders if folder != run]
    tag = run_paths.name.tag
    others = []
    for folder in run_folders.list_folders(run_paths.root):
        name = run_names.parse_run_name(folder)
        if name is None or folder == run:
            continue
        if name.tag == tag:
            others.append(folder)
    return others
