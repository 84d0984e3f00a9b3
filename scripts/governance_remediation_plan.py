"""Plan what to repair after an audit: one item for each check that failed, most severe first.

Reads governance_audit_check.json and, for the remedies, configs/governance_checks.json; nothing
else. Writes governance_remediation_plan.json and .md into the run folder. An audit that passed
gives a plan without items. Gates that failed are listed apart from the items: they are no fault of
the record, and repairing the record does not make them pass.
Exit code: 0 written; 3 there is no audit yet; 4 the audit or the catalogue is broken; 5 it is not
clear which run is meant.

    python scripts/governance_remediation_plan.py --tag committee_2026-02-21_run4
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

from collections.abc import Mapping, Sequence

from postrun import cli
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.decide import check_results
from postrun.decide.check_results import SKIPPED
from postrun.store import check_catalogue, documents, page_files
from postrun.store.check_catalogue import SEVERITIES, Check

ARTIFACT = "governance_remediation_plan"
_AUDIT = "governance_audit_check"
_AUDIT_FIRST = "audit the run first: make governance-audit TAG=..."


def remediate(_: RunRequest, run_paths: RunPaths) -> StepResult:
    """Write the plan for one run; return how many items it has. Raises Missing, Invalid."""
    audit = documents.read(run_paths, _AUDIT, _AUDIT_FIRST)
    items = plan(audit, check_catalogue.checks())
    document, written = page_files.write_formats(run_paths, ARTIFACT, items)
    return StepResult(_summary(document["items"]), written)


def plan(audit: Json, catalogue: Mapping[str, Check]) -> Json:
    """Return the plan for an audit: High first, within one severity in the order of the audit.

    A skipped check is no item: it is asked again once the check that it requires is repaired.
    Raises Invalid for a check that the catalogue does not have.
    """
    checks = audit["checks"]
    items = [_item(row, catalogue) for row in check_results.failed(checks)]
    # The sort is stable, so items of one severity stay in the order of the audit.
    items.sort(key=_severity)
    skipped = [row["id"] for row in checks if row["answer"] == SKIPPED]
    return {
        "run_folder": audit["run_folder"],
        "gate_folder": audit["gate_folder"],
        "decision_tag": audit["decision_tag"],
        "failed_gates": audit["failed_gates"],
        "audit_passed": audit["passed"],
        "items": items,
        "waiting": skipped,
    }


def _severity(item: Json) -> int:
    return SEVERITIES.index(item["severity"])


def _item(row: Json, catalogue: Mapping[str, Check]) -> Json:
    # The audit may be older than the catalogue.
    check = catalogue.get(row["id"])
    if check is None:
        hint = "audit the run again: make governance-audit TAG=..."
        raise Invalid(f"{_AUDIT}.json", "checks of the catalogue", repr(row["id"]), hint)
    item = {
        **row,
        "check": check.id,
        "severity": check.severity,
        "family": check.family,
        "remedy": check.remedy,
    }
    del item["id"]
    return item


def _summary(items: Sequence[Json]) -> str:
    if not items:
        return "nothing to repair"
    severities = [item["severity"] for item in items]
    counts = []
    for severity in SEVERITIES:
        if severity in severities:
            counts.append(f"{severities.count(severity)} {severity}")
    return f"{len(items)} to repair: {', '.join(counts)}"


def main(argv: flags.Argv = None) -> int:
    """Run this step alone."""
    return cli.step_main(remediate, FLAGS, argv, name="remediation-plan")


if __name__ == "__main__":
    raise SystemExit(main())
