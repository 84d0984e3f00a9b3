"""Reads everything that the checks ask about, once, and returns it as `Facts`.

Nothing is judged here, and nothing crashes: a file that cannot be read becomes a fact with its
problem. A file counts only when the evidence manifest lists it, so no file planted later can answer
a check.
"""

from typing import Any

from postrun.audit.facts import Document, Evidence, Facts, Ledger, Table
from postrun.audit.recompute import COST_COLUMNS, MEASURES
from postrun.core import run_names
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import GATES, RUNS, RunPaths
from postrun.decide import gates, report_window
from postrun.store import command_file, csv_files, evidence, json_files, ledger, run_folders
from postrun.store.evidence import FileDigests

_NOT_LISTED = "not among the evidence"


def observe(run_paths: RunPaths, requested_tag: str | None) -> Facts:
    """Return the facts about a run. `requested_tag` is the tag on the command line.

    Raises AmbiguousRun when the folder's name is not that of a run.
    """
    files = EvidenceReader(run_paths)
    detection = files.open("run_detection")
    context = files.read("context")
    report = files.read("production_gates_report")
    result_file = run_paths.path("result")
    summary_file = run_paths.path("production_gates_final_summary")
    statistics = gates.section(report.value, "statistical_gates").get("report_json")
    windows = gates.section(report.value, "wf_stress").get("summary_csv")
    return Facts(
        run_paths=run_paths,
        name=run_paths.name,
        requested_tag=requested_tag,
        evidence=files.evidence,
        ledger=_ledger(run_paths),
        detection=detection,
        preflight=files.read("preflight"),
        context=context,
        result=files.read("result"),
        data_quality=_data_quality(files, context),
        result_modified=result_file.stat().st_mtime if result_file.exists() else None,
        utc_offset_at_end=report_window.parse_offset(detection.members.get("utc_offset_at_end")),
        factor_in_command=command_file.option(run_paths.path("command"), "--factor"),
        report=report,
        statistics=_statistics(files, report, statistics),
        windows=_windows(files, report, windows),
        costs=files.read_table(files.path("cost_stress_results"), COST_COLUMNS),
        summary_path=run_paths.relative(summary_file),
        has_summary=summary_file.is_file(),
        other_runs_of_tag=_other_runs(run_paths, detection),
    )


class EvidenceReader:
    """Reads the files of one run; `read` and `read_table` only those that are evidence.

    Every path is relative to the workspace root, and so is every path in a problem: the audit of
    one run is the same on every machine.
    """

    def __init__(self, run_paths: RunPaths) -> None:
        self.run_paths = run_paths
        self.evidence = self._compare_with_manifest()

    def path(self, artifact: str) -> str:
        """Return the path of an artifact that has one file name of its own."""
        return self.run_paths.relative(self.run_paths.path(artifact))

    def open(self, schema: str, path: str = "") -> Document:
        """Return a JSON file, whether it is evidence or not; without a path, the artifact's own."""
        path = path or self.path(schema)
        reading = json_files.try_load(self.run_paths.root / path, schema)
        problem = self.without_root(reading.problem)
        return Document(reading.value, problem, reading.not_finite, path)

    def read(self, schema: str, path: str = "") -> Document:
        """Return a JSON file of the evidence; without a path, the artifact's own."""
        if ARTIFACTS[schema].home is Home.GATE and self.run_paths.gate is None:
            return Document(problem="no gate report belongs to this run")
        path = path or self.path(schema)
        if path not in self.evidence.present:
            return Document(problem=_NOT_LISTED, path=path)
        return self.open(schema, path)

    def read_table(self, path: str, numbers: tuple[str, ...], *columns: str) -> Table:
        """Return a CSV file of the evidence that has these columns and these of numbers."""
        if path not in self.evidence.present:
            return Table(path, problem=_NOT_LISTED)
        try:
            rows = csv_files.read_external(self.run_paths.root / path, columns, numbers)
        except PostRunError as error:
            return Table(path, problem=self.without_root(str(error)))
        return Table(path, tuple(rows))

    def without_root(self, message: str) -> str:
        """Return a message with its paths relative to the root."""
        return message.replace(f"{self.run_paths.root}/", "")

    def _compare_with_manifest(self) -> Evidence:
        manifest = self.open("evidence_manifest")
        try:
            on_disk = evidence.digest_local(self.run_paths)
        except Invalid as error:
            return Evidence(manifest, changed=(self.without_root(str(error)),))
        if manifest.value is None:
            return Evidence(manifest, frozenset(on_disk.files))
        listed = FileDigests.from_manifest(manifest.value)
        # rsync skips links, so the copy here may lack them.
        differences = evidence.compare(listed, on_disk, copied=True)
        changed = tuple(f"{path} ({what})" for path, what in differences.items())
        present = frozenset(listed.files.keys() & on_disk.files.keys())
        digest = ledger.evidence_digest(manifest.value)
        return Evidence(manifest, present, changed, digest)


def _ledger(run_paths: RunPaths) -> Ledger:
    """Return the run's rows. Of a ledger whose chain is broken, no row counts."""
    path = run_paths.relative(run_paths.path("stage_ledger"))
    problems = "; ".join(ledger.verify(run_paths.root)[:3])
    if problems:
        return Ledger(path, problem=problems.replace(f"{run_paths.root}/", ""))
    rows = [row for row in ledger.read_rows(run_paths.root) if row["run"] == run_paths.run]
    return Ledger(path, tuple(rows))


def _data_quality(files: EvidenceReader, context: Document) -> Document:
    named = context.members.get("data_quality_report_json")
    path = evidence.local_path(RUNS, files.run_paths.run, named)
    if path is None:
        problem = f"the context names {named!r}, which is not below this run folder"
        return Document(problem=problem, path=context.path)
    return files.read("data_quality_report", path)


def _statistics(files: EvidenceReader, report: Document, named: Any) -> Document:
    path = evidence.local_path(GATES, files.run_paths.gate, named)
    if path is None:
        return Document(problem=_elsewhere(named), path=report.path)
    return files.read("statistical_gates_report", path)


def _windows(files: EvidenceReader, report: Document, named: Any) -> Table:
    path = evidence.local_path(GATES, files.run_paths.gate, named)
    if path is None:
        return Table(report.path, problem=_elsewhere(named))
    return files.read_table(path, MEASURES, "test_start")


def _elsewhere(named: Any) -> str:
    return f"the gate report names {named!r}, which is not below this gate folder"


def _other_runs(run_paths: RunPaths, detection: Document) -> tuple[str, ...]:
    """Return the folders of other runs with this very tag.

    Detection lists them as they were on the workstation; without it, those on this disk count.
    """
    if detection.value is not None:
        folders = detection.value["run_folders"]
    else:
        tag = run_paths.name.tag
        local = map(run_names.parse_run_name, run_folders.list_folders(run_paths.root))
        folders = [name.folder for name in local if name and name.tag == tag]
    return tuple(folder for folder in folders if folder != run_paths.run)
