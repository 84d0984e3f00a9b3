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
from pathlib import PurePosixPath
from typing import Any

from postrun import artifacts, cli, command, evidence, gates, layout, ledger, policy, render, scoring, tables
from postrun.errors import Missing, Refusal
from postrun.layout import Home, Place
from postrun.outcome import Order, Outcome
from review import comparison, stages

NOUN, REGISTRY = "production_gates_run_review", "factor_experiment_registry"
APPROVE, REPAIR, REJECT = "approve", "repair_first", "do_not_promote"
_COSTS = {"test_ic_x1_0": 1.0, "test_ic_x1_5": 1.5, "test_ic_x2_0": 2.0}
_CLOSE = "close the run first: make finalize TAG=..."
_PASSED = "the exit code is zero, every gate passes when worked out again, and nothing was skipped"

Facts = dict[str, Any]


def review(order: Order) -> Outcome:
    """Gather one run's review and write it three times over. Raises Missing, Invalid, Unclear."""
    place = cli.locate(order)
    found = {name: _needed(place, name) for name in ("evidence_manifest", "governance_audit_check")}
    plan = _needed(place, "governance_remediation_plan")
    report = artifacts.seek(place, "production_gates_report") if place.gate is not None else None
    document = artifacts.write(place, NOUN, gather(place, report, *found.values(), plan))
    pages = [place.path(NOUN, suffix) for suffix in (".md", ".html")]
    for page in pages:
        render.write(page, f"{NOUN}{page.suffix}", **document)
    return Outcome(_words(document), (place.path(NOUN), *pages))


def gather(place: Place, report: Any, manifest: Facts, audit: Facts, plan: Facts) -> Facts:
    """Put together everything the page says. Raises Missing without a ledger row, Invalid for a broken table."""
    row = _ledger_row(place)
    name = layout.run_name(place.run)
    assert name is not None, "located runs have a run's name"
    walk_forward = stages.walk_forward(report)
    return {
        "run_folder": place.run,
        "gate_folder": place.gate,
        "decision_tag": name.tag,
        "started": name.stamp,
        "factor": audit["factor"],
        "strategy": _strategy(place, report),
        "owner": audit["owner"],
        "objective": row["objective"],
        "decision": _decision(row, audit, plan),
        "gates": stages.gate_rows(report),
        "cost_stress": stages.cost_rows(report),
        "walk_forward": walk_forward,
        "windows": _windows(place, report, manifest),
        "risk": stages.risk(report),
        "statistics": stages.statistics(report),
        "governance": _governance(audit, plan),
        "comparison": _comparison(place, report, audit, plan),
        "follow_ups": _follow_ups(plan),
        "evidence": _evidence(place, manifest),
    }


def _needed(place: Place, name: str) -> Any:
    path = place.path(name)
    if not path.exists():
        raise Missing(path, layout.NOUNS[name].words, "nothing there", _CLOSE)
    return artifacts.read(place, name)


def _ledger_row(place: Place) -> Facts:
    rows = [row for row in ledger.rows(place.root) if row["run"] == place.run]
    if not rows:
        path = layout.workspace(place.root, "stage_ledger")
        raise Missing(path, f"a row for {place.run}", "none", _CLOSE)
    return rows[-1]


def _strategy(place: Place, report: Any) -> str | None:
    named = gates.inputs(report).get("strategy")
    return named if isinstance(named, str) and named else command.option(place.path("command"), "--strategy")


def _decision(row: Facts, audit: Facts, plan: Facts) -> Facts:
    """Say what the ledger and the audit together come to: a pass is for approval once its record is whole."""
    faults = sum(check["answer"] != "pass" for check in audit["checks"])
    told = f"{faults} of {len(audit['checks'])} checks" if faults else f"all {len(audit['checks'])} checks"
    record = "the audit passed" if audit["passed"] else "the audit did not pass"
    passed = row["result"] == "pass"
    return {
        "result": row["result"],
        "recommendation": (APPROVE if audit["passed"] else REPAIR) if passed else REJECT,
        "reasons": [*(row["reasons"] or [_PASSED]), f"{record}: {told}{' without a yes' if faults else ''}"],
        "blocking": [*map(_blocking_gate, plan["failed_gates"]), *map(_blocking_check, plan["items"])],
        "next_action": row["next_action"],
    }


def _blocking_gate(gate: Facts) -> Facts:
    seen = {name: gate[name] for name in ("observed", "comparison", "threshold")}
    return {"kind": "gate", "about": gate["gate"], "severity": None, "words": gate["metric"], **seen}


def _blocking_check(item: Facts) -> Facts:
    seen = {"observed": item["observed"], "comparison": None, "threshold": None}
    return {"kind": "check", "about": item["check"], "severity": item["severity"], "words": item["question"], **seen}


def _windows(place: Place, report: Any, manifest: Facts) -> Facts:
    """Read the windows of the table that the report names; only one that the manifest lists is evidence."""
    if report is None:
        return {"path": None, "rows": None, "problem": "there is no gate report that names the table"}
    path = evidence.local(layout.GATES, place.gate, gates.section(report, "wf_stress").get("summary_csv"))
    if path is None or path not in evidence.recorded(manifest).files:
        return {"path": path, "rows": None, "problem": "the table that the report names is not among the evidence"}
    try:
        frame = tables.read(place.root / path, (stages.WINDOW_START,), stages.MEASURES)
    except Refusal as refusal:
        return {"path": path, "rows": None, "problem": str(refusal).replace(f"{place.root}/", "")}
    return {"path": path, "rows": stages.windows(frame.astype(object).to_dict("records")), "problem": None}


def _governance(audit: Facts, plan: Facts) -> Facts:
    remedies = {item["check"]: item["remedy"] for item in plan["items"]}
    rows = [row for row in audit["checks"] if row["answer"] != "pass"]
    return {
        "passed": audit["passed"],
        "checks": len(audit["checks"]),
        "not_passed": [{**row, "remedy": remedies.get(row["id"])} for row in rows],
        "not_finite": audit["not_finite"],
    }


def _comparison(place: Place, report: Any, audit: Facts, plan: Facts) -> Facts:
    rows = tables.rows(layout.workspace(place.root, REGISTRY), artifacts.columns(REGISTRY))
    before = comparison.previous(rows, place.run, audit["factor"])
    if before is None:
        known = "no earlier run of this factor is in the registry"
        return {"previous_run": None, "none_because": known if audit["factor"] else "it is not known which factor ran",
                "metrics": []}
    measured = scoring.measure(report, tuple(_COSTS.values()))
    now = {
        **vars(measured),
        **dict(zip(_COSTS, measured.cost_ics, strict=True)),
        "overall_pass": audit["overall_pass"],
        "audit_passed": audit["passed"],
        "high_items": sum(item["severity"] == "High" for item in plan["items"]),
    }
    return {"previous_run": before["run"], "none_because": None, "metrics": comparison.compare(before, now)}


def _follow_ups(plan: Facts) -> list[Facts]:
    """List what to do next: repairs of the record, most severe first, then what to try after each failed gate."""
    tries = {row["gate"]: row["hypothesis"] for row in policy.load("gate_hypotheses")["gates"]}
    repairs = [
        {"kind": "repair", "about": item["check"], "severity": item["severity"], "words": item["remedy"]}
        for item in plan["items"]
    ]
    failed = [gate["gate"] for gate in plan["failed_gates"]]
    return repairs + [
        {"kind": "hypothesis", "about": gate, "severity": None, "words": tries.get(gate)} for gate in failed
    ]


def _evidence(place: Place, manifest: Facts) -> Facts:
    """Cite the files that the review rests on; the digest of the whole list stands for the others."""
    cited = [{name: file[name] for name in ("path", "size", "sha256")} for file in manifest["files"]]
    return {
        "manifest": place.relative(place.path("evidence_manifest")),
        "verified": manifest["verified"],
        "sha256": ledger.evidence_digest(manifest),
        "files": len(manifest["files"]),
        "bytes": sum(file["size"] for file in manifest["files"]),
        "cited": [file for file in cited if _is_noun(place, file["path"])],
        "changes": [{name: change[name] for name in ("at", "reason", "files")} for change in manifest["changes"]],
    }


def _is_noun(place: Place, path: str) -> bool:
    for noun in layout.NOUNS.values():
        if noun.ours or noun.home not in (Home.RUN, Home.GATE):
            continue
        for suffix in noun.suffixes:
            pattern = f"{place.relative(place.folder(noun.home))}/{noun.file}{suffix}"
            if pattern.count("/") == path.count("/") and PurePosixPath(path).match(pattern):
                return True
    return False


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
