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
from postrun.store import command_file, csv_files, evidence, json_files, ledger

_UNLISTED = "not among the evidence"


def observe(place: RunPaths, asked: str | None) -> Facts:
    """Read a run. `asked` is the tag on the command line. Raises Unclear when the folder's name is no run's."""
    name = run_names.parse_run_name(place.run)
    if name is None:
        raise AmbiguousRun(
            "run folder", f"a name like <time>_{run_names.WORKFLOW}_<tag>", repr(place.run)
        )
    found = _evidence(place)
    context, report = (_noun(place, noun, found) for noun in ("context", "production_gates_report"))
    detection = _open(place, "run_detection", _relative(place, "run_detection"))
    result = place.path("result")
    return Facts(
        place=place,
        name=name,
        asked=asked,
        evidence=found,
        ledger=_ledger(place),
        detection=detection,
        preflight=_noun(place, "preflight", found),
        context=context,
        result=_noun(place, "result", found),
        result_modified=result.stat().st_mtime if result.exists() else None,
        offset_at_end=report_window.offset(
            f"2000-01-01T00:00:00{detection.members.get('utc_offset_at_end')}"
        ),
        data_quality=_data_quality(place, context, found),
        report=report,
        statistics=_statistics(place, report, found),
        windows=_windows(place, report, found),
        costs=_table(place, _relative(place, "cost_stress_results"), COST_COLUMNS, found),
        summary=_relative(place, "production_gates_final_summary"),
        has_summary=place.path("production_gates_final_summary").is_file(),
        namesakes=_namesakes(place, name.tag, detection),
        factor_of_command=command_file.option(place.path("command"), "--factor"),
    )


def _evidence(place: RunPaths) -> Evidence:
    manifest = _open(place, "evidence_manifest", _relative(place, "evidence_manifest"))
    try:
        here = evidence.contents(place)
    except Invalid as refusal:
        return Evidence(manifest, changed=(_plain(place, refusal),))
    if manifest.value is None:
        return Evidence(manifest, frozenset(here.files))
    listed = evidence.recorded(manifest.value)
    changed = tuple(str(odd) for odd in evidence.compare(listed, here, copied=True))
    present = frozenset(listed.files.keys() & here.files.keys())
    return Evidence(manifest, present, changed, ledger.evidence_digest(manifest.value))


def _ledger(place: RunPaths) -> Ledger:
    path = locations.workspace_path(place.root, "stage_ledger")
    broken = [text.replace(f"{place.root}/", "") for text in ledger.verify(place.root)]
    rows = (
        () if broken else tuple(row for row in ledger.rows(place.root) if row["run"] == place.run)
    )
    return Ledger(place.relative(path), rows, "; ".join(broken[:3]))


def _relative(place: RunPaths, noun: str) -> str:
    return place.relative(place.path(noun))


def _noun(place: RunPaths, noun: str, found: Evidence) -> Document:
    home = artifacts.ARTIFACTS[noun].home
    if home is Home.GATE and place.gate is None:
        return Document(None, problem="no gate report belongs to this run")
    return _listed(place, noun, _relative(place, noun), found)


def _listed(place: RunPaths, schema: str, path: str, found: Evidence) -> Document:
    return (
        _open(place, schema, path) if path in found.present else Document(path, problem=_UNLISTED)
    )


def _open(place: RunPaths, schema: str, path: str) -> Document:
    try:
        value, odd = json_files.parse((place.root / path).read_bytes(), path)
        return Document(path, json_files.check(value, schema, path), odd=odd)
    except FileNotFoundError:
        return Document(path, problem="nothing there")
    except (OSError, PostRunError) as refusal:
        return Document(path, problem=_plain(place, refusal))


def _plain(place: RunPaths, trouble: Exception) -> str:
    """Put a refusal into words that are the same on every machine."""
    return str(trouble).replace(f"{place.root}/", "")


def _data_quality(place: RunPaths, context: Document, found: Evidence) -> Document:
    named = context.members.get("data_quality_report_json")
    path = evidence.local(locations.RUNS, place.run, named)
    if path is None:
        return Document(
            context.path, problem=f"the context names {named!r}, which is not below this run folder"
        )
    return _listed(place, "data_quality_report", path, found)


def _statistics(place: RunPaths, report: Document, found: Evidence) -> Document:
    named = gates.section(report.value, "statistical_gates").get("report_json")
    path = evidence.local(locations.GATES, place.gate, named)
    if path is None:
        return Document(
            report.path,
            problem=f"the gate report names {named!r}, which is not below this gate folder",
        )
    return _listed(place, "statistical_gates_report", path, found)


def _windows(place: RunPaths, report: Document, found: Evidence) -> Table:
    named = gates.section(report.value, "wf_stress").get("summary_csv")
    path = evidence.local(locations.GATES, place.gate, named)
    if path is None:
        return Table(
            report.path,
            problem=f"the gate report names {named!r}, which is not below this gate folder",
        )
    return _table(place, path, MEASURES, found, "test_start")


def _table(
    place: RunPaths, path: str, numbers: tuple[str, ...], found: Evidence, *columns: str
) -> Table:
    if path not in found.present:
        return Table(path, problem=_UNLISTED)
    try:
        frame = csv_files.read(place.root / path, columns, numbers)
    except PostRunError as refusal:
        return Table(path, problem=_plain(place, refusal))
    wanted = frame[[*columns, *numbers]].astype(object)
    cells = wanted.where(wanted.notna(), None).to_dict("records")
    return Table(path, tuple({str(name): value for name, value in row.items()} for row in cells))


def _namesakes(place: RunPaths, tag: str, detection: Document) -> tuple[str, ...]:
    """List the other runs with this very tag: as the workstation had them, else as they lie here."""
    if detection.value is not None:
        return tuple(folder for folder in detection.value["run_folders"] if folder != place.run)
    names = (
        run_names.parse_run_name(path.name)
        for path in sorted((place.root / locations.RUNS).glob(f"*_{tag}"))
    )
    return tuple(
        name.folder for name in names if name and name.tag == tag and name.folder != place.run
    )
