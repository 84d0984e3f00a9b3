"""Observe first: everything the audit asks about, read once through the doors. Nothing is judged, nothing crashes.

A file counts only when the evidence manifest lists it, so that no file planted later can answer a question.
"""

from postrun.audit.facts import Document, Evidence, Facts, Ledger, Table
from postrun.audit.recompute import COST_COLUMNS, MEASURES
from postrun.core import artifacts, locations, run_names
from postrun.core.artifacts import Home
from postrun.core.errors import AmbiguousRun, Invalid, PostRunError
from postrun.core.locations import RunPaths
from postrun.decide import gates, report_window
from postrun.store import command_file, csv_files, evidence, json_files, ledger, run_folders

_UNLISTED = "not among the evidence"


def observe(run_paths: RunPaths, asked: str | None) -> Facts:
    """Read a run. `asked` is the tag on the command line. Raises Unclear when the folder's name is no run's."""
    name = run_names.parse_run_name(run_paths.run)
    if name is None:
        raise AmbiguousRun(
            "run folder", f"a name like <time>_{run_names.WORKFLOW}_<tag>", repr(run_paths.run)
        )
    found = _evidence(run_paths)
    context, report = (
        _noun(run_paths, artifact, found) for artifact in ("context", "production_gates_report")
    )
    detection = _open(run_paths, "run_detection", _relative(run_paths, "run_detection"))
    result = run_paths.path("result")
    return Facts(
        run_paths=run_paths,
        name=name,
        asked=asked,
        evidence=found,
        ledger=_ledger(run_paths),
        detection=detection,
        preflight=_noun(run_paths, "preflight", found),
        context=context,
        result=_noun(run_paths, "result", found),
        result_modified=result.stat().st_mtime if result.exists() else None,
        offset_at_end=report_window.offset(
            f"2000-01-01T00:00:00{detection.members.get('utc_offset_at_end')}"
        ),
        data_quality=_data_quality(run_paths, context, found),
        report=report,
        statistics=_statistics(run_paths, report, found),
        windows=_windows(run_paths, report, found),
        costs=_table(run_paths, _relative(run_paths, "cost_stress_results"), COST_COLUMNS, found),
        summary=_relative(run_paths, "production_gates_final_summary"),
        has_summary=run_paths.path("production_gates_final_summary").is_file(),
        namesakes=_namesakes(run_paths, name.tag, detection),
        factor_of_command=command_file.option(run_paths.path("command"), "--factor"),
    )


def _evidence(run_paths: RunPaths) -> Evidence:
    manifest = _open(run_paths, "evidence_manifest", _relative(run_paths, "evidence_manifest"))
    try:
        here = evidence.digest_local(run_paths)
    except Invalid as error:
        return Evidence(manifest, changed=(_plain(run_paths, error),))
    if manifest.value is None:
        return Evidence(manifest, frozenset(here.files))
    listed = evidence.FileDigests.from_manifest(manifest.value)
    differences = evidence.compare(listed, here, copied=True)
    changed = tuple(f"{path} ({what})" for path, what in differences.items())
    present = frozenset(listed.files.keys() & here.files.keys())
    return Evidence(manifest, present, changed, ledger.evidence_digest(manifest.value))


def _ledger(run_paths: RunPaths) -> Ledger:
    path = locations.workspace_path(run_paths.root, "stage_ledger")
    broken = [text.replace(f"{run_paths.root}/", "") for text in ledger.verify(run_paths.root)]
    rows = (
        ()
        if broken
        else tuple(row for row in ledger.read_rows(run_paths.root) if row["run"] == run_paths.run)
    )
    return Ledger(run_paths.relative(path), rows, "; ".join(broken[:3]))


def _relative(run_paths: RunPaths, artifact: str) -> str:
    return run_paths.relative(run_paths.path(artifact))


def _noun(run_paths: RunPaths, artifact: str, found: Evidence) -> Document:
    home = artifacts.ARTIFACTS[artifact].home
    if home is Home.GATE and run_paths.gate is None:
        return Document(None, problem="no gate report belongs to this run")
    return _listed(run_paths, artifact, _relative(run_paths, artifact), found)


def _listed(run_paths: RunPaths, schema: str, path: str, found: Evidence) -> Document:
    return (
        _open(run_paths, schema, path)
        if path in found.present
        else Document(path, problem=_UNLISTED)
    )


def _open(run_paths: RunPaths, schema: str, path: str) -> Document:
    reading = json_files.try_load(run_paths.root / path, schema)
    problem = _plain(run_paths, reading.problem)
    return Document(path, reading.value, problem, reading.not_finite)


def _plain(run_paths: RunPaths, trouble: object) -> str:
    """Return the words of a problem without the workspace's path: the same on every machine."""
    return str(trouble).replace(f"{run_paths.root}/", "")


def _data_quality(run_paths: RunPaths, context: Document, found: Evidence) -> Document:
    named = context.members.get("data_quality_report_json")
    path = evidence.local_path(locations.RUNS, run_paths.run, named)
    if path is None:
        return Document(
            context.path, problem=f"the context names {named!r}, which is not below this run folder"
        )
    return _listed(run_paths, "data_quality_report", path, found)


def _statistics(run_paths: RunPaths, report: Document, found: Evidence) -> Document:
    named = gates.section(report.value, "statistical_gates").get("report_json")
    path = evidence.local_path(locations.GATES, run_paths.gate, named)
    if path is None:
        return Document(
            report.path,
            problem=f"the gate report names {named!r}, which is not below this gate folder",
        )
    return _listed(run_paths, "statistical_gates_report", path, found)


def _windows(run_paths: RunPaths, report: Document, found: Evidence) -> Table:
    named = gates.section(report.value, "wf_stress").get("summary_csv")
    path = evidence.local_path(locations.GATES, run_paths.gate, named)
    if path is None:
        return Table(
            report.path,
            problem=f"the gate report names {named!r}, which is not below this gate folder",
        )
    return _table(run_paths, path, MEASURES, found, "test_start")


def _table(
    run_paths: RunPaths, path: str, numbers: tuple[str, ...], found: Evidence, *columns: str
) -> Table:
    if path not in found.present:
        return Table(path, problem=_UNLISTED)
    try:
        rows = csv_files.read_external(run_paths.root / path, columns, numbers)
    except PostRunError as error:
        return Table(path, problem=_plain(run_paths, error))
    selected = []
    for row in rows:
        selected.append({name: row[name] for name in (*columns, *numbers)})
    return Table(path, tuple(selected))


def _namesakes(run_paths: RunPaths, tag: str, detection: Document) -> tuple[str, ...]:
    """List the other runs with this very tag: as the workstation had them, else as they lie here."""
    if detection.value is not None:
        return tuple(folder for folder in detection.value["run_folders"] if folder != run_paths.run)
    namesakes = []
    for folder in run_folders.list_folders(run_paths.root):
        if folder.endswith(f"_{tag}") and folder != run_paths.run:
            name = run_names.parse_run_name(folder)
            if name is not None and name.tag == tag:
                namesakes.append(folder)
    return tuple(namesakes)
