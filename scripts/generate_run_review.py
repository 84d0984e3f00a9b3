"""Write the page that a committee reads about one run; it gathers what earlier steps found and judges nothing again.

Reads the run's last row of the stage ledger, the gate report, the table of walk-forward windows that the evidence
manifest lists, the audit, the remediation plan, configs/gate_hypotheses.json, and the registry as it lies: this run
is compared with the last earlier run of the same factor, by the time in the folders' names.
Writes production_gates_run_review.json, .md and .html (one page, complete in itself) into the gate folder; into the
run folder when the run left no gate report.
Exit code: 0 written, whatever the decision; 3 an earlier step is missing; 4 an input is broken; 5 not clear which run.

    python scripts/generate_run_review.py --tag committee_2026-02-21_run4
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from postrun import cli
from postrun.core import artifacts, locations, run_names, values
from postrun.core.artifacts import Home
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates, scoring
from postrun.review import comparison, stages, standing
from postrun.store import (
    command_file,
    configuration,
    csv_files,
    evidence,
    json_files,
    ledger,
    page_files,
)

NOUN, REGISTRY = "production_gates_run_review", "factor_experiment_registry"
_CLOSE = "close the run first: make finalize TAG=..."

Facts = dict[str, Any]


def review(_: RunRequest, run_paths: RunPaths) -> StepResult:
    """Gather one run's review and write it three times over. Raises Missing, Invalid, Unclear."""
    manifest = _needed(run_paths, "evidence_manifest")
    audit = _needed(run_paths, "governance_audit_check")
    plan = _needed(run_paths, "governance_remediation_plan")
    report = (
        json_files.read_optional(run_paths, "production_gates_report")
        if run_paths.gate is not None
        else None
    )
    document = json_files.write(run_paths, NOUN, gather(run_paths, report, manifest, audit, plan))
    pages = [run_paths.path(NOUN, suffix) for suffix in (".md", ".html")]
    for page in pages:
        page_files.write(page, f"{NOUN}{page.suffix}", **document)
    return StepResult(_words(document), (run_paths.path(NOUN), *pages))


def gather(run_paths: RunPaths, report: Any, manifest: Facts, audit: Facts, plan: Facts) -> Facts:
    """Put together everything the page says. Raises Missing without a ledger row, Invalid for a broken table."""
    row = _ledger_row(run_paths)
    name = run_names.parse_run_name(run_paths.run)
    assert name is not None, "located runs have a run's name"
    return {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "decision_tag": name.tag,
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": _strategy(run_paths, report),
        "owner": audit["owner"],
        "objective": row["objective"],
        "decision": standing.decision(row, audit, plan),
        "gates": stages.gate_rows(report),
        "cost_stress": stages.cost_rows(report),
        "walk_forward": stages.walk_forward(report),
        "windows": _windows(run_paths, report, manifest),
        "risk": stages.risk(report),
        "statistics": stages.statistics(report),
        "governance": standing.governance(audit, plan),
        "comparison": _comparison(
            run_paths, report if manifest.get("abandoned") is None else None, audit, plan
        ),
        "follow_ups": standing.follow_ups(plan, _hypotheses()),
        "evidence": _evidence(run_paths, manifest),
    }


def _needed(run_paths: RunPaths, name: str) -> Any:
    path = run_paths.path(name)
    if not path.exists():
        raise Missing(path, artifacts.ARTIFACTS[name].description, "nothing there", _CLOSE)
    return json_files.read(run_paths, name)


def _ledger_row(run_paths: RunPaths) -> Facts:
    row = ledger.latest_row(ledger.read_rows(run_paths.root), run_paths.run)
    if row is None:
        path = locations.workspace_path(run_paths.root, "stage_ledger")
        raise Missing(path, f"a row for {run_paths.run}", "none", _CLOSE)
    return row


def _strategy(run_paths: RunPaths, report: Any) -> str | None:
    of_report = values.text(gates.inputs(report).get("strategy"))
    return of_report or command_file.option(run_paths.path("command"), "--strategy")


def _windows(run_paths: RunPaths, report: Any, manifest: Facts) -> Facts:
    """Read the windows of the table that the report names; only one that the manifest lists is evidence."""
    if report is None:
        return {
            "path": None,
            "rows": None,
            "problem": "there is no gate report that names the table",
        }
    path = evidence.local_path(
        locations.GATES, run_paths.gate, gates.section(report, "wf_stress").get("summary_csv")
    )
    if path is None or path not in evidence.FileDigests.from_manifest(manifest).files:
        return {
            "path": path,
            "rows": None,
            "problem": "the table that the report names is not among the evidence",
        }
    try:
        columns = (stages.WINDOW_START,)
        rows = csv_files.read_external(run_paths.root / path, columns, stages.MEASURES)
    except PostRunError as error:
        return {"path": path, "rows": None, "problem": str(error).replace(f"{run_paths.root}/", "")}
    return {"path": path, "rows": stages.windows(rows), "problem": None}


def _comparison(run_paths: RunPaths, report: Any, audit: Facts, plan: Facts) -> Facts:
    """Set the run beside the one before it. Without a report, or given up, it measured nothing: as in the registry."""
    rows = csv_files.read_rows(
        locations.workspace_path(run_paths.root, REGISTRY), json_files.columns(REGISTRY)
    )
    before = comparison.previous(rows, run_paths.run, audit["factor"])
    if before is None:
        alone = (
            "no earlier run of this factor is in the registry"
            if audit["factor"]
            else "the factor is not known"
        )
        return {"previous_run": None, "none_because": alone, "metrics": []}
    now = {
        **scoring.measure(report),
        "overall_pass": None if report is None else audit["overall_pass"],
        "audit_passed": audit["passed"],
        "high_items": sum(item["severity"] == "High" for item in plan["items"]),
    }
    return {
        "previous_run": before["run"],
        "none_because": None,
        "metrics": comparison.compare(before, now),
    }


def _hypotheses() -> dict[str, str]:
    return {
        row["gate"]: row["hypothesis"] for row in configuration.load("gate_hypotheses")["gates"]
    }


def _evidence(run_paths: RunPaths, manifest: Facts) -> Facts:
    """Cite the files that the review rests on; the digest of the whole list stands for the others."""
    cited = [
        {name: file[name] for name in ("path", "size", "sha256")} for file in manifest["files"]
    ]
    return {
        "manifest": run_paths.relative(run_paths.path("evidence_manifest")),
        "verified": manifest["verified"],
        "sha256": ledger.evidence_digest(manifest),
        "files": len(manifest["files"]),
        "bytes": sum(file["size"] for file in manifest["files"]),
        "cited": [file for file in cited if _is_noun(file["path"])],
        "changes": [
            {name: change[name] for name in ("at", "reason", "files")}
            for change in manifest["changes"]
        ],
    }


def _is_noun(path: str) -> bool:
    """Say whether a piece of evidence has a name of its own; `*` in one stands for one folder."""
    home, below = (
        (Home.RUN, locations.RUNS)
        if path.startswith(f"{locations.RUNS}/")
        else (Home.GATE, locations.GATES)
    )
    parts = path.split("/")[below.count("/") + 2 :]
    return any(
        len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
        for pattern in _patterns(home)
    )


@cache
def _patterns(home: Home) -> tuple[list[str], ...]:
    external = (
        artifact
        for artifact in artifacts.ARTIFACTS.values()
        if not artifact.generated and artifact.home is home
    )
    return tuple(
        f"{artifact.file}{suffix}".split("/")
        for artifact in external
        for suffix in artifact.suffixes
    )


def _words(document: Mapping[str, Any]) -> str:
    decision, compared = document["decision"], document["comparison"]
    words = f"{decision['result']}, {decision['recommendation'].replace('_', ' ')}"
    if decision["blocking"]:
        words += f", {len(decision['blocking'])} blocking"
    if compared["previous_run"] is None:
        return f"{words}; compared with no run: {compared['none_because']}"
    counts = comparison.tally(compared["metrics"])
    return f"{words}; against {compared['previous_run']}: {counts['better']} better, {counts['worse']} worse"


def main(argv: Sequence[str] | None = None) -> int:
    """Run this step alone."""
    return cli.step_main(review, __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
