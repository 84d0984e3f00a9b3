"""Write the page that a committee reads about one run, from what earlier steps found.

Reads the run's last row of the stage ledger, the gate report, the table of walk-forward windows
that the evidence manifest lists, the audit, the remediation plan, configs/gate_hypotheses.json and
the registry as it is: this run is compared with the last earlier run of the same factor, by the
time in the folders' names.
Writes production_gates_run_review.json, .md and .html (one page, complete in itself) into the gate
folder; into the run folder when the run left no gate report.
Exit code: 0 written, whatever the decision; 3 an earlier step is missing; 4 an input is broken;
5 it is not clear which run is meant.

    python scripts/generate_run_review.py --tag committee_2026-02-21_run4
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from postrun import cli
from postrun.core import locations, step_notes, values
from postrun.core.artifacts import ARTIFACTS, SITE, Home
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.decide import gates, scoring
from postrun.registry import rows as registry_rows
from postrun.registry import student_q, windows
from postrun.review import (
    comparison,
    earlier,
    log_end,
    luck,
    origin,
    stages,
    standing,
)
from postrun.store import (
    checked_files,
    command_file,
    configuration,
    documents,
    ledger,
    page_files,
    site_files,
    tables,
)
from postrun.store.tables import Row, Rows
from postrun.summary import description, page

ARTIFACT, REGISTRY = "production_gates_run_review", "factor_experiment_registry"
# Pages of the run, then of the workspace.
_PAGES = {
    "production_gates_final_summary": "final summary",
    "governance_audit_check": "governance audit",
    "governance_remediation_plan": "remediation plan",
    "factor_experiment_leaderboard": "leaderboard",
    "factor_candidate_queue": "candidate queue",
    "next_run_plan": "next-run plan",
    "failure_pattern_summary": "failure patterns",
    "stage_audit_log": "stage ledger",
    "handoff_readiness": "handoff readiness",
}
_CLOSE = "close the run first: make finalize TAG=..."


def review(_: RunRequest, run_paths: RunPaths) -> StepResult:
    """Write one run's review in three formats; return its decision in a line.

    Raises Missing, Invalid.
    """
    manifest = documents.read(run_paths, "evidence_manifest", _CLOSE)
    audit = documents.read(run_paths, "governance_audit_check", _CLOSE)
    plan = documents.read(run_paths, "governance_remediation_plan", _CLOSE)
    report = None
    if run_paths.gate is not None:
        report = documents.read_optional(run_paths, "production_gates_report")
    gathered = gather(run_paths, report, manifest, audit, plan)
    document, written = page_files.write_formats(run_paths, ARTIFACT, gathered)
    return StepResult(_summary(document), written)


def gather(
    run_paths: RunPaths,
    report: Json | None,
    manifest: Json,
    audit: Json,
    plan: Json,
) -> Json:
    """Return everything that the page says.

    Raises Missing without a ledger row, Invalid for a broken registry or ledger.
    """
    row = _ledger_row(run_paths)
    name = run_paths.name
    hypotheses = configuration.load("gate_hypotheses")["gates"]
    among = _among_others(run_paths)
    # What an abandoned run left may be a part, so it counts as not measured: as in the registry.
    measured = report
    if manifest.get("abandoned") is not None:
        measured = None
    return {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "decision_tag": audit["decision_tag"],
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": _strategy(run_paths, report),
        "owner": audit["owner"],
        "objective": row["objective"],
        **_run_facts(run_paths, report),
        "score": among.score,
        "earlier_runs": earlier.newest(among.of_factor),
        "pages": _pages(run_paths, among.luck["family"]),
        "decision": standing.decision(row, audit, plan, among.luck),
        "luck": among.luck,
        **_stages(run_paths, report),
        "governance": standing.governance(audit, plan),
        "comparison": _comparison(measured, audit, plan, among),
        "follow_ups": standing.follow_ups(plan, hypotheses),
        "evidence": _evidence(run_paths, manifest),
    }


@dataclass(frozen=True)
class _AmongOthers:
    """What the registry says of a run: its own row, the earlier runs of its factor, its place."""

    own_row: Row
    of_factor: Rows
    score: Json
    luck: Json


def _among_others(run_paths: RunPaths) -> _AmongOthers:
    """Return where a run stands, and note the rows used. Raises Invalid for a broken registry."""
    policy = registry_rows.load_policy()
    registry = registry_rows.read(run_paths.root, policy)
    with step_notes.unnoted():
        own_row = registry_rows.make_row(run_paths, policy)
        own_luck = luck.find(run_paths.root, own_row, registry, policy)
    score = earlier.score(own_row, registry.table)
    of_factor = earlier.of_factor(own_row, registry.table)
    used = luck.used(own_row, registry.table)
    used += tables.select(of_factor, earlier.SHOWN)
    used += tables.select(of_factor[:1], comparison.columns())
    # Of the other runs only what they come to.
    others = {
        "place": score["place"],
        "runs": score["runs"],
        "q": own_luck["q"],
    }
    tables.note_rows(run_paths.root, REGISTRY, [*used, others])
    return _AmongOthers(
        own_row,
        of_factor,
        score,
        own_luck,
    )


def _stages(run_paths: RunPaths, report: Json | None) -> Json:
    """Return what the gate report says, stage by stage."""
    cost_rows = stages.cost_rows(report)
    return {
        "gates": stages.gate_rows(report),
        "cost_stress": cost_rows,
        "break_even": stages.break_even(cost_rows),
        "walk_forward": stages.stage(report, "wf_stress"),
        "windows": _windows(run_paths, report),
        "risk": stages.stage(report, "risk_diagnostics"),
        "statistics": _statistics(run_paths, report),
    }


def _statistics(run_paths: RunPaths, report: Json | None) -> Json | None:
    """Return what the statistical gate found, and the same by Student's t."""
    reported = stages.stage(report, "statistical_gates")
    if reported is None:
        return None
    factor = gates.inputs(report).get("factor")
    of_factor = student_q.read(run_paths, report, factor)
    return {**reported, **asdict(of_factor)}


def _run_facts(run_paths: RunPaths, report: Json | None) -> Json:
    """Return who ran what and when; of a run that failed, the end of its log."""
    detection = documents.read_optional(run_paths, "run_detection") or {}
    context = description.read_context(run_paths)
    preflight = documents.try_read(run_paths, "preflight").value
    quality = description.read_data_quality(run_paths, context)
    ran = origin.describe(
        run_paths.name.started,
        context,
        preflight,
        quality,
        detection,
        report,
    )
    result = documents.try_read(run_paths, "result").value
    log = None
    # A run that ended well is told by its report.
    if report is None or gates.exit_code(result) != 0:
        log = _end_of_log(run_paths)
    return {"ran": ran, "log": log}


def _end_of_log(run_paths: RunPaths) -> Json | None:
    path = run_paths.path("run_log")
    try:
        content = checked_files.read_end(run_paths, path, log_end.READ)
    except Missing:
        return None
    return log_end.describe(run_paths.relative(path), content)


def _pages(run_paths: RunPaths, family: str | None) -> list[Json]:
    """Return the other pages that say something of the run, what later runs say of it first."""
    pages = []
    if family is not None:
        family_page = f"{SITE}/{site_files.family_page(family)}"
        pages.append({"title": "family: all its runs, later ones too", "path": family_page})
    pages.append({"title": "site", "path": f"{SITE}/{site_files.INDEX}"})
    for artifact, title in _PAGES.items():
        path = run_paths.path(artifact, ".md")
        pages.append({"title": title, "path": run_paths.relative(path)})
    return pages


def _ledger_row(run_paths: RunPaths) -> Json:
    row = ledger.decision(run_paths.root, run_paths.run)
    if row is None:
        path = run_paths.path("stage_ledger")
        raise Missing(path, f"a row for {run_paths.run}", "none", _CLOSE)
    page.note_decision(run_paths, row)
    return row


def _strategy(run_paths: RunPaths, report: Any) -> str | None:
    options = gates.inputs(report)
    in_report = values.text(options.get("strategy"))
    command = checked_files.read_if_there(run_paths, "command")
    return in_report or command_file.option_in(command, "--strategy")


def _windows(run_paths: RunPaths, report: Json | None) -> Json:
    """Return the windows of the table that the report names, with its path."""
    found = windows.read(run_paths, report)
    rows = None
    if found.rows is not None:
        rows = stages.windows(found.rows)
    return {"path": found.path, "rows": rows, "problem": found.problem}


def _comparison(
    report: Any,
    audit: Json,
    plan: Json,
    among: _AmongOthers,
) -> Json:
    """Return the run beside the one before it. Without a report (None), nothing was measured."""
    if not among.of_factor:
        reason = "the factor is not known"
        if audit["factor"]:
            reason = "no earlier run of this factor is in the registry"
        return {
            "previous_run": None,
            "none_because": reason,
            "paired": None,
            "metrics": [],
        }
    before, *_ = among.of_factor
    series = among.own_row["series"]
    severities = [item["severity"] for item in plan["items"]]
    now = {
        **scoring.measure(report),
        "overall_pass": audit["overall_pass"] if report else None,
        "audit_passed": audit["passed"],
        "high_items": severities.count("High"),
        "series": series,
    }
    metrics = comparison.compare(before, now)
    return {
        "previous_run": before["run"],
        "none_because": None,
        "paired": comparison.pair(before["series"], series),
        "metrics": metrics,
    }


def _evidence(run_paths: RunPaths, manifest: Json) -> Json:
    """Return the files that the review rests on; the digest of the list stands for all others."""
    files = manifest["files"]
    path = run_paths.path("evidence_manifest")
    changes = manifest["changes"]
    cited = [file for file in files if _is_artifact(file["path"])]
    return {
        "manifest": run_paths.relative(path),
        "verified": manifest["verified"],
        "sha256": ledger.evidence_digest(manifest),
        "files": len(files),
        "bytes": sum(file["size"] for file in files),
        "cited": tables.select(cited, ["path", "size", "sha256"]),
        "changes": tables.select(changes, ["at", "reason", "files"]),
    }


def _is_artifact(path: str) -> bool:
    """Return whether a piece of evidence is in the artifact table."""
    home, folder = Home.GATE, locations.GATES
    if path.startswith(locations.RUNS):
        home, folder = Home.RUN, locations.RUNS
    # Below the home comes the run's or the gate report's own folder.
    _, *below = PurePosixPath(path).relative_to(folder).parts
    for artifact in ARTIFACTS.values():
        if artifact.home is not home:
            continue
        for file in artifact.files:
            if _matches(below, file.split("/")):
                return True
    return False


def _matches(parts: list[str], patterns: list[str]) -> bool:
    """Return whether a path fits a file of the artifact table; `*` there stands for one folder."""
    if len(parts) != len(patterns):
        return False
    return all(map(fnmatchcase, parts, patterns))


def _summary(document: Json) -> str:
    decision = document["decision"]
    compared = document["comparison"]
    recommendation = decision["recommendation"].replace("_", " ")
    summary = f"{decision['result']}, {recommendation}"
    blocking = len(decision["blocking"])
    if blocking:
        summary += f", {blocking} blocking"
    previous_run = compared["previous_run"]
    if previous_run is None:
        return f"{summary}; compared with no run: {compared['none_because']}"
    counts = comparison.tally(compared["metrics"])
    changes = f"{counts['better']} better, {counts['worse']} worse"
    return f"{summary}; compared with {previous_run}: {changes}"


def main(argv: flags.Argv = None) -> int:
    """Run this step alone."""
    return cli.step_main(review, FLAGS, argv, name="run-review")


if __name__ == "__main__":
    raise SystemExit(main())
