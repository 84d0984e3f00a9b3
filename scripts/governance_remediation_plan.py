"""Say what to repair after an audit: one item for every check without a yes, most severe first.

Reads governance_audit_check.json and, for the remedies, configs/governance_checks.json; looks at nothing else.
Writes governance_remediation_plan.json and .md into the run folder. An audit that passed gives a plan without items;
gates that failed are named beside the items: they are no fault of the record, and no repair of it makes them pass.
Exit code: 0 written; 3 no audit yet; 4 audit or catalogue broken; 5 not clear which run.

    python scripts/governance_remediation_plan.py --tag committee_2026-02-21_run4
"""

from collections.abc import Mapping, Sequence
from typing import Any

from postrun import cli
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.store import check_catalogue, json_files, page_files
from postrun.store.check_catalogue import SEVERITIES, Check

NOUN = "governance_remediation_plan"
_COPIED = ("question", "answer", "expected", "observed", "evidence")


def remediate(_: RunRequest, run_paths: RunPaths) -> StepResult:
    """Write the plan for one run. Raises Missing, Invalid, Unclear."""
    path = run_paths.path("governance_audit_check")
    if not path.exists():
        raise Missing(
            path, "an audit", "nothing there", "audit the run first: make governance-audit TAG=..."
        )
    found = plan(json_files.read(run_paths, "governance_audit_check"), check_catalogue.checks())
    document = json_files.write(run_paths, NOUN, found)
    page = run_paths.path(NOUN, ".md")
    page_files.write(page, f"{NOUN}.md", **document)
    return StepResult(_words(document), (run_paths.path(NOUN), page))


def plan(audit: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Turn an audit into items, High first, within one severity in the order of the audit. Raises Invalid.

    What was skipped is no item: it is asked again when the check that it waits for is repaired.
    """
    items = [
        _item(row, _known(row["id"], checks))
        for row in audit["checks"]
        if row["answer"] in ("fail", "error")
    ]
    items.sort(key=lambda item: SEVERITIES.index(item["severity"]))
    waiting = [row["id"] for row in audit["checks"] if row["answer"] == "skipped"]
    taken = {
        name: audit[name] for name in ("run_folder", "gate_folder", "decision_tag", "failed_gates")
    }
    return {**taken, "audit_passed": audit["passed"], "items": items, "waiting": waiting}


def _known(check: str, checks: Mapping[str, Check]) -> Check:
    if check not in checks:
        hint = "audit the run again: make governance-audit TAG=..."
        raise Invalid("governance_audit_check.json", "checks of the catalogue", repr(check), hint)
    return checks[check]


def _item(row: Mapping[str, Any], check: Check) -> dict[str, Any]:
    ours = {
        "check": check.id,
        "severity": check.severity,
        "family": check.family,
        "remedy": check.remedy,
    }
    return {**ours, **{name: row[name] for name in _COPIED}}


def _words(document: Mapping[str, Any]) -> str:
    if not document["items"]:
        return "nothing to repair"
    counts = {
        level: sum(item["severity"] == level for item in document["items"]) for level in SEVERITIES
    }
    return f"{len(document['items'])} to repair: " + ", ".join(
        f"{n} {level}" for level, n in counts.items() if n
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run this step alone."""
    return cli.step_main(remediate, __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
